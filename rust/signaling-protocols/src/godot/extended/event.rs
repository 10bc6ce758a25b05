//! What the server may say.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use signaling_core::PeerId;

use super::fields::{Fields, Invalid, Required};
use super::hello::{self, RoundTrips, Welcome};
use super::lobby::{LobbyEntry, LobbyView, MemberView, map};
use super::problem::Problem;
use super::{kind, limits};
use crate::godot::wire;
use crate::json::{Json, Object};

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// The answer to HELLO.
    Welcome(Box<Welcome>),
    /// The answer to PING.
    Pong {
        /// How many messages of ours have arrived.
        received: u64,
        /// The round trips of the lobby's members.
        round_trips: RoundTrips,
    },
    /// A request was granted.
    Done {
        /// Which.
        request: u64,
        /// What it asked for.
        result: Object,
    },
    /// A request was refused, or HELLO with the number 0, after which the connection ends.
    Refused {
        /// Which.
        request: u64,
        /// Why.
        problem: Problem,
        /// Why, in words.
        message: String,
        /// What else there is to know.
        details: Object,
    },
    /// A member is new, or has changed.
    Member(MemberView),
    /// A member is gone.
    MemberGone {
        /// Who.
        peer: PeerId,
        /// Why; `None` when it left.
        problem: Option<Problem>,
    },
    /// The lobby has changed.
    Lobby(LobbyEntry),
    /// Another member is the host; all ids and connections stay.
    Host {
        /// Who.
        peer: PeerId,
    },
    /// Another member is the host, and everybody has to connect anew: PEER_CONNECT follows for
    /// each. What is relayed is dropped until READY confirms the epoch.
    Epoch {
        /// The lobby, with our id in the new epoch.
        view: LobbyView,
        /// Members whose id is another now: from, to.
        renamed: Vec<(PeerId, PeerId)>,
    },
    /// The server waits for a member's return.
    Unstable {
        /// Who.
        peer: PeerId,
    },
    /// It has returned.
    Stable {
        /// Who.
        peer: PeerId,
    },
    /// A member sent something.
    Message {
        /// Who.
        from: PeerId,
        /// Whether it went to all.
        is_for_all: bool,
        /// What.
        data: Json,
    },
    /// A value of the lobby has changed.
    Value {
        /// Which.
        key: String,
        /// What it is; `None`: gone.
        value: Option<Json>,
        /// Who set it; `None` for one that was there before we came.
        by: Option<PeerId>,
    },
    /// A public lobby that we watch for is new, or has changed.
    Listed(LobbyEntry),
    /// A public lobby is gone, or not what we watch for any more.
    Unlisted {
        /// Its code.
        code: String,
    },
    /// A user's status has changed.
    Status {
        /// Where.
        namespace: String,
        /// Who.
        user: String,
        /// Its name.
        name: String,
        /// What; `None`: nothing any more.
        status: Option<Json>,
    },
    /// Somebody invites us.
    Invited {
        /// The number of the invitation.
        invite: u64,
        /// Who.
        user: String,
        /// Its name.
        name: String,
        /// Where.
        lobby: LobbyEntry,
        /// Anything.
        data: Option<Json>,
    },
    /// An invitation of ours was answered.
    InviteAnswered {
        /// Which.
        invite: u64,
        /// Whether it was accepted.
        is_accepted: bool,
    },
    /// An invitation for us is over.
    InviteCancelled {
        /// Which.
        invite: u64,
    },
    /// We are out of the lobby; the connection stays.
    Left {
        /// Why.
        problem: Problem,
        /// Why, in words.
        message: String,
    },
}

impl ServerEvent {
    /// Reads a message of this type; `None` when it means nothing.
    pub(in crate::godot) fn decode(kind: u64, id: u64, data: &str) -> Option<Self> {
        Self::read(kind, id, Fields::parse(data).ok()?).ok()?
    }

    /// The frame of this message.
    pub fn encode(&self) -> Arc<str> {
        let (kind, id, data) = self.write();
        wire::encode(kind, id, &wire::escape(&data.to_string()))
    }

