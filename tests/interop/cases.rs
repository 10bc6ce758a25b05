//! What must work with everybody.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, ConnectionState, Message, PutError, Reliability,
};

use crate::counterpart::Counterpart;
use crate::duo::{Duo, Offerer, to_json};
use crate::stacks::Stack;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Whether a stack can do it at all.
    pub(crate) applies: fn(&Stack) -> bool,
    pub(crate) run: fn(&Stack, &mut Counterpart, Offerer) -> Result<()>,
}

impl Case {
    const fn new(
        name: &'static str,
        run: fn(&Stack, &mut Counterpart, Offerer) -> Result<()>,
    ) -> Self {
        Self { name, applies: |_| true, run }
    }

    const fn only_where(self, applies: fn(&Stack) -> bool) -> Self {
        Self { applies, ..self }
    }
}

pub(crate) const CASES: &[Case] = &[
    Case::new("channels_with_agreed_ids", channels_with_agreed_ids),
    Case::new("messages_of_every_size", messages_of_every_size),
    Case::new("channels_that_are_announced", channels_announced),
    Case::new("channels_that_come_later", channels_later),
    Case::new("channels_that_close", channels_closing),
    Case::new("we_close", we_close),
    Case::new("they_close", they_close),
    Case::new("we_restart_ice", we_restart_ice).only_where(|stack| stack.restarts_ice),
    Case::new("they_restart_ice", they_restart_ice).only_where(|stack| stack.restarts_ice),
    Case::new("bulk", bulk),
];

/// Longest time until a side has noticed that the other one closed something.
const NOTICE: Duration = Duration::from_secs(2);
/// How long messages go on after a restart of ICE: longer than either side would take for
/// connected what has no path any more.
const AFTER_RESTART: Duration = Duration::from_secs(3);

/// The three channels of Godot's `WebRTCMultiplayerPeer`.
fn channels_with_agreed_ids(
    stack: &Stack,
    theirs: &mut Counterpart,
    offerer: Offerer,
) -> Result<()> {
    let brief = Reliability::MaxPacketLifeTime(Duration::from_millis(1));
    let inits = [
        agreed(1, "reliable"),
        ChannelInit { reliability: brief, ..agreed(2, "ordered") },
        ChannelInit { reliability: brief, ordered: false, ..agreed(3, "unreliable") },
    ];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    let started = Instant::now();
    duo.until_open()?;
    println!("{}::{offerer}: open in {} ms", stack.name, started.elapsed().as_millis());
    for channel in take_channels(&mut duo) {
        for message in [text("grüße\0"), binary(1), binary(1000), text("bye")] {
            duo.echo(&channel, &message).with_context(|| channel.init().label.clone())?;
        }
    }
    Ok(())
}

fn messages_of_every_size(stack: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    let inits = [agreed(1, "reliable")];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    duo.until_open()?;
    let channel = &take_channels(&mut duo)[0];
    let largest = stack.max_message_bytes;
    for size in [0, 1, 1191, 1192, 16 * 1024, 64 * 1024, largest] {
        duo.echo(channel, &binary(size))?;
        duo.echo(channel, &text(&"z".repeat(size)))?;
    }
    let refused = channel.put(&vec![0; largest + 1], false);
    ensure!(refused == Err(PutError::TooLarge(largest)), "{refused:?}");
    Ok(())
}

/// Each side opens channels of its own, before there is a connection.
fn channels_announced(stack: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    let ours = [
        named("Unsere Grüße"),
        ChannelInit {
            protocol: "json".to_owned(),
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
            ..named("ours: unreliable")
        },
    ];
    let brief = Reliability::MaxPacketLifeTime(Duration::from_millis(300));
    let their = [
        ChannelInit { protocol: "chat".to_owned(), ..named(stack.label) },
        ChannelInit { reliability: brief, ..named("theirs: brief") },
    ];
    let mut duo = Duo::start(theirs, offerer, &ours, &their)?;
    expect_announced(&mut duo, &ours, &their)
}

/// Each side opens a channel of its own while the connection stands.
fn channels_later(_: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    let first = [agreed(1, "first")];
    let mut duo = Duo::start(theirs, offerer, &first, &first)?;
    duo.until_open()?;
    let first = take_channels(&mut duo);
    let (ours, their) = ([named("ours")], [named("theirs")]);
    duo.open(&ours[0])?;
    duo.tell("open", json!({ "init": to_json(&their[0]) }))?;
    expect_announced(&mut duo, &ours, &their)?;
    duo.echo(&first[0], &text("still there"))
}

/// Either side sees on the channels that the other one opened what was agreed to, and can use them.
fn expect_announced(duo: &mut Duo<'_>, ours: &[ChannelInit], their: &[ChannelInit]) -> Result<()> {
    duo.until("everything announced and open", |duo| {
        ours.iter().all(|init| duo.have_said("announced", &init.label))
            && their.iter().all(|init| duo.have_said("open", &init.label))
            && duo.announced.len() == their.len()
            && duo.channels.iter().all(|channel| channel.state() == ChannelState::Open)
    })?;
    for init in ours {
        let said = duo.said("announced", &init.label).context("it was just seen")?;
        let expected = to_json(init);
        // Not every stack can tell everything, here and below.
        for (key, value) in said["init"].as_object().into_iter().flatten() {
            ensure!(*value == expected[key], "{key} is {value}, not {}", expected[key]);
        }
    }
    let channels = take_channels(duo);
    let announced = std::mem::take(&mut duo.announced);
    for channel in &announced {
        ensure!(their.contains(channel.init()), "{:?}", channel.init());
    }
    for channel in channels.iter().chain(&announced) {
        let said = ["open", "announced"].map(|what| duo.said(what, &channel.init().label));
        let their_ids = said.into_iter().flatten().filter_map(|said| said["id"].as_u64());
        for their_id in their_ids {
            ensure!(
                channel.id().map(u64::from) == Some(their_id),
                "{:?} is {their_id}",
                channel.id()
            );
        }
        duo.echo(channel, &text("hello")).with_context(|| channel.init().label.clone())?;
    }
    Ok(())
}

