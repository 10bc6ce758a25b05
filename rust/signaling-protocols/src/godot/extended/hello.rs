//! How a session begins, is kept alive and is resumed.

use std::time::Duration;

use serde_json::{Value, json};
use signaling_core::PeerId;

use super::fields::{Fields, Invalid, Required};
use super::limits;
use super::problem::Problem;
use crate::json::Json;

/// What a client opens with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The version of the extension.
    pub version: u64,
    /// Which game this is; lobbies, lists and statuses of other games are out of reach.
    pub game: String,
    /// The game's build; a lobby takes only clients of the same.
    pub build: String,
    /// What the server checks, if it checks anything.
    pub token: String,
    /// What other players see.
    pub name: String,
    /// The session to go on with.
    pub resume: Option<Resume>,
}

/// Where a session broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// What the server gave when the session began.
    pub token: String,
    /// How many messages of the session have been received.
    pub received: u64,
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version of the extension that is spoken.
    pub version: u64,
    /// Our id, for invitations.
    pub user: String,
    /// What resumes this session; whoever has it is us.
    pub token: String,
    /// How many messages of ours the server has received, if the session goes on; `None` when it
    /// is a new one.
    pub resumed: Option<u64>,
    /// Why a session that was to go on does not.
    pub problem: Option<Problem>,
    /// How long a session without a connection lives on.
    pub resume_timeout: Duration,
    /// How often to send PING.
    pub ping_interval: Duration,
    /// STUN and TURN servers, in the form of the W3C's `iceServers`.
    pub ice_servers: Json,
}

/// How each peer's connection to the server is, in milliseconds there and back.
pub type RoundTrips = Vec<(PeerId, u32)>;

/// The longest round trip that is told, in milliseconds.
const MAX_ROUND_TRIP: u64 = 60_000;

impl Hello {
    pub(super) fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let resume = fields.take("resume").map(Fields::of).transpose()?;
        Ok(Self {
            version: fields.count("version").required("version")?,
            game: fields.text("game", limits::GAME)?.unwrap_or_default(),
            build: fields.text("build", limits::GAME)?.unwrap_or_default(),
            token: fields.text("token", limits::TOKEN)?.unwrap_or_default(),
            name: fields.text("name", limits::NAME)?.unwrap_or_default(),
            resume: resume.map(Resume::read).transpose()?,
        })
    }

    pub(super) fn write(&self) -> Value {
        let resume = self
            .resume
            .as_ref()
            .map(|resume| json!({"token": resume.token, "received": resume.received}));
        json!({
            "version": self.version,
            "game": self.game,
            "build": self.build,
            "token": self.token,
            "name": self.name,
            "resume": resume,
        })
    }
}

impl Resume {
    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        Ok(Self {
            token: fields.text("token", limits::TOKEN).required("token")?,
            received: fields.count("received").required("received")?,
        })
    }
}

impl Welcome {
    pub(super) fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let problem = fields.text("problem", limits::NAME)?;
        Ok(Self {
            version: fields.count("version").required("version")?,
            user: fields.text("user", limits::USER).required("user")?,
            token: fields.text("token", limits::TOKEN).required("token")?,
            resumed: fields.count("resumed")?,
            problem: problem.map(|name| Problem::from_name(&name).unwrap_or(Problem::Lost)),
            resume_timeout: fields
                .seconds("resume_timeout", 0.0..=86_400.0)
                .required("resume_timeout")?,
            ping_interval: fields
                .seconds("ping_interval", 0.05..=3600.0)
                .required("ping_interval")?,
            ice_servers: fields.json("ice_servers", 16_384)?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self) -> Value {
        json!({
            "version": self.version,
            "user": self.user,
            "token": self.token,
            "resumed": self.resumed,
            "problem": self.problem.map(Problem::name),
            "resume_timeout": self.resume_timeout.as_secs_f64(),
            "ping_interval": self.ping_interval.as_secs_f64(),
            "ice_servers": self.ice_servers.value(),
        })
    }
}

/// PING to the server: how many messages we have received, and our last round trip in
/// milliseconds.
pub(super) fn read_ping(mut fields: Fields) -> Result<(u64, Option<u32>), Invalid> {
    let received = fields.count("received").required("received")?;
    Ok((received, round_trip(&mut fields, "rtt")?))
}

pub(super) fn write_ping(received: u64, rtt: Option<u32>) -> Value {
    json!({"received": received, "rtt": rtt})
}

/// The answer: how many messages of ours have arrived, and the round trips of the lobby.
pub(super) fn read_pong(mut fields: Fields) -> Result<(u64, RoundTrips), Invalid> {
    let received = fields.count("received").required("received")?;
    let mut round_trips = RoundTrips::new();
    for pair in fields.list("rtts")? {
        let mut pair = Fields::of(pair)?;
        let peer = pair.peer("id").required("id")?;
        round_trips.push((peer, round_trip(&mut pair, "rtt").required("rtt")?));
    }
    Ok((received, round_trips))
}

pub(super) fn write_pong(received: u64, round_trips: &RoundTrips) -> Value {
    let round_trips = round_trips.iter().map(|(peer, rtt)| json!({"id": peer.get(), "rtt": rtt}));
    json!({"received": received, "rtts": round_trips.collect::<Value>()})
}

/// One that is longer than a minute is as good as a minute.
pub(super) fn round_trip(fields: &mut Fields, key: &str) -> Result<Option<u32>, Invalid> {
    Ok(fields.count(key)?.map(|rtt| rtt.min(MAX_ROUND_TRIP) as u32))
}