    fn read(kind: u64, id: u64, mut fields: Fields) -> Result<Option<Self>, Invalid> {
        let fields = &mut fields;
        let peer = || PeerId::new(id).ok_or_else(|| Invalid::new("`id` is no peer's"));
        Ok(Some(match kind {
            kind::HELLO => Self::Welcome(Box::new(Welcome::read(std::mem::take(fields))?)),
            kind::PING => {
                let (received, round_trips) = hello::read_pong(std::mem::take(fields))?;
                Self::Pong { received, round_trips }
            }
            kind::DONE => Self::Done { request: id, result: std::mem::take(fields).rest() },
            kind::REFUSED => {
                let (problem, message) = read_problem(fields)?;
                let details = std::mem::take(fields).rest();
                Self::Refused { request: id, problem, message, details }
            }
            kind::MEMBER => Self::Member(MemberView::read(fields)?),
            kind::MEMBER_GONE => Self::MemberGone {
                peer: peer()?,
                problem: fields.text("problem", limits::NAME)?.as_deref().map(problem),
            },
            kind::LOBBY => Self::Lobby(LobbyEntry::read(fields)?),
            kind::HOST => Self::Host { peer: peer()? },
            kind::EPOCH => {
                Self::Epoch { renamed: read_renamed(fields)?, view: LobbyView::read(fields)? }
            }
            kind::UNSTABLE => Self::Unstable { peer: peer()? },
            kind::STABLE => Self::Stable { peer: peer()? },
            kind::MESSAGE => Self::Message {
                from: peer()?,
                is_for_all: fields.flag("all")?.unwrap_or_default(),
                data: fields.json("data", limits::MESSAGE)?.unwrap_or_default(),
            },
            kind::VALUE => Self::Value {
                key: fields.text("key", limits::KEY).required("key")?,
                value: fields.json("value", limits::VALUE)?,
                by: PeerId::new(id),
            },
            kind::LISTED => Self::Listed(LobbyEntry::read(fields)?),
            kind::UNLISTED => {
                Self::Unlisted { code: fields.text("code", limits::CODE).required("code")? }
            }
            kind::STATUS => Self::Status {
                namespace: fields.text("namespace", limits::GAME).required("namespace")?,
                user: fields.text("user", limits::USER).required("user")?,
                name: fields.text("name", limits::NAME)?.unwrap_or_default(),
                status: fields.json("status", limits::STATUS)?,
            },
            kind::INVITED => Self::Invited {
                invite: id,
                user: fields.text("user", limits::USER).required("user")?,
                name: fields.text("name", limits::NAME)?.unwrap_or_default(),
                data: fields.json("data", limits::STATUS)?,
                lobby: LobbyEntry::read(&mut Fields::of(
                    fields.take("lobby").unwrap_or_default(),
                )?)?,
            },
            kind::INVITE_ANSWERED => Self::InviteAnswered {
                invite: id,
                is_accepted: fields.flag("accepted").required("accepted")?,
            },
            kind::INVITE_CANCELLED => Self::InviteCancelled { invite: id },
            kind::LEFT => {
                let (problem, message) = read_problem(fields)?;
                Self::Left { problem, message }
            }
            _ => return Ok(None),
        }))
    }

    /// The type, `id` and `data` of a message.
    fn write(&self) -> (u64, u64, Value) {
        let of = |peer: &PeerId| u64::from(peer.get());
        match self {
            Self::Welcome(welcome) => (kind::HELLO, 0, welcome.write()),
            Self::Pong { received, round_trips } => {
                (kind::PING, 0, hello::write_pong(*received, round_trips))
            }
            Self::Done { request, result } => (kind::DONE, *request, json!(result.map())),
            Self::Refused { request, problem, message, details } => {
                let mut data = write_problem(*problem, message);
                data.extend(details.map().clone());
                (kind::REFUSED, *request, Value::Object(data))
            }
            Self::Member(member) => (kind::MEMBER, 0, Value::Object(member.write())),
            Self::MemberGone { peer, problem } => {
                (kind::MEMBER_GONE, of(peer), json!({"problem": problem.map(Problem::name)}))
            }
            Self::Lobby(entry) => (kind::LOBBY, 0, Value::Object(entry.write())),
            Self::Host { peer } => (kind::HOST, of(peer), json!({})),
            Self::Epoch { view, renamed } => {
                let mut data = view.write();
                let renamed =
                    renamed.iter().map(|(from, to)| json!({"from": from.get(), "to": to.get()}));
                data.insert("renamed".to_owned(), renamed.collect());
                (kind::EPOCH, 0, Value::Object(data))
            }
            Self::Unstable { peer } => (kind::UNSTABLE, of(peer), json!({})),
            Self::Stable { peer } => (kind::STABLE, of(peer), json!({})),
            Self::Message { from, is_for_all, data } => {
                (kind::MESSAGE, of(from), json!({"all": is_for_all, "data": data.value()}))
            }
            Self::Value { key, value, by } => {
                let value = value.as_ref().map(Json::value);
                (kind::VALUE, by.as_ref().map_or(0, of), json!({"key": key, "value": value}))
            }
            Self::Listed(entry) => (kind::LISTED, 0, Value::Object(entry.write())),
            Self::Unlisted { code } => (kind::UNLISTED, 0, json!({"code": code})),
            Self::Status { namespace, user, name, status } => {
                let status = status.as_ref().map(Json::value);
                let data =
                    json!({"namespace": namespace, "user": user, "name": name, "status": status});
                (kind::STATUS, 0, data)
            }
            Self::Invited { invite, user, name, lobby, data } => {
                let data = data.as_ref().map(Json::value);
                let data =
                    json!({"user": user, "name": name, "lobby": lobby.write(), "data": data});
                (kind::INVITED, *invite, data)
            }
            Self::InviteAnswered { invite, is_accepted } => {
                (kind::INVITE_ANSWERED, *invite, json!({"accepted": is_accepted}))
            }
            Self::InviteCancelled { invite } => (kind::INVITE_CANCELLED, *invite, json!({})),
            Self::Left { problem, message } => {
                (kind::LEFT, 0, Value::Object(write_problem(*problem, message)))
            }
        }
    }
}

/// A name that we do not know is one of a later version.
fn problem(name: &str) -> Problem {
    Problem::from_name(name).unwrap_or(Problem::Rejected)
}

/// The longest sentence that tells why.
const MESSAGE: usize = 1024;

fn read_problem(fields: &mut Fields) -> Result<(Problem, String), Invalid> {
    let problem = problem(&fields.text("problem", limits::NAME).required("problem")?);
    Ok((problem, fields.text("message", MESSAGE)?.unwrap_or_default()))
}

fn write_problem(problem: Problem, message: &str) -> Map<String, Value> {
    map(json!({"problem": problem.name(), "message": message}))
}

fn read_renamed(fields: &mut Fields) -> Result<Vec<(PeerId, PeerId)>, Invalid> {
    let pair = |pair: Value| {
        let mut pair = Fields::of(pair)?;
        Ok((pair.peer("from").required("from")?, pair.peer("to").required("to")?))
    };
    fields.list("renamed")?.into_iter().map(pair).collect()
}
