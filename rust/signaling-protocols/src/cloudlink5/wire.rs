//! Frames to lobby messages and back: `{"opcode":string,"payload"?:any}`, both ways.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use signaling_core::Frame;

use super::manage::Manage;
use crate::json::Fields;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// KEEPALIVE: a sign of life that is answered.
    Keepalive,
    /// INIT: who it is.
    Init(Result<Init, Malformed>),
    /// LIST_LOBBIES.
    ListLobbies,
    /// FIND_LOBBY, with the name; `None` when there is none.
    FindLobby(Option<Cow<'a, str>>),
    /// CREATE_LOBBY.
    CreateLobby(Result<CreateLobby, Malformed>),
    /// JOIN_LOBBY.
    JoinLobby(Result<JoinLobby, Malformed>),
    /// MANAGE_LOBBY: what a host wants done to its lobby.
    ManageLobby(Result<Manage, Malformed>),
    /// An object without an opcode, or with one that nobody knows.
    Unknown,
    /// Not a message at all.
    Malformed,
}

/// Who a client is. What it does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Init {
    /// The name that others see; any text, also one that others have.
    pub username: String,
    /// What proves who it is, where servers ask for that.
    pub token: String,
    /// A key for encryption between peers, handed on as it is.
    pub pubkey: String,
}

/// What a new lobby is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateLobby {
    /// Its name; any text that no other lobby of the game has.
    pub name: String,
    /// How many may be in it besides its host; -1: any number.
    pub max_players: i64,
    /// What one needs to know to join; empty: nothing.
    pub password: String,
    /// Whether nobody may join for now.
    pub locked: bool,
    /// Asks for a relay, which no server offers.
    pub enable_relay: bool,
}

/// Which lobby to join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinLobby {
    /// Its name.
    pub name: String,
    /// Its password, if it has one.
    pub password: String,
}

/// A payload that is not what its opcode asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is no object.
    #[error("payload should be an object")]
    Payload,
    /// A field is not a text.
    #[error("{0} should be a string")]
    Text(&'static str),
    /// A field is neither true nor false.
    #[error("{0} should be a boolean")]
    Flag(&'static str),
    /// A field is not a whole number.
    #[error("{0} should be an integer")]
    Integer(&'static str),
}

impl<'a> ClientMessage<'a> {
    /// Reads a frame; never fails.
    pub fn decode(frame: Frame<'a>) -> Self {
        Fields::of_frame(frame).map_or(Self::Malformed, |packet| Self::of_packet(&packet))
    }

    fn of_packet(packet: &Fields<'a>) -> Self {
        let opcode = match packet.get::<Cow<'_, str>>("opcode") {
            Ok(opcode) => opcode.unwrap_or_default(),
            Err(_) => return Self::Malformed,
        };
        let payload = packet.raw("payload");
        match &*opcode {
            "KEEPALIVE" => Self::Keepalive,
            "INIT" => Self::Init(Arguments::read(payload, Init::read)),
            "LIST_LOBBIES" => Self::ListLobbies,
            "FIND_LOBBY" => Self::FindLobby(name_to_find(payload)),
            "CREATE_LOBBY" => Self::CreateLobby(Arguments::read(payload, CreateLobby::read)),
            "JOIN_LOBBY" => Self::JoinLobby(Arguments::read(payload, JoinLobby::read)),
            "MANAGE_LOBBY" => Self::ManageLobby(Arguments::read(payload, Manage::read)),
            _ => Self::Unknown,
        }
    }

    /// Writes what a client says.
    pub fn encode(&self) -> Arc<str> {
        match self {
            Self::Keepalive => packet("KEEPALIVE", None::<()>),
            Self::Init(Ok(Init { username, token, pubkey })) => {
                packet("INIT", Some(InitArgs { username, token, pubkey }))
            }
            Self::ListLobbies => packet("LIST_LOBBIES", None::<()>),
            Self::FindLobby(name) => packet("FIND_LOBBY", name.as_ref()),
            Self::CreateLobby(Ok(lobby)) => packet("CREATE_LOBBY", Some(CreateArgs::of(lobby))),
            Self::JoinLobby(Ok(JoinLobby { name, password })) => {
                packet("JOIN_LOBBY", Some(JoinArgs { name, password }))
            }
            Self::ManageLobby(Ok(manage)) => packet("MANAGE_LOBBY", Some(manage.arguments())),
            // Nobody sends these; a server answers them with a warning.
            Self::Init(Err(_))
            | Self::CreateLobby(Err(_))
            | Self::JoinLobby(Err(_))
            | Self::ManageLobby(Err(_))
            | Self::Unknown
            | Self::Malformed => packet("", None::<()>),
        }
    }
}

impl Init {
    fn read(args: &Arguments<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            username: args.text("username")?,
            token: args.text("token")?,
            pubkey: args.text("pubkey")?,
        })
    }
}

