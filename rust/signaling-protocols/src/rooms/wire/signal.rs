//! What clients say.

use std::sync::Arc;

use serde::Serialize;
use signaling_core::Frame;

use super::action::Action;
use crate::json::{Fields, WrongType};
use crate::rooms::MAX_ID_BYTES;
use crate::rooms::model::{Channel, Media, Participant, Profile, Recipient};

/// A message of a client, as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// It names no action that there is.
    Unroutable,
    /// It names one.
    Request(Request<'a>),
}

/// An action and what came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is wanted.
    pub action: Action,
    /// The JSON text of the signal, passed on and sent back as it is.
    pub data: &'a str,
    /// The signal; `None` when it is malformed.
    pub signal: Option<Box<Signal>>,
}

impl<'a> Message<'a> {
    /// Reads a frame.
    pub fn decode(frame: Frame<'a>) -> Self {
        Fields::of_frame(frame).as_ref().and_then(request).map_or(Self::Unroutable, Self::Request)
    }
}

fn request<'a>(fields: &Fields<'a>) -> Option<Request<'a>> {
    let action: String = fields.get("action").ok()??;
    let action = Action::from_name(&action)?;
    let data = fields.raw("data").unwrap_or("null");
    let signal = Signal::parse(data).filter(|signal| signal.kind.action() == action);
    Some(Request { action, data, signal: signal.map(Box::new) })
}

/// What one client says to the server or, through it, to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The kind of the room.
    pub channel: Channel,
    /// The room.
    pub room: Arc<str>,
    /// Who says it.
    pub sender: Participant,
    /// On which device.
    pub profile: Profile,
    /// What it says.
    pub kind: Kind,
}

/// What a [`Signal`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// I want to be in the room.
    Join {
        /// What I publish.
        media: Media,
        /// The room is new.
        is_creating: bool,
    },
    /// I leave.
    Leave,
    /// I publish something else.
    Update(Media),
    /// I am still there.
    Heartbeat {
        /// Which heartbeat; the ack repeats it.
        id: Option<String>,
        /// Whether there is to be an ack.
        wants_ack: bool,
    },
    /// Remove them.
    Kick {
        /// Whom.
        to: Recipient,
    },
    /// I want to publish.
    RequestPublish {
        /// What.
        media: Media,
        /// A word to the owner.
        message: Option<String>,
    },
    /// You may publish.
    AcceptPublish {
        /// Who.
        to: Recipient,
    },
    /// You may not publish.
    RejectPublish {
        /// Who.
        to: Recipient,
    },
    /// Let us connect.
    Offer {
        /// Who; in a call there is only one other.
        to: Option<Recipient>,
        /// The session description.
        sdp: String,
        /// Whether it restarts ICE of a connection that stands.
        is_restart: bool,
    },
    /// The answer to an offer.
    Answer {
        /// Who; in a call there is only one other.
        to: Option<Recipient>,
        /// The session description.
        sdp: String,
    },
    /// A way to reach me.
    Candidate {
        /// Who; in a call there is only one other.
        to: Option<Recipient>,
        /// The candidate.
        sdp: String,
    },
    /// I want to receive from them by way of a media server.
    Watch {
        /// Whom.
        to: Recipient,
    },
}

impl Kind {
    /// What it is for.
    pub fn action(&self) -> Action {
        match self {
            Self::Join { .. } => Action::Join,
            Self::Leave => Action::Leave,
            Self::Update(_) => Action::Update,
            Self::Heartbeat { .. } => Action::Heartbeat,
            Self::Kick { .. } => Action::Kick,
            Self::RequestPublish { .. } => Action::RequestPublish,
            Self::AcceptPublish { .. } => Action::AcceptPublish,
            Self::RejectPublish { .. } => Action::RejectPublish,
            Self::Offer { .. } => Action::Offer,
            Self::Answer { .. } => Action::Answer,
            Self::Candidate { .. } => Action::Candidate,
            Self::Watch { .. } => Action::Watch,
        }
    }
}

impl Signal {
    /// Reads a signal without its action; `None` when it is malformed.
    pub fn parse(data: &str) -> Option<Self> {
        Self::of(&Fields::parse(data)?)
    }

    pub(super) fn of(fields: &Fields<'_>) -> Option<Self> {
        parse(fields).ok().flatten()
    }

