//! Lobbies and members, as both sides speak of them.

use std::time::Duration;

use serde_json::{Map, Value, json};
use signaling_core::PeerId;

use super::fields::{Fields, Invalid, Required};
use super::hello::round_trip;
use super::limits;
use crate::godot::Topology;
use crate::json::Object;

/// What a lobby shall be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyOptions {
    /// Who connects to whom.
    pub topology: Topology,
    /// Characters of its code, 4 to 10; more when these are taken. Default 5.
    pub code_length: usize,
    /// Members at most, the host included. Default 256.
    pub max_players: usize,
    /// Whether it is in lists. Default `false`.
    pub is_public: bool,
    /// What others have to know; empty: nothing.
    pub password: String,
    /// What others see of it.
    pub metadata: Object,
    /// What becomes of it without its host.
    pub host_policy: HostPolicy,
}

impl LobbyOptions {
    /// What lists will tell of the lobby, without code and players.
    pub fn entry(&self, host_name: String) -> LobbyEntry {
        LobbyEntry {
            code: String::new(),
            topology: self.topology,
            players: 0,
            max_players: self.max_players,
            is_public: self.is_public,
            is_locked: false,
            is_sealed: false,
            has_password: !self.password.is_empty(),
            host_name,
            metadata: self.metadata.clone(),
        }
    }
}

/// What becomes of a lobby when its host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostPolicy {
    /// It ends, as in the plain protocol.
    Close,
    /// The oldest member becomes its host.
    #[default]
    Migrate,
    /// It waits for the host's return.
    Wait {
        /// For how long. Default 60 s.
        grace: Duration,
        /// Whether another becomes its host then, or it ends.
        then_migrate: bool,
    },
}

/// What a host changes; `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LobbyChanges {
    /// Members at most; those who are in stay.
    pub max_players: Option<usize>,
    /// Whether it is in lists.
    pub is_public: Option<bool>,
    /// Whether nobody can join for now.
    pub is_locked: Option<bool>,
    /// The password; empty: none.
    pub password: Option<String>,
    /// The metadata, as a whole.
    pub metadata: Option<Object>,
}

/// A lobby as it stands in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyEntry {
    /// What others join with.
    pub code: String,
    /// Who connects to whom.
    pub topology: Topology,
    /// Members, the host included.
    pub players: usize,
    /// Members at most.
    pub max_players: usize,
    /// Whether it is in lists.
    pub is_public: bool,
    /// Whether nobody can join for now.
    pub is_locked: bool,
    /// Whether it was sealed: nobody can join any more.
    pub is_sealed: bool,
    /// Whether a password is needed.
    pub has_password: bool,
    /// The host's name.
    pub host_name: String,
    /// The lobby's metadata.
    pub metadata: Object,
}

/// A lobby as its members see it. Who is in it, and its values, are told one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyView {
    /// What others see too.
    pub entry: LobbyEntry,
    /// The id of the member that this was told.
    pub me: PeerId,
    /// The host's id.
    pub host: PeerId,
    /// How often everybody had to connect anew; from 1 on.
    pub epoch: u64,
    /// What becomes of it without its host.
    pub host_policy: HostPolicy,
}

/// A member of a lobby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its id.
    pub id: PeerId,
    /// Its name; empty for clients of the plain protocol.
    pub name: String,
    /// Its id for invitations; empty for clients of the plain protocol.
    pub user: String,
    /// What it told of itself.
    pub metadata: Object,
    /// Its round trip to the server in milliseconds, once it is known.
    pub rtt: Option<u32>,
    /// Whether the server waits for its return.
    pub is_unstable: bool,
}

/// How the connection of two members is, as one of them sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Messages go both ways.
    Up,
    /// Nothing is heard at the moment.
    Down,
    /// There is none, or not yet.
    None,
}

impl Default for LobbyOptions {
    fn default() -> Self {
        Self {
            topology: Topology::Mesh,
            code_length: 5,
            max_players: limits::PLAYERS as usize,
            is_public: false,
            password: String::new(),
            metadata: Object::default(),
            host_policy: HostPolicy::default(),
        }
    }
}

impl LobbyOptions {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        let defaults = Self::default();
        Ok(Self {
            topology: topology(fields)?.unwrap_or(defaults.topology),
            code_length: code_length(fields)?.unwrap_or(defaults.code_length),
            max_players: max_players(fields)?.unwrap_or(defaults.max_players),
            is_public: fields.flag("public")?.unwrap_or_default(),
            password: fields.text("password", limits::PASSWORD)?.unwrap_or_default(),
            metadata: fields.object("metadata", limits::LOBBY_METADATA)?.unwrap_or_default(),
            host_policy: HostPolicy::read(fields)?,
        })
    }

    pub(super) fn write(&self) -> Map<String, Value> {
        let mut map = map(json!({
            "mesh": self.topology == Topology::Mesh,
            "code_length": self.code_length,
            "max_players": self.max_players,
            "public": self.is_public,
            "password": self.password,
            "metadata": self.metadata.map(),
        }));
        map.extend(self.host_policy.write());
        map
    }
}

const CODE_LENGTH: std::ops::RangeInclusive<u64> = 4..=10;

fn code_length(fields: &mut Fields) -> Result<Option<usize>, Invalid> {
    Ok(fields.whole("code_length", CODE_LENGTH)?.map(|length| length as usize))
}

fn max_players(fields: &mut Fields) -> Result<Option<usize>, Invalid> {
    Ok(fields.whole("max_players", 1..=limits::PLAYERS)?.map(|players| players as usize))
}