impl CreateLobby {
    fn read(args: &Arguments<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            name: args.text("name")?,
            max_players: args.integer("max_players")?,
            password: args.text("password")?,
            locked: args.flag("locked")?,
            enable_relay: args.flag("enable_relay")?,
        })
    }
}

impl JoinLobby {
    fn read(args: &Arguments<'_>) -> Result<Self, Malformed> {
        Ok(Self { name: args.text("name")?, password: args.text("password")? })
    }
}

/// A payload that is an object. A field that is absent or null is empty, zero or false.
pub(super) struct Arguments<'a>(Fields<'a>);

impl<'a> Arguments<'a> {
    /// Reads a payload; one that is absent or null has no fields.
    fn read<T>(
        payload: Option<&'a str>,
        read: impl FnOnce(&Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let payload = payload.filter(|text| *text != "null").unwrap_or("{}");
        read(&Self(Fields::parse(payload).ok_or(Malformed::Payload)?))
    }

    pub(super) fn text(&self, key: &'static str) -> Result<String, Malformed> {
        let text = self.0.get::<Option<String>>(key).map_err(|_| Malformed::Text(key))?;
        Ok(text.flatten().unwrap_or_default())
    }

    /// The text of a value of any type; `None` when it is absent.
    pub(super) fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.raw(key)
    }

    fn flag(&self, key: &'static str) -> Result<bool, Malformed> {
        let flag = self.0.get::<Option<bool>>(key).map_err(|_| Malformed::Flag(key))?;
        Ok(flag.flatten().unwrap_or_default())
    }

    fn integer(&self, key: &'static str) -> Result<i64, Malformed> {
        match self.raw(key) {
            None | Some("null") => Ok(0),
            Some(text) => crate::json::integer(text).ok_or(Malformed::Integer(key)),
        }
    }
}

/// A name, or an object with a name.
fn name_to_find(payload: Option<&str>) -> Option<Cow<'_, str>> {
    let payload = payload?;
    let name = Fields::parse(payload).map_or(Some(payload), |object| object.raw("name"))?;
    serde_json::from_str(name).ok()
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// INIT_OK: who the client is, without its key.
    InitOk(User),
    /// KEEPALIVE_ACK, with 16 random bytes as base64.
    KeepaliveAck(String),
    /// LIST_ACK: the names of all lobbies, oldest first.
    ListAck(Vec<Arc<str>>),
    /// FIND_ACK: what a lobby is like; `None` when there is none.
    FindAck(Option<Box<LobbyInfo>>),
    /// CREATE_ACK: whether the lobby was created.
    CreateAck(CreateReply),
    /// JOIN_ACK: whether the lobby was joined.
    JoinAck(JoinReply),
    /// MANAGE_ACK: `ok`, or why not.
    ManageAck(Cow<'static, str>),
    /// NEW_HOST: who the host of the lobby is.
    NewHost(User),
    /// NEW_PEER, to the host: somebody has joined.
    NewPeer(User),
    /// PEER_JOIN, to the other members: somebody has joined.
    PeerJoin(User),
    /// PEER_LEFT: a member is gone.
    PeerLeft(Arc<str>),
    /// NEW_LOBBY, to those who are in none.
    NewLobby(Arc<str>),
    /// LOBBY_CLOSED, to those who are in none.
    LobbyClosed(Arc<str>),
    /// TRANSITION: the client's part is another now.
    Transition(Role),
    /// RELAY: a peer to connect to that relays for all.
    Relay(String),
    /// WARNING: something for the user to read.
    Warning(Cow<'static, str>),
    /// VIOLATION: why the connection is closed now.
    Violation(Cow<'static, str>),
}

/// What members know of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names one connection; its id at the PeerServer.
    pub instance_id: Arc<str>,
    /// Names the account, or the connection of a guest.
    pub user_id: Arc<str>,
    /// The name that others see.
    pub username: Arc<str>,
    /// A key for encryption between peers; empty: none.
    pub pubkey: Arc<str>,
}

/// What a lobby is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyInfo {
    /// Its host.
    pub host: User,
    /// How many may be in it besides its host; -1: any number.
    pub max_players: i64,
    /// How many are in it besides its host.
    pub current_players: usize,
    /// Whether nobody may join for now.
    pub currently_locked: bool,
    /// Whether one needs a password to join.
    pub password_required: bool,
    /// Whether it has a relay; never.
    pub relay_enabled: bool,
}