    /// Writes it with its action.
    pub fn encode(&self) -> Arc<str> {
        let envelope = Envelope { action: self.kind.action().name(), data: Data::of(self) };
        serde_json::to_string(&envelope).expect("strings and bools are always JSON").into()
    }
}

type Parsed<T> = Result<Option<T>, WrongType>;

fn parse(fields: &Fields<'_>) -> Parsed<Signal> {
    // Whoever it is passed on to would take it for an ack.
    if fields.raw("c").is_some() {
        return Ok(None);
    }
    let Some(room) = id(fields, "rid")? else { return Ok(None) };
    let channel = fields.get::<String>("ch")?.and_then(|name| Channel::from_name(&name));
    let Some(channel) = channel else { return Ok(None) };
    let Some((sender, profile)) = sender(fields)? else { return Ok(None) };
    let Some(kind) = kind(fields)? else { return Ok(None) };
    Ok(Some(Signal { channel, room: room.into(), sender, profile, kind }))
}

fn sender(fields: &Fields<'_>) -> Parsed<(Participant, Profile)> {
    let Some(info) = present(fields, "ss").map(|_| fields.object("ss")).transpose()?.flatten()
    else {
        let user: Option<Arc<str>> = id(fields, "uid")?.map(Into::into);
        return Ok(user.map(|user| (Participant::new(Arc::clone(&user), user), Profile::default())));
    };
    let (host, category, device) =
        (label(&info, "host")?, label(&info, "category")?, label(&info, "deviceId")?);
    let participant = id(&info, "userId")?.zip(id(&info, "sessionId")?);
    let participant = participant.map(|(user, session)| Participant::new(user, session));
    Ok(participant.map(|participant| (participant, Profile { host, category, device })))
}

fn kind(fields: &Fields<'_>) -> Parsed<Kind> {
    let name: Option<String> = fields.get("s")?;
    let Some(action) = name.and_then(|name| Action::from_signal_name(&name)) else {
        return Ok(None);
    };
    let sdp = || fields.get::<String>("sdp")?.ok_or(WrongType);
    let to = || recipient(fields)?.ok_or(WrongType);
    Ok(Some(match action {
        Action::Join => {
            let _engine: Option<String> = optional(fields, "eg")?;
            let is_creating =
                has_option(fields, "roomCreating")? || is_true(fields, "roomCreating");
            Kind::Join { media: media(fields)?, is_creating }
        }
        Action::Leave => Kind::Leave,
        Action::Update => Kind::Update(media(fields)?),
        Action::Heartbeat => {
            let wants_ack = optional(fields, "send_ack")?.unwrap_or(true);
            Kind::Heartbeat { id: label(fields, "bid")?, wants_ack }
        }
        Action::Kick => Kind::Kick { to: to()? },
        Action::RequestPublish => {
            Kind::RequestPublish { media: media(fields)?, message: optional(fields, "msg")? }
        }
        Action::AcceptPublish => Kind::AcceptPublish { to: to()? },
        Action::RejectPublish => Kind::RejectPublish { to: to()? },
        Action::Offer => {
            let is_restart = has_option(fields, "restarting")?;
            Kind::Offer { to: recipient(fields)?, sdp: sdp()?, is_restart }
        }
        Action::Answer => Kind::Answer { to: recipient(fields)?, sdp: sdp()? },
        Action::Candidate => Kind::Candidate { to: recipient(fields)?, sdp: sdp()? },
        Action::Watch => Kind::Watch { to: to()? },
    }))
}

/// The text of a field that is neither absent nor `null`.
fn present<'a>(fields: &Fields<'a>, key: &str) -> Option<&'a str> {
    fields.raw(key).filter(|text| *text != "null")
}

/// A field that may be absent or `null`.
fn optional<'a, T: serde::Deserialize<'a>>(fields: &Fields<'a>, key: &str) -> Parsed<T> {
    present(fields, key).map_or(Ok(None), |_| fields.get(key))
}

fn media(fields: &Fields<'_>) -> Result<Media, WrongType> {
    let flag = |key| Ok(optional(fields, key)?.unwrap_or(false));
    Ok(Media { video: flag("ve")?, audio: flag("ae")? })
}

fn is_true(fields: &Fields<'_>, key: &str) -> bool {
    fields.raw(key) == Some("true")
}

/// Whether a flag is set in `op`.
fn has_option(fields: &Fields<'_>, key: &str) -> Result<bool, WrongType> {
    let Some(_) = present(fields, "op") else { return Ok(false) };
    Ok(fields.object("op")?.is_some_and(|options| is_true(&options, key)))
}

