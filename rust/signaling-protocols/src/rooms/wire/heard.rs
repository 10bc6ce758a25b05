//! What a client hears: acks, and signals that are passed on to it.

use std::sync::Arc;

use signaling_core::Frame;

use super::ack::{KEEPALIVE, OK, PUBLISHERS_CHANGED};
use super::action::Action;
use super::signal::Signal;
use crate::json::Fields;
use crate::rooms::model::{Media, Participant, Profile, Publisher, Role};

/// A message of the server, whatever the shape of its acks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// We are in the room.
    Joined {
        /// The room.
        room: String,
        /// Our role.
        role: Role,
        /// Who publishes.
        publishers: Vec<Publisher>,
        /// STUN and TURN servers.
        ice_servers: Vec<String>,
    },
    /// The answer to a heartbeat.
    Heartbeat {
        /// The room.
        room: String,
        /// Who publishes.
        publishers: Vec<Publisher>,
    },
    /// Somebody publishes now, or something else, or not any more.
    PublishersChanged {
        /// The room.
        room: String,
        /// Who publishes; nobody when the room is closed.
        publishers: Vec<Publisher>,
    },
    /// A sign of life.
    Keepalive,
    /// A signal was refused.
    Refused {
        /// What it was for.
        action: Action,
        /// The code of the ack.
        code: u16,
        /// Why, in words.
        message: String,
    },
    /// What another client says.
    Signal(Box<Signal>),
}

impl ServerMessage {
    /// Reads a frame; `None` when it makes no sense, or means nothing to a client.
    pub fn decode(frame: Frame<'_>) -> Option<Self> {
        let fields = Fields::of_frame(frame)?;
        match fields.integer("c").ok()? {
            Some(code) => ack(u16::try_from(code).ok()?, &fields),
            None => Some(Self::Signal(Box::new(Signal::of(&fields)?))),
        }
    }
}

fn ack(code: u16, fields: &Fields<'_>) -> Option<ServerMessage> {
    let body = fields.object("b").ok()??;
    match fields.get::<String>("s").ok()? {
        Some(name) => read(code, &name, &body),
        None => {
            let name: String = body.get("s").ok()??;
            let name = name.strip_suffix("_ACK").unwrap_or(&name);
            read(code, name, &body.object("d").ok()??)
        }
    }
}

fn read(code: u16, name: &str, body: &Fields<'_>) -> Option<ServerMessage> {
    let string = |key| body.get::<String>(key).ok().flatten();
    if code != OK {
        let message = string("msg").unwrap_or_default();
        return Some(ServerMessage::Refused {
            action: Action::from_signal_name(name)?,
            code,
            message,
        });
    }
    Some(match name {
        "JOIN" => ServerMessage::Joined {
            room: string("rid")?,
            role: string("pt").and_then(|role| Role::from_name(&role))?,
            publishers: publishers(body)?,
            ice_servers: ice_servers(body).unwrap_or_default(),
        },
        "HEARTBEAT" => {
            ServerMessage::Heartbeat { room: string("rid")?, publishers: publishers(body)? }
        }
        PUBLISHERS_CHANGED => {
            ServerMessage::PublishersChanged { room: string("rid")?, publishers: publishers(body)? }
        }
        KEEPALIVE => ServerMessage::Keepalive,
        _ => return None,
    })
}

fn publishers(body: &Fields<'_>) -> Option<Vec<Publisher>> {
    let list = body.objects("pps").ok()?;
    let list = list.or(body.objects("publisher").ok()?)?;
    list.iter().map(publisher).collect()
}

/// Old servers name only one id.
fn publisher(entry: &Fields<'_>) -> Option<Publisher> {
    let string = |key| entry.get::<String>(key).ok().flatten();
    let id = |key| string(key).or_else(|| string("id")).map(Arc::<str>::from);
    let flag = |key| entry.get::<bool>(key).ok().flatten().unwrap_or(false);
    Some(Publisher {
        participant: Participant { user: id("userId")?, session: id("sessionId")? },
        role: string("role").and_then(|role| Role::from_name(&role)).unwrap_or(Role::Publisher),
        media: Media { video: flag("video"), audio: flag("audio") },
        profile: Profile {
            host: string("host"),
            category: string("category"),
            device: string("deviceId"),
        },
    })
}

fn ice_servers(body: &Fields<'_>) -> Option<Vec<String>> {
    let settings = body.object("es").ok()?;
    let config = settings.as_ref().unwrap_or(body).object("icfg").ok()??;
    config.get("is").ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::model::Channel;
    use crate::rooms::wire::ack::{Ack, Shape};
    use crate::rooms::wire::action::{Code, Refusal};

    fn someone(role: Role) -> Publisher {
        Publisher {
            participant: Participant::new("ann \u{1f600}", "s\"1"),
            role,
            media: Media { video: true, audio: false },
            profile: Profile { host: Some("Web".into()), ..Profile::default() },
        }
    }

    fn heard(ack: &Ack<'_>, shape: Shape) -> ServerMessage {
        let text = ack.encode(shape, Some(Channel::Call));
        ServerMessage::decode(Frame::Text(&text)).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn acks_are_understood_in_every_shape() {
        let publishers = [someone(Role::Owner)];
        let ice_servers = ["stun:stun.example".to_owned()];
        let room = "room";
        for shape in Shape::ALL {
            let ack = Ack::Joined {
                room,
                role: Role::Viewer,
                publishers: &publishers,
                ice_servers: &ice_servers,
            };
            let joined = ServerMessage::Joined {
                room: room.into(),
                role: Role::Viewer,
                publishers: publishers.to_vec(),
                ice_servers: ice_servers.to_vec(),
            };
            assert_eq!(heard(&ack, shape), joined);
            let ack = Ack::Heartbeat { room, id: Some("1"), publishers: &publishers };
            let beat =
                ServerMessage::Heartbeat { room: room.into(), publishers: publishers.to_vec() };
            assert_eq!(heard(&ack, shape), beat);
            let ack = Ack::PublishersChanged { room, publishers: &[] };
            let changed =
                ServerMessage::PublishersChanged { room: room.into(), publishers: vec![] };
            assert_eq!(heard(&ack, shape), changed);
            assert_eq!(heard(&Ack::Keepalive, shape), ServerMessage::Keepalive);
        }
    }

    #[test]
    fn refusals_are_understood_in_every_shape() {
        let refusal = Refusal::new(Code::RoomNotFound, "no such room");
        let ack = Ack::Refused { action: Action::Kick, request: r#"{"a": 1}"#, refusal };
        for shape in Shape::ALL {
            let message = "no such room".to_owned();
            let refused = ServerMessage::Refused { action: Action::Kick, code: 4001, message };
            assert_eq!(heard(&ack, shape), refused);
        }
    }
}