/// What comes of CREATE_LOBBY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateReply {
    /// The client is host of a new lobby.
    Created,
    /// There is one of that name.
    Exists,
}

/// What comes of JOIN_LOBBY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinReply {
    /// The client is a member.
    Joined,
    /// There is no such lobby.
    NotFound,
    /// Nobody may join for now.
    Locked,
    /// Nobody else fits in.
    Full,
    /// That is not the password.
    WrongPassword,
}

/// The part that a client plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It is in no lobby.
    #[default]
    None,
    /// It is the host of its lobby.
    Host,
    /// It is a member of its lobby.
    Peer,
}

/// What FIND_ACK says when there is no such lobby.
const NOT_FOUND: &str = "not found";

impl ServerMessage {
    /// Writes the message.
    pub fn encode(&self) -> Arc<str> {
        match self {
            Self::InitOk(user) => packet("INIT_OK", Some(UserFields::of(user))),
            Self::KeepaliveAck(bytes) => packet("KEEPALIVE_ACK", Some(bytes)),
            Self::ListAck(names) => {
                packet("LIST_ACK", Some(names.iter().map(|name| &**name).collect::<Vec<_>>()))
            }
            Self::FindAck(None) => packet("FIND_ACK", Some(NOT_FOUND)),
            Self::FindAck(Some(lobby)) => packet("FIND_ACK", Some(LobbyFields::of(lobby))),
            Self::CreateAck(reply) => packet("CREATE_ACK", Some(reply.word())),
            Self::JoinAck(reply) => packet("JOIN_ACK", Some(reply.word())),
            Self::ManageAck(text) => packet("MANAGE_ACK", Some(text)),
            Self::NewHost(user) => packet("NEW_HOST", Some(UserFields::of(user))),
            Self::NewPeer(user) => packet("NEW_PEER", Some(UserFields::of(user))),
            Self::PeerJoin(user) => packet("PEER_JOIN", Some(UserFields::of(user))),
            Self::PeerLeft(id) => packet("PEER_LEFT", Some(&**id)),
            Self::NewLobby(name) => packet("NEW_LOBBY", Some(&**name)),
            Self::LobbyClosed(name) => packet("LOBBY_CLOSED", Some(&**name)),
            Self::Transition(role) => packet("TRANSITION", Some(role.word())),
            Self::Relay(id) => packet("RELAY", Some(id)),
            Self::Warning(text) => packet("WARNING", Some(text)),
            Self::Violation(text) => packet("VIOLATION", Some(text)),
        }
    }