fn channels_closing(_: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    let inits = [agreed(1, "stays"), agreed(2, "we close"), agreed(3, "they close")];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    duo.until_open()?;
    let channels = take_channels(&mut duo);
    for channel in &channels {
        duo.echo(channel, &text("hello"))?;
    }
    let started = Instant::now();
    channels[1].close();
    duo.until("closed by us", |duo| {
        channels[1].state() == ChannelState::Closed && duo.have_said("closed", "we close")
    })?;
    duo.tell("close_channel", json!({ "label": "they close" }))?;
    duo.until("closed by them", |duo| {
        channels[2].state() == ChannelState::Closed && duo.have_said("closed", "they close")
    })?;
    ensure!(started.elapsed() < NOTICE, "it took {:?}", started.elapsed());
    duo.echo(&channels[0], &text("still there"))
}

fn we_close(_: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    let inits = [agreed(1, "channel")];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    duo.until_open()?;
    let started = Instant::now();
    duo.ours.close();
    duo.until("seen by them", |duo| duo.have_said("closed", "channel"))?;
    ensure!(started.elapsed() < NOTICE, "it took {:?}", started.elapsed());
    Ok(())
}

fn they_close(_: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    let inits = [agreed(1, "channel")];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    duo.until_open()?;
    let started = Instant::now();
    duo.tell("close", json!({}))?;
    duo.until("seen by us", |duo| {
        duo.ours.connection_state() == ConnectionState::Closed
            && duo.channels[0].state() == ChannelState::Closed
    })?;
    ensure!(started.elapsed() < NOTICE, "it took {:?}", started.elapsed());
    Ok(())
}

fn we_restart_ice(_: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    restart_ice(theirs, offerer, Offerer::We)
}

fn they_restart_ice(_: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    restart_ice(theirs, offerer, Offerer::They)
}

/// Messages come and go before, while and after one side restarts ICE.
fn restart_ice(theirs: &mut Counterpart, offerer: Offerer, restarter: Offerer) -> Result<()> {
    let inits = [agreed(1, "channel")];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    duo.until_open()?;
    let channel = &take_channels(&mut duo)[0];
    duo.echo(channel, &text("before"))?;
    duo.offer(restarter, true)?;
    let mut restarted = None;
    let mut number = 0;
    while restarted.is_none_or(|at: Instant| at.elapsed() < AFTER_RESTART) {
        duo.echo(channel, &text(&number.to_string()))?;
        number += 1;
        let state = duo.ours.connection_state();
        ensure!(state == ConnectionState::Connected, "we are {state:?} at message {number}");
        if restarted.is_none() && duo.their_ufrags.len() == 2 {
            restarted = Some(Instant::now());
        }
    }
    ensure!(duo.their_ufrags[0] != duo.their_ufrags[1], "they did not restart");
    Ok(())
}

/// Many messages at once arrive both ways. How fast is shown, for information.
fn bulk(stack: &Stack, theirs: &mut Counterpart, offerer: Offerer) -> Result<()> {
    const SIZE: usize = 16 * 1024;
    const COUNT: usize = 256;
    let inits = [agreed(1, "bulk")];
    let mut duo = Duo::start(theirs, offerer, &inits, &inits)?;
    duo.until_open()?;
    let channel = &take_channels(&mut duo)[0];

    let started = Instant::now();
    for _ in 0..COUNT {
        duo.put(channel, &[7; SIZE], false)?;
    }
    duo.put(channel, b"size?", true)?;
    let answer = duo.next(channel)?;
    ensure!(answer == text(&(SIZE * COUNT).to_string()), "they got {answer:?}");
    let outward = started.elapsed();

    let started = Instant::now();
    duo.put(channel, format!("send {COUNT} {SIZE}").as_bytes(), true)?;
    for _ in 0..COUNT {
        let message = duo.next(channel)?;
        ensure!(message.data.len() == SIZE && !message.text, "{} bytes", message.data.len());
    }
    let inward = started.elapsed();
    let rate = |time: Duration| (SIZE * COUNT) as f64 / time.as_secs_f64() / 1e6;
    let (outward, inward) = (rate(outward), rate(inward));
    println!("{}::{offerer}: {outward:.1} MB/s out, {inward:.1} MB/s in", stack.name);
    Ok(())
}

fn take_channels(duo: &mut Duo<'_>) -> Vec<ChannelHandle> {
    std::mem::take(&mut duo.channels)
}

/// A reliable channel that is announced to the other side.
fn named(label: &str) -> ChannelInit {
    ChannelInit {
        label: label.to_owned(),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
        negotiated: None,
    }
}

/// A reliable channel that both sides make.
fn agreed(id: u16, label: &str) -> ChannelInit {
    ChannelInit { negotiated: Some(id), ..named(label) }
}

fn text(text: &str) -> Message {
    Message { data: text.into(), text: true }
}

fn binary(size: usize) -> Message {
    Message { data: (0..size).map(|index| (index % 251) as u8).collect(), text: false }
}
