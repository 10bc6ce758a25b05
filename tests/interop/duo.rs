//! A connection between us and them, and what is passed between the two.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use signaling_webrtc::{
    ChannelHandle, ChannelInit, ChannelState, ConnectionState, Message, PeerEvent, PeerHandle,
    PeerOptions, PutError, Reliability, SdpKind, Transport,
};

use crate::counterpart::Counterpart;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long an echo on an unreliable channel may take before it counts as lost.
const ECHO_TIME: Duration = Duration::from_millis(250);
/// How often to look: there is nothing to be woken by, as in a game's frames.
const LOOK: Duration = Duration::from_micros(200);

static TRANSPORT: Transport = Transport::new();

/// Whose offer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offerer {
    We,
    They,
}

impl fmt::Display for Offerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::We => "we_offer",
            Self::They => "they_offer",
        })
    }
}

/// Our connection and theirs.
pub(crate) struct Duo<'a> {
    pub(crate) ours: PeerHandle,
    pub(crate) theirs: &'a mut Counterpart,
    /// The channels that were made here, in order.
    pub(crate) channels: Vec<ChannelHandle>,
    /// The channels that they have opened.
    pub(crate) announced: Vec<ChannelHandle>,
    /// What they said, but for descriptions and candidates.
    heard: Vec<Value>,
    /// What their ICE was called by, in each of their descriptions.
    pub(crate) their_ufrags: Vec<String>,
}

impl<'a> Duo<'a> {
    /// Makes both connections with these channels each, and one of them offer.
    pub(crate) fn start(
        theirs: &'a mut Counterpart,
        offerer: Offerer,
        our_channels: &[ChannelInit],
        their_channels: &[ChannelInit],
    ) -> Result<Self> {
        let their_channels: Vec<_> = their_channels.iter().map(to_json).collect();
        theirs.start_connection(&their_channels)?;
        let ours = TRANSPORT.peer(PeerOptions::default())?;
        let mut duo = Self {
            ours,
            theirs,
            channels: Vec::new(),
            announced: Vec::new(),
            heard: Vec::new(),
            their_ufrags: Vec::new(),
        };
        our_channels.iter().try_for_each(|init| duo.open(init))?;
        duo.until("they are ready", |duo| duo.heard.iter().any(|event| event["say"] == "started"))?;
        duo.offer(offerer, false)?;
        Ok(duo)
    }

    /// Makes a channel here.
    pub(crate) fn open(&mut self, init: &ChannelInit) -> Result<()> {
        self.channels.push(self.ours.create_channel(init.clone())?);
        Ok(())
    }

    /// Makes one of them offer. Every offer of ours but the first restarts ICE.
    pub(crate) fn offer(&mut self, offerer: Offerer, restart: bool) -> Result<()> {
        match offerer {
            Offerer::We => Ok(self.ours.create_offer()?),
            Offerer::They => self.tell("offer", json!({ "restart": restart })),
        }
    }

    /// Tells them to do something, with these details.
    pub(crate) fn tell(&mut self, what: &str, mut details: Value) -> Result<()> {
        details["do"] = what.into();
        self.theirs.tell(&details)
    }

    /// Waits until every channel that was made here is open on both sides.
    pub(crate) fn until_open(&mut self) -> Result<()> {
        self.until("all channels open", |duo| {
            duo.channels.iter().all(|channel| {
                channel.state() == ChannelState::Open
                    && duo.have_said("open", &channel.init().label)
            })
        })
    }

    /// Whether they have said this of the channel with that label.
    pub(crate) fn have_said(&self, what: &str, label: &str) -> bool {
        self.said(what, label).is_some()
    }

    /// What they have said of the channel with that label.
    pub(crate) fn said(&self, what: &str, label: &str) -> Option<&Value> {
        self.heard.iter().find(|event| event["say"] == what && event["label"] == label)
    }