    /// Reads a frame; `None` when it means nothing.
    pub fn decode(frame: Frame<'_>) -> Option<Self> {
        let packet = Fields::of_frame(frame)?;
        let opcode: String = packet.get("opcode").ok()??;
        let payload = packet.raw("payload")?;
        Some(match &*opcode {
            "INIT_OK" => Self::InitOk(User::read(payload)?),
            "KEEPALIVE_ACK" => Self::KeepaliveAck(text(payload)?),
            "LIST_ACK" => {
                let names: Vec<String> = serde_json::from_str(payload).ok()?;
                Self::ListAck(names.into_iter().map(Arc::from).collect())
            }
            "FIND_ACK" if word(payload) == Some(NOT_FOUND.into()) => Self::FindAck(None),
            "FIND_ACK" => Self::FindAck(Some(Box::new(LobbyInfo::read(payload)?))),
            "CREATE_ACK" => Self::CreateAck(CreateReply::of(&word(payload)?)?),
            "JOIN_ACK" => Self::JoinAck(JoinReply::of(&word(payload)?)?),
            "MANAGE_ACK" => Self::ManageAck(text(payload)?),
            "NEW_HOST" => Self::NewHost(User::read(payload)?),
            "NEW_PEER" => Self::NewPeer(User::read(payload)?),
            "PEER_JOIN" => Self::PeerJoin(User::read(payload)?),
            "PEER_LEFT" => Self::PeerLeft(text(payload)?),
            "NEW_LOBBY" => Self::NewLobby(text(payload)?),
            "LOBBY_CLOSED" => Self::LobbyClosed(text(payload)?),
            "TRANSITION" => Self::Transition(Role::of(&word(payload)?)?),
            "RELAY" => Self::Relay(text(payload)?),
            "WARNING" => Self::Warning(text(payload)?),
            "VIOLATION" => Self::Violation(text(payload)?),
            _ => return None,
        })
    }
}

/// A value that is one of a few words.
trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(value, _)| *value)
    }
}

impl Word for CreateReply {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Created, "ok"), (Self::Exists, "exists")];
}

impl Word for JoinReply {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Joined, "ok"),
        (Self::NotFound, NOT_FOUND),
        (Self::Locked, "locked"),
        (Self::Full, "full"),
        (Self::WrongPassword, "password"),
    ];
}

impl Word for Role {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::None, ""), (Self::Host, "host"), (Self::Peer, "peer")];
}

fn word(payload: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str(payload).ok()
}

fn text<T: From<String>>(payload: &str) -> Option<T> {
    serde_json::from_str::<String>(payload).ok().map(T::from)
}

impl User {
    fn read(payload: &str) -> Option<Self> {
        serde_json::from_str(payload).ok().map(UserFields::into_user)
    }
}

/// Numbers are whole whether or not they are written so.
impl LobbyInfo {
    fn read(payload: &str) -> Option<Self> {
        let fields = Fields::parse(payload)?;
        let flag = |key| fields.get::<bool>(key).ok().flatten();
        Some(Self {
            host: User::read(fields.raw("host")?)?,
            max_players: fields.integer("max_players").ok()??,
            current_players: fields.integer("current_players").ok()??.try_into().ok()?,
            currently_locked: flag("currently_locked")?,
            password_required: flag("password_required")?,
            relay_enabled: flag("relay_enabled").unwrap_or_default(),
        })
    }
}

#[derive(Serialize)]
struct Packet<'a, P> {
    opcode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

#[derive(Serialize)]
struct InitArgs<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    token: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pubkey: &'a str,
}

#[derive(Serialize)]
struct CreateArgs<'a> {
    name: &'a str,
    max_players: i64,
    password: &'a str,
    locked: bool,
    enable_relay: bool,
}

impl<'a> CreateArgs<'a> {
    fn of(lobby: &'a CreateLobby) -> Self {
        let CreateLobby { name, password, .. } = lobby;
        let CreateLobby { max_players, locked, enable_relay, .. } = *lobby;
        Self { name, max_players, password, locked, enable_relay }
    }
}

#[derive(Serialize)]
struct JoinArgs<'a> {
    name: &'a str,
    password: &'a str,
}

#[derive(Serialize, Deserialize)]
struct UserFields<'a> {
    instance_id: Cow<'a, str>,
    user_id: Cow<'a, str>,
    username: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pubkey: Cow<'a, str>,
}

impl<'a> UserFields<'a> {
    fn of(User { instance_id, user_id, username, pubkey }: &'a User) -> Self {
        let [instance_id, user_id] = [instance_id, user_id].map(|id| Cow::Borrowed(&**id));
        Self { instance_id, user_id, username: (&**username).into(), pubkey: (&**pubkey).into() }
    }

