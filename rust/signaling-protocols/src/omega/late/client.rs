//! How a client's session speaks this numbering: the host makes the offer, the peer answers, and
//! candidates travel as they are found.

use std::time::Duration;

use signaling_core::Frame;
use uuid::Uuid;

use super::wire::{
    self, Channel, ClientMessage, LobbyConfig, LobbyEntrance, LobbyOffer, Payload, Relay,
    ServerMessage, User,
};
use crate::Signal;
use crate::omega::client::{
    ClientEvent, Dialect, Heard, HostGone, LobbyEntry, LobbyOptions, Meaning, Party, Place,
};

/// How often a client gives a sign of life.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// The numbering, as a session speaks it.
#[derive(Debug)]
pub(in crate::omega) struct Late;

impl Dialect for Late {
    fn keepalive_interval(&self) -> Option<Duration> {
        Some(KEEPALIVE_INTERVAL)
    }

    fn keepalive(&self) -> String {
        ClientMessage::Keepalive.encode()
    }

    fn init(&self, name: &str) -> String {
        ClientMessage::Init(Payload::Given(name.into())).encode()
    }

    fn ask(&self, place: &Place) -> String {
        match place.clone() {
            Place::Host { lobby, options } => {
                ClientMessage::ConfigHost(Payload::Given(config(lobby, options))).encode()
            }
            Place::Peer { lobby: lobby_id, password } => {
                let entrance = LobbyEntrance { lobby_id, password };
                ClientMessage::ConfigPeer(Payload::Given(entrance)).encode()
            }
        }
    }

    fn signal(&self, _: bool, to: &str, signal: &Signal) -> Vec<String> {
        let kind = match signal {
            Signal::Offer { .. } => Relay::Offer,
            Signal::Answer { .. } => Relay::Answer,
            Signal::Candidate { .. } => Relay::Candidate,
        };
        let Ok(to) = Uuid::parse_str(to) else { return Vec::new() };
        let (json, to) = (signal.to_json(), Some(to));
        vec![ClientMessage::Relay { kind, payload: Payload::Given(json.get()), to }.encode()]
    }

    fn suspect(&self, _: &str) -> Option<String> {
        None
    }

    fn leave(&self) -> Option<String> {
        None
    }

    fn hear(&self, _: bool, frame: Frame<'_>) -> Option<Heard> {
        let meaning = match ServerMessage::decode(frame)? {
            ServerMessage::Keepalive | ServerMessage::PasswordAck => Meaning::Nothing,
            ServerMessage::InitOk(id) => Meaning::Welcome(id.into()),
            ServerMessage::AckHost | ServerMessage::AckPeer => Meaning::Granted,
            ServerMessage::Refused(refusal) => Meaning::Refused(refusal),
            ServerMessage::LobbyClose(lobby) => Meaning::LobbyClosed { lobby: lobby.into() },
            ServerMessage::HostReclaim(wire::NewHost { lobby_id: lobby, id, username: name }) => {
                Meaning::HostChanged { lobby, host: Party { id, name } }
            }
            message => Meaning::Told(event(message)?),
        };
        Some(Heard { meaning, reply: None })
    }
}

/// What a message tells the game and nobody else; `None` when it means nothing.
fn event(message: ServerMessage<'_>) -> Option<ClientEvent> {
    Some(match message {
        ServerMessage::NewHost(offer) => ClientEvent::LobbyFound(offer.into()),
        ServerMessage::NewPeer(user) => ClientEvent::PeerFound(user.into()),
        ServerMessage::HostGone(lobby) => ClientEvent::HostGone { lobby: lobby.into() },
        ServerMessage::PeerInvalid => ClientEvent::PeerInvalid,
        ServerMessage::Violation(message) => ClientEvent::Violation { message: message.into() },
        ServerMessage::Relayed { kind: Relay::Channel, payload, from } => {
            let Channel { id, name, ordered } = Channel::read(payload?)?;
            ClientEvent::ChannelWanted { from: from.into(), id, name, ordered }
        }
        ServerMessage::Relayed { payload, from, .. } => {
            ClientEvent::Signal { from: from.into(), signal: Signal::parse(payload?)? }
        }
        _ => return None,
    })
}

fn config(lobby_id: String, options: LobbyOptions) -> LobbyConfig {
    let LobbyOptions { max_members, password, host_gone } = options;
    LobbyConfig {
        lobby_id,
        allow_host_reclaim: host_gone != HostGone::Close,
        allow_peers_to_claim_host: host_gone == HostGone::GoOn,
        max_peers: max_members.into(),
        password,
    }
}

impl From<User> for Party {
    fn from(User { id, username: name }: User) -> Self {
        Self { id, name }
    }
}

impl From<LobbyOffer> for LobbyEntry {
    fn from(offer: LobbyOffer) -> Self {
        let LobbyOffer { id, username: name, lobby_id: lobby, max_peers, password_required } =
            offer;
        Self {
            lobby,
            host: Party { id, name },
            max_members: u32::try_from(max_peers).ok().filter(|max| *max > 0),
            has_password: password_required,
        }
    }
}