    /// Sends a message, and waits for its echo; on an unreliable channel, repeatedly.
    pub(crate) fn echo(&mut self, channel: &ChannelHandle, message: &Message) -> Result<()> {
        let reliable = channel.init().reliability == Reliability::Reliable;
        let started = Instant::now();
        loop {
            channel.put(&message.data, message.text)?;
            let sent = Instant::now();
            while reliable || sent.elapsed() < ECHO_TIME {
                match channel.take() {
                    Some(echo) if echo == *message => return Ok(()),
                    // An echo may be late where nothing says that it is lost.
                    Some(echo) => {
                        ensure!(!reliable, "{} came back as {}", show(message), show(&echo))
                    }
                    None => self.pass_on()?,
                }
                ensure!(started.elapsed() < PATIENCE, "no echo of {}", show(message));
            }
        }
    }

    /// Sends a message, when there is room for it.
    pub(crate) fn put(&mut self, channel: &ChannelHandle, data: &[u8], text: bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = channel.put(data, text) {
            ensure!(error == PutError::Full && Instant::now() < deadline, error);
            self.pass_on()?;
        }
        Ok(())
    }

    /// The next message on this channel.
    pub(crate) fn next(&mut self, channel: &ChannelHandle) -> Result<Message> {
        let mut message = None;
        self.until("a message", |_| {
            message = channel.take();
            message.is_some()
        })?;
        message.context("it was just seen")
    }

    /// Passes on what the two have to tell each other until the condition holds.
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            self.pass_on()?;
            if Instant::now() > deadline {
                bail!("not in {PATIENCE:?}: {what}; we are {:?}", self.ours.connection_state());
            }
        }
        self.theirs.note(what);
        Ok(())
    }

    fn pass_on(&mut self) -> Result<()> {
        for event in self.ours.take_events() {
            self.pass_on_ours(event)?;
        }
        for event in self.theirs.heard()? {
            self.pass_on_theirs(event)?;
        }
        if self.ours.connection_state() == ConnectionState::Failed {
            bail!("we have failed: {:?}", self.ours.statistics());
        }
        thread::sleep(LOOK);
        Ok(())
    }

    fn pass_on_ours(&mut self, event: PeerEvent) -> Result<()> {
        match event {
            PeerEvent::DescriptionCreated { kind, sdp } => {
                self.ours.set_local_description(kind, &sdp)?;
                let kind = match kind {
                    SdpKind::Offer => "offer",
                    SdpKind::Answer => "answer",
                };
                self.tell("description", json!({ "type": kind, "sdp": sdp }))
            }
            PeerEvent::CandidateCreated { mid, index, candidate } => {
                let details = json!({ "candidate": candidate, "mid": mid, "index": index });
                self.tell("candidate", details)
            }
            PeerEvent::ChannelAnnounced(channel) => {
                self.announced.push(channel);
                Ok(())
            }
            // Nothing here depends on servers.
            _ => Ok(()),
        }
    }

    fn pass_on_theirs(&mut self, event: Value) -> Result<()> {
        let text = |key: &str| event[key].as_str().with_context(|| format!("{event} lacks {key}"));
        match text("say")? {
            "description" => {
                let kind = match text("type")? {
                    "offer" => SdpKind::Offer,
                    "answer" => SdpKind::Answer,
                    other => bail!("{other} is not a kind of description"),
                };
                let sdp = text("sdp")?;
                let ufrag = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
                self.their_ufrags.push(ufrag.context("there is no ice-ufrag")?.to_owned());
                self.ours.set_remote_description(kind, sdp)?;
            }
            "candidate" => {
                let index = event["index"].as_u64().unwrap_or(0);
                let index = index.try_into().context("such an index")?;
                self.ours.add_candidate(text("mid")?, index, text("candidate")?)?;
            }
            _ => self.heard.push(event),
        }
        Ok(())
    }
}

/// The W3C's dictionary for a channel, with its label.
pub(crate) fn to_json(init: &ChannelInit) -> Value {
    let (retransmits, life_time) = match init.reliability {
        Reliability::Reliable => (None, None),
        Reliability::MaxRetransmits(count) => (Some(count), None),
        Reliability::MaxPacketLifeTime(time) => (None, Some(time.as_millis())),
    };
    json!({
        "label": init.label,
        "protocol": init.protocol,
        "ordered": init.ordered,
        "maxRetransmits": retransmits,
        "maxPacketLifeTime": life_time,
        "negotiated": init.negotiated.is_some(),
        "id": init.negotiated,
    })
}

fn show(message: &Message) -> String {
    let kind = if message.text { "text" } else { "binary" };
    format!("{} bytes of {kind}", message.data.len())
}