    fn into_user(self) -> User {
        let Self { instance_id, user_id, username, pubkey } = self;
        let [instance_id, user_id] = [instance_id, user_id].map(Arc::from);
        User { instance_id, user_id, username: username.into(), pubkey: pubkey.into() }
    }
}

#[derive(Serialize)]
struct LobbyFields<'a> {
    host: UserFields<'a>,
    max_players: i64,
    current_players: usize,
    currently_locked: bool,
    password_required: bool,
    relay_enabled: bool,
}

impl<'a> LobbyFields<'a> {
    fn of(lobby: &'a LobbyInfo) -> Self {
        Self {
            host: UserFields::of(&lobby.host),
            max_players: lobby.max_players,
            current_players: lobby.current_players,
            currently_locked: lobby.currently_locked,
            password_required: lobby.password_required,
            relay_enabled: lobby.relay_enabled,
        }
    }
}

fn packet(opcode: &str, payload: Option<impl Serialize>) -> Arc<str> {
    let packet = Packet { opcode, payload };
    serde_json::to_string(&packet).expect("texts, numbers and flags can be written").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> ClientMessage<'_> {
        ClientMessage::decode(Frame::Text(text))
    }

    #[test]
    fn what_is_absent_or_null_is_empty() {
        for text in [
            r#"{"opcode":"JOIN_LOBBY"}"#,
            r#"{"opcode":"JOIN_LOBBY","payload":null}"#,
            r#"{"payload":{"name":null},"opcode":"JOIN_LOBBY"}"#,
        ] {
            assert_eq!(decode(text), ClientMessage::JoinLobby(Ok(JoinLobby::default())), "{text}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_told_by_its_name() {
        let created = decode(r#"{"opcode":"CREATE_LOBBY","payload":{"max_players":3.0}}"#);
        let lobby = CreateLobby { max_players: 3, ..CreateLobby::default() };
        assert_eq!(created, ClientMessage::CreateLobby(Ok(lobby)));
        for (payload, problem) in [
            (r#"{"max_players":3.5}"#, Malformed::Integer("max_players")),
            (r#"{"name":1}"#, Malformed::Text("name")),
            (r#"{"locked":"yes"}"#, Malformed::Flag("locked")),
            ("[]", Malformed::Payload),
        ] {
            let text = format!(r#"{{"opcode":"CREATE_LOBBY","payload":{payload}}}"#);
            assert_eq!(decode(&text), ClientMessage::CreateLobby(Err(problem)), "{payload}");
        }
    }

    #[test]
    fn lobbies_are_found_by_name_in_either_form() {
        for (payload, name) in
            [(r#""a""#, Some("a")), (r#"{"name":"a"}"#, Some("a")), ("{}", None), ("1", None)]
        {
            let text = format!(r#"{{"opcode":"FIND_LOBBY","payload":{payload}}}"#);
            assert_eq!(decode(&text), ClientMessage::FindLobby(name.map(Cow::from)), "{payload}");
        }
    }

    #[test]
    fn only_objects_with_a_text_as_opcode_are_messages() {
        for text in ["", "[]", "{", r#"{"opcode":1}"#, r#"{"opcode":null}"#] {
            assert_eq!(decode(text), ClientMessage::Malformed, "{text}");
        }
        for text in ["{}", r#"{"opcode":"RELAY"}"#] {
            assert_eq!(decode(text), ClientMessage::Unknown, "{text}");
        }
    }

    #[test]
    fn numbers_of_a_lobby_may_be_written_as_floats() {
        let text = r#"{"opcode":"FIND_ACK","payload":{"host":{"instance_id":"i","user_id":"u",
            "username":"n"},"max_players":-1.0,"current_players":2.0,"currently_locked":false,
            "password_required":true,"relay_enabled":false}}"#;
        let Some(ServerMessage::FindAck(Some(lobby))) = ServerMessage::decode(Frame::Text(text))
        else {
            panic!("a lobby was found")
        };
        assert_eq!((lobby.max_players, lobby.current_players), (-1, 2));
        assert!(lobby.password_required && lobby.host.pubkey.is_empty());
    }
}