/// A string that is neither empty nor too long; `None` when it is absent.
fn id(fields: &Fields<'_>, key: &str) -> Parsed<String> {
    let id: Option<String> = fields.get(key)?;
    Ok(id.filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES))
}

/// A string that is only repeated to others.
fn label(fields: &Fields<'_>, key: &str) -> Parsed<String> {
    let label: Option<String> = optional(fields, key)?;
    match label {
        Some(label) if label.len() > MAX_ID_BYTES => Err(WrongType),
        label => Ok(label),
    }
}

/// For whom: a user, or one session.
fn recipient(fields: &Fields<'_>) -> Parsed<Recipient> {
    let Some(text) = present(fields, "to") else { return Ok(None) };
    if text.starts_with('"') {
        return Ok(fields.get("to")?.map(Recipient::User));
    }
    let to = fields.object("to")?.ok_or(WrongType)?;
    let both = id(&to, "userId")?.zip(id(&to, "sessionId")?).ok_or(WrongType)?;
    Ok(Some(Recipient::Session(Participant::new(both.0, both.1))))
}

#[derive(Serialize)]
struct Envelope<'a> {
    action: &'a str,
    data: Data<'a>,
}

#[derive(Default, Serialize)]
struct Data<'a> {
    s: &'a str,
    ch: &'a str,
    rid: &'a str,
    ss: SessionInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ve: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ae: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<Options>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_ack: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<To<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<&'a str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionInfo<'a> {
    user_id: &'a str,
    session_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Options {
    #[serde(rename_all = "camelCase")]
    Creating {
        room_creating: bool,
    },
    Restarting {
        restarting: bool,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum To<'a> {
    User(&'a str),
    #[serde(rename_all = "camelCase")]
    Session {
        user_id: &'a str,
        session_id: &'a str,
    },
}

impl<'a> Data<'a> {
    fn of(signal: &'a Signal) -> Self {
        let data = Self {
            s: signal.kind.action().signal_name(),
            ch: signal.channel.name(),
            rid: &signal.room,
            ss: session_info(&signal.sender, &signal.profile),
            ..Self::default()
        };
        data.with(&signal.kind)
    }

    fn with(self, kind: &'a Kind) -> Self {
        match kind {
            Kind::Join { media, is_creating } => {
                let op = is_creating.then_some(Options::Creating { room_creating: true });
                Self { eg: Some("native"), op, ..self.with_media(*media) }
            }
            Kind::Leave => self,
            Kind::Update(media) => self.with_media(*media),
            Kind::Heartbeat { id, wants_ack } => {
                Self { bid: id.as_deref(), send_ack: Some(*wants_ack), ..self }
            }
            Kind::Kick { to }
            | Kind::AcceptPublish { to }
            | Kind::RejectPublish { to }
            | Kind::Watch { to } => Self { to: Some(To::of(to)), ..self },
            Kind::RequestPublish { media, message } => {
                Self { msg: message.as_deref(), ..self.with_media(*media) }
            }
            Kind::Offer { to, sdp, is_restart } => {
                let op = is_restart.then_some(Options::Restarting { restarting: true });
                Self { op, ..self.with_description(to.as_ref(), sdp) }
            }
            Kind::Answer { to, sdp } | Kind::Candidate { to, sdp } => {
                self.with_description(to.as_ref(), sdp)
            }
        }
    }

    fn with_media(self, media: Media) -> Self {
        Self { ve: Some(media.video), ae: Some(media.audio), ..self }
    }

    fn with_description(self, to: Option<&'a Recipient>, sdp: &'a str) -> Self {
        Self { to: to.map(To::of), sdp: Some(sdp), ..self }
    }
}

fn session_info<'a>(sender: &'a Participant, profile: &'a Profile) -> SessionInfo<'a> {
    SessionInfo {
        user_id: &sender.user,
        session_id: &sender.session,
        category: profile.category.as_deref(),
        host: profile.host.as_deref(),
        device_id: profile.device.as_deref(),
    }
}

impl<'a> To<'a> {
    fn of(recipient: &'a Recipient) -> Self {
        match recipient {
            Recipient::User(user) => Self::User(user),
            Recipient::Session(Participant { user, session }) => {
                Self::Session { user_id: user, session_id: session }
            }
        }
    }
}