fn topology(fields: &mut Fields) -> Result<Option<Topology>, Invalid> {
    let topology = |mesh| if mesh { Topology::Mesh } else { Topology::ClientServer };
    Ok(fields.flag("mesh")?.map(topology))
}

impl HostPolicy {
    /// How long a host may be away unless it is said.
    const GRACE: Duration = Duration::from_secs(60);

    fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        let grace = fields.seconds("host_grace", 0.0..=limits::GRACE)?.unwrap_or(Self::GRACE);
        let then_migrate = fields.flag("then_migrate")?.unwrap_or(true);
        match fields.text("host_policy", limits::NAME)?.as_deref() {
            None | Some("migrate") => Ok(Self::Migrate),
            Some("close") => Ok(Self::Close),
            Some("wait") => Ok(Self::Wait { grace, then_migrate }),
            Some(_) => Err(Invalid::new("`host_policy` must be close, migrate or wait")),
        }
    }

    fn write(self) -> Map<String, Value> {
        map(match self {
            Self::Close => json!({"host_policy": "close"}),
            Self::Migrate => json!({"host_policy": "migrate"}),
            Self::Wait { grace, then_migrate } => json!({
                "host_policy": "wait",
                "host_grace": grace.as_secs_f64(),
                "then_migrate": then_migrate,
            }),
        })
    }
}

impl LobbyChanges {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            max_players: max_players(fields)?,
            is_public: fields.flag("public")?,
            is_locked: fields.flag("locked")?,
            password: fields.text("password", limits::PASSWORD)?,
            metadata: fields.object("metadata", limits::LOBBY_METADATA)?,
        })
    }

    pub(super) fn write(&self) -> Value {
        json!({
            "max_players": self.max_players,
            "public": self.is_public,
            "locked": self.is_locked,
            "password": self.password,
            "metadata": self.metadata.as_ref().map(Object::map),
        })
    }
}

impl LobbyEntry {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            code: fields.text("code", limits::CODE).required("code")?,
            topology: topology(fields).required("mesh")?,
            players: fields.count("players").required("players")? as usize,
            max_players: fields.count("max_players").required("max_players")? as usize,
            is_public: fields.flag("public").required("public")?,
            is_locked: fields.flag("locked").required("locked")?,
            is_sealed: fields.flag("sealed")?.unwrap_or_default(),
            has_password: fields.flag("has_password").required("has_password")?,
            host_name: fields.text("host_name", limits::NAME)?.unwrap_or_default(),
            metadata: fields.object("metadata", limits::LOBBY_METADATA)?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self) -> Map<String, Value> {
        map(json!({
            "code": self.code,
            "mesh": self.topology == Topology::Mesh,
            "players": self.players,
            "max_players": self.max_players,
            "public": self.is_public,
            "locked": self.is_locked,
            "sealed": self.is_sealed,
            "has_password": self.has_password,
            "host_name": self.host_name,
            "metadata": self.metadata.map(),
        }))
    }

    /// What answers FIND.
    pub fn to_object(&self) -> Object {
        self.write().into()
    }

    /// Reads it from what answers FIND.
    ///
    /// # Errors
    /// [`Invalid`] when the server does not keep to the specification.
    pub fn from_object(object: Object) -> Result<Self, Invalid> {
        Self::read(&mut Fields::of(object.into_value())?)
    }

    /// The lobbies in what answers LIST and WATCH.
    ///
    /// # Errors
    /// [`Invalid`] when the server does not keep to the specification.
    pub fn list(answer: Object) -> Result<Vec<Self>, Invalid> {
        let lobbies = Fields::of(answer.into_value())?.list("lobbies")?;
        lobbies.into_iter().map(|lobby| Self::read(&mut Fields::of(lobby)?)).collect()
    }
}

impl LobbyView {
    /// Reads it from what answers CREATE, ENTER or QUICK_JOIN.
    ///
    /// # Errors
    /// [`Invalid`] when the server does not keep to the specification.
    pub fn from_object(object: Object) -> Result<Self, Invalid> {
        Self::read(&mut Fields::of(object.into_value())?)
    }

    /// What answers CREATE, ENTER and QUICK_JOIN.
    pub fn to_object(&self) -> Object {
        self.write().into()
    }

    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            me: fields.peer("me").required("me")?,
            host: fields.peer("host").required("host")?,
            epoch: fields.count("epoch").required("epoch")?,
            host_policy: HostPolicy::read(fields)?,
            entry: LobbyEntry::read(fields)?,
        })
    }

    pub(super) fn write(&self) -> Map<String, Value> {
        let mut map = map(json!({
            "me": self.me.get(),
            "host": self.host.get(),
            "epoch": self.epoch,
        }));
        map.extend(self.host_policy.write());
        map.extend(self.entry.write());
        map
    }
}

impl MemberView {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            id: fields.peer("id").required("id")?,
            name: fields.text("name", limits::NAME)?.unwrap_or_default(),
            user: fields.text("user", limits::USER)?.unwrap_or_default(),
            metadata: fields.object("metadata", limits::MEMBER_METADATA)?.unwrap_or_default(),
            rtt: round_trip(fields, "rtt")?,
            is_unstable: fields.flag("unstable")?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self) -> Map<String, Value> {
        map(json!({
            "id": self.id.get(),
            "name": self.name,
            "user": self.user,
            "metadata": self.metadata.map(),
            "rtt": self.rtt,
            "unstable": self.is_unstable,
        }))
    }
}

impl LinkState {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        match fields.text("state", limits::NAME).required("state")?.as_str() {
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            "none" => Ok(Self::None),
            _ => Err(Invalid::new("`state` must be up, down or none")),
        }
    }

    pub(super) fn write(self) -> Value {
        json!({"state": match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::None => "none",
        }})
    }
}

pub(super) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
