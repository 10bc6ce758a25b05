//! webrtc-rs: does what it is told on stdin, says on stdout what happens, echoes every message.

#![allow(clippy::print_stdout, reason = "it is spoken to over its standard streams")]

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bytes::BytesMut;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::Mutex;
use webrtc::data_channel::{
    DataChannel, DataChannelEvent, RTCDataChannelInit, RTCDataChannelMessage,
};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription,
};

#[tokio::main]
async fn main() -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut counterpart = Counterpart::default();
    while let Some(line) = lines.next_line().await? {
        if let Err(error) = counterpart.hear(serde_json::from_str(&line)?).await {
            counterpart.report.say("error", json!({ "text": format!("{error:#}") }));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Command {
    Start { number: u64, channels: Vec<Init> },
    Open { init: Init },
    Offer { restart: bool },
    Description { r#type: String, sdp: String },
    Candidate { candidate: String, mid: String, index: u16 },
    CloseChannel { label: String },
    Close,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Init {
    label: String,
    protocol: String,
    ordered: bool,
    max_retransmits: Option<u16>,
    max_packet_life_time: Option<u16>,
    id: Option<u16>,
}

#[derive(Default)]
struct Counterpart {
    connection: Option<Box<dyn PeerConnection>>,
    channels: Channels,
    report: Report,
}

type Channels = Arc<Mutex<HashMap<String, Arc<dyn DataChannel>>>>;

impl Counterpart {
    async fn hear(&mut self, command: Command) -> Result<()> {
        if let Command::Start { number, channels } = command {
            return self.start(number, channels).await;
        }
        let connection = self.connection.as_ref().context("there is no connection")?;
        match command {
            Command::Start { .. } => {}
            Command::Open { init } => self.open(init).await?,
            Command::Offer { restart } => {
                if restart {
                    connection.restart_ice().await?;
                }
                self.describe(connection.create_offer(None).await?).await?;
            }
            Command::Description { r#type, sdp } => match r#type.as_str() {
                "offer" => {
                    let offer = RTCSessionDescription::offer(sdp)?;
                    connection.set_remote_description(offer).await?;
                    self.describe(connection.create_answer(None).await?).await?;
                }
                "answer" => {
                    let answer = RTCSessionDescription::answer(sdp)?;
                    connection.set_remote_description(answer).await?;
                }
                other => bail!("{other} is not a kind of description"),
            },
            Command::Candidate { candidate, mid, index } => {
                let candidate = RTCIceCandidateInit {
                    candidate,
                    sdp_mid: Some(mid),
                    sdp_mline_index: Some(index),
                    ..Default::default()
                };
                connection.add_ice_candidate(candidate).await?;
            }
            Command::CloseChannel { label } => {
                let channels = self.channels.lock().await;
                channels.get(&label).context("no such channel")?.close().await?;
            }
            Command::Close => connection.close().await?,
        }
        Ok(())
    }

    async fn start(&mut self, number: u64, channels: Vec<Init>) -> Result<()> {
        if let Some(connection) = self.connection.take() {
            connection.close().await?;
        }
        self.report = Report(number);
        self.channels = Channels::default();
        let observer = Observer { report: self.report, channels: Arc::clone(&self.channels) };
        let connection = PeerConnectionBuilder::new()
            .with_handler(Arc::new(observer))
            .with_udp_addrs(vec!["0.0.0.0:0"])
            .build()
            .await?;
        self.connection = Some(Box::new(connection));
        for init in channels {
            self.open(init).await?;
        }
        self.report.say("started", json!({}));
        Ok(())
    }

    async fn open(&self, init: Init) -> Result<()> {
        let connection = self.connection.as_ref().context("there is no connection")?;
        let options = RTCDataChannelInit {
            ordered: init.ordered,
            max_packet_life_time: init.max_packet_life_time,
            max_retransmits: init.max_retransmits,
            protocol: init.protocol,
            negotiated: init.id,
        };
        let channel = connection.create_data_channel(&init.label, Some(options)).await?;
        adopt(channel, init.label, self.report, &self.channels).await;
        Ok(())
    }

    async fn describe(&self, description: RTCSessionDescription) -> Result<()> {
        let details = json!({ "type": description.sdp_type.to_string(), "sdp": description.sdp });
        let connection = self.connection.as_ref().context("there is no connection")?;
        connection.set_local_description(description).await?;
        self.report.say("description", details);
        Ok(())
    }
}

/// Says what happens to the connection with this number.
#[derive(Clone, Copy, Default)]
struct Report(u64);

impl Report {
    fn say(self, what: &str, mut details: Value) {
        details["connection"] = self.0.into();
        details["say"] = what.into();
        println!("{details}");
    }
}

struct Observer {
    report: Report,
    channels: Channels,
}

#[async_trait]
impl PeerConnectionEventHandler for Observer {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(init) = event.candidate.to_json() {
            let mid = init.sdp_mid.unwrap_or_default();
            let index = init.sdp_mline_index.unwrap_or_default();
            let details = json!({ "candidate": init.candidate, "mid": mid, "index": index });
            self.report.say("candidate", details);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.report.say("state", json!({ "state": state.to_string() }));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let (report, channels) = (self.report, Arc::clone(&self.channels));
        // The connection waits for this function.
        tokio::spawn(async move {
            match describe_channel(&*channel).await {
                Ok(details) => {
                    let label = details["label"].as_str().unwrap_or_default().to_owned();
                    report.say("announced", details);
                    adopt(channel, label, report, &channels).await;
                }
                Err(error) => report.say("error", json!({ "text": format!("{error:#}") })),
            }
        });
    }
}

async fn describe_channel(channel: &dyn DataChannel) -> Result<Value> {
    let label = channel.label().await?;
    // Of a channel of the other side it knows no more; and its ids are not those of the streams.
    let (protocol, ordered) = (channel.protocol().await?, channel.ordered().await?);
    let init = json!({ "label": label, "protocol": protocol, "ordered": ordered });
    Ok(json!({ "label": label, "init": init }))
}

async fn adopt(channel: Arc<dyn DataChannel>, label: String, report: Report, all: &Channels) {
    all.lock().await.insert(label.clone(), Arc::clone(&channel));
    tokio::spawn(async move {
        if let Err(error) = follow(&*channel, &label, report).await {
            report.say("error", json!({ "text": format!("{error:#}") }));
        }
    });
}

async fn follow(channel: &dyn DataChannel, label: &str, report: Report) -> Result<()> {
    let mut received = 0;
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => {
                report.say("open", json!({ "label": label }));
            }
            DataChannelEvent::OnClose => {
                report.say("closed", json!({ "label": label }));
                return Ok(());
            }
            DataChannelEvent::OnMessage(message) if label == "bulk" => {
                bulk(channel, message, &mut received).await?;
            }
            DataChannelEvent::OnMessage(message) if message.is_string => {
                channel.send_text(std::str::from_utf8(&message.data)?).await?;
            }
            DataChannelEvent::OnMessage(message) => channel.send(message.data).await?,
            _ => {}
        }
    }
    Ok(())
}

/// Swallows binary messages; tells their size when asked by "size?", and sends as many as
/// "send 8 16384" says.
async fn bulk(
    channel: &dyn DataChannel,
    message: RTCDataChannelMessage,
    received: &mut usize,
) -> Result<()> {
    if !message.is_string {
        *received += message.data.len();
        return Ok(());
    }
    let text = std::str::from_utf8(&message.data)?;
    if text == "size?" {
        return Ok(channel.send_text(&received.to_string()).await?);
    }
    let numbers: Vec<usize> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [count, size] = numbers[..] else { bail!("what is {text}?") };
    for _ in 0..count {
        channel.send(BytesMut::zeroed(size)).await?;
    }
    Ok(())
}
