//! The dictionaries that the verbs take, read with care: an unknown key is mostly a slip of the
//! pen.

use std::time::Duration;

use godot::global::Error;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::godot::Topology;
use signaling_protocols::godot::extended::{
    Filter, HostPolicy, LobbyChanges, LobbyOptions, Object, Query, Request, limits,
};

use super::failure::Failure;
use super::request::Misuse;
use crate::{json, loose};

/// A dictionary whose keys are read one by one.
pub(crate) struct Options {
    /// What it is, in the plural, for complaints.
    what: &'static str,
    left: VarDictionary,
}

/// What a lobby is like where the options do not say it.
pub(super) struct Defaults {
    pub(super) topology: Topology,
    pub(super) password: String,
    pub(super) host_policy: GString,
}

/// How to enter a lobby.
pub(super) struct Entrance {
    pub(super) password: String,
    pub(super) me: Object,
}

impl Options {
    pub(crate) fn new(what: &'static str, dictionary: &AnyDictionary) -> Self {
        Self { what, left: json::untyped(dictionary) }
    }

    /// Takes what a lobby shall be like.
    pub(super) fn lobby(&mut self, defaults: Defaults) -> Result<LobbyOptions, Misuse> {
        let usual = LobbyOptions::default();
        let mesh = self.flag("mesh")?.map(topology);
        Ok(LobbyOptions {
            topology: mesh.unwrap_or(defaults.topology),
            code_length: self.count("code_length")?.unwrap_or(usual.code_length),
            max_players: self.count("max_players")?.unwrap_or(usual.max_players),
            is_public: self.flag("public")?.unwrap_or(usual.is_public),
            password: self.text("password")?.unwrap_or(defaults.password),
            metadata: self.object("metadata")?.unwrap_or_default(),
            host_policy: self.host_policy(&defaults.host_policy)?,
        })
    }

    fn host_policy(&mut self, default: &GString) -> Result<HostPolicy, Misuse> {
        let policy = self.text("host_policy")?.unwrap_or_else(|| default.to_string());
        let grace = self.seconds("host_grace")?.unwrap_or(DEFAULT_GRACE);
        let then_migrate = self.flag("then_migrate")?.unwrap_or(true);
        match &*policy {
            "close" => Ok(HostPolicy::Close),
            "migrate" => Ok(HostPolicy::Migrate),
            "wait" => Ok(HostPolicy::Wait { grace, then_migrate }),
            _ => Err(Misuse::invalid("`host_policy` must be close, migrate or wait")),
        }
    }

    /// Takes what is needed to enter a lobby.
    pub(super) fn entrance(&mut self, default_password: String) -> Result<Entrance, Misuse> {
        let password = self.text("password")?.unwrap_or(default_password);
        Ok(Entrance { password, me: self.me()? })
    }

    /// Takes what the others shall see of us.
    pub(super) fn me(&mut self) -> Result<Object, Misuse> {
        Ok(self.object("me")?.unwrap_or_default())
    }

    /// Takes what a host changes.
    pub(super) fn changes(&mut self) -> Result<LobbyChanges, Misuse> {
        Ok(LobbyChanges {
            max_players: self.count("max_players")?,
            is_public: self.flag("public")?,
            is_locked: self.flag("locked")?,
            password: self.text("password")?,
            metadata: self.object("metadata")?,
        })
    }

    /// Takes which lobbies are meant.
    pub(super) fn query(&mut self) -> Result<Query, Misuse> {
        Ok(Query {
            filter: self.condition()?,
            is_open: self.flag("open")?.unwrap_or_default(),
            sort: self.text("sort")?.unwrap_or_default(),
            offset: self.count("offset")?.unwrap_or_default(),
            limit: self.count("limit")?.unwrap_or(DEFAULT_PAGE),
        })
    }

    /// Takes what the metadata of the lobbies must be like.
    pub(super) fn condition(&mut self) -> Result<Filter, Misuse> {
        let condition = self.object("where")?.unwrap_or_default();
        Filter::from_object(&condition)
            .map_err(|invalid| Misuse::invalid(format!("`where` makes no sense: {invalid}")))
    }

    /// Complains about what is left.
    pub(crate) fn end(self) -> Result<(), Misuse> {
        match self.left.keys_array().iter_shared().next() {
            None => Ok(()),
            Some(key) => {
                Err(Misuse::invalid(format!("There is no `{key}` among the {}.", self.what)))
            }
        }
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, Misuse> {
        self.take(key, "true or false")
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, Misuse> {
        let text = self.take::<GString>(key, "text")?;
        Ok(text.map(|text| text.to_string()))
    }

    /// How much there may be is checked with the whole request.
    fn count(&mut self, key: &str) -> Result<Option<usize>, Misuse> {
        let number = self.take::<i64>(key, "a whole number")?;
        let count = number.map(usize::try_from).transpose();
        count.map_err(|_| Misuse::invalid(format!("`{key}` must not be negative")))
    }

    fn seconds(&mut self, key: &str) -> Result<Option<Duration>, Misuse> {
        let seconds = self.take::<f64>(key, "seconds")?;
        match seconds.filter(|seconds| !(0.0..=limits::GRACE).contains(seconds)) {
            None => Ok(seconds.map(Duration::from_secs_f64)),
            Some(_) => Err(Misuse::invalid(format!("`{key}` must be from 0 to {}", limits::GRACE))),
        }
    }

    fn object(&mut self, key: &str) -> Result<Option<Object>, Misuse> {
        let dictionary = self.take::<AnyDictionary>(key, "a dictionary")?;
        dictionary.map(|dictionary| object(key, &dictionary)).transpose()
    }

    pub(crate) fn take<T: FromGodot>(
        &mut self,
        key: &str,
        kind: &str,
    ) -> Result<Option<T>, Misuse> {
        let Some(value) = self.left.remove(key) else { return Ok(None) };
        let value = loose::read(&value).map(Some);
        value.map_err(|_| Misuse::invalid(format!("`{key}` must be {kind}")))
    }
}

const DEFAULT_GRACE: Duration = Duration::from_secs(60);
const DEFAULT_PAGE: usize = 50;

pub(super) fn topology(mesh: bool) -> Topology {
    if mesh { Topology::Mesh } else { Topology::ClientServer }
}

/// A dictionary that goes to others as JSON.
pub(super) fn object(key: &str, dictionary: &AnyDictionary) -> Result<Object, Misuse> {
    let no_json =
        || Misuse::invalid(format!("`{key}` must be JSON, without NAN and INF, at most 16 deep"));
    json::object_from_dictionary(dictionary).ok_or_else(no_json)
}

/// The member with this id.
pub(super) fn peer(id: i64) -> Result<PeerId, Misuse> {
    let peer = u64::try_from(id).ok().and_then(PeerId::new);
    peer.ok_or_else(|| Misuse::invalid("an id must be from 1 to 2147483647"))
}

/// An invitation with this number.
pub(super) fn invitation(id: i64) -> Result<u64, Misuse> {
    u64::try_from(id).map_err(|_| Misuse::invalid("there is no such invitation"))
}

/// What is only possible in a lobby.
pub(super) fn not_in_lobby() -> Misuse {
    let misuse = Misuse::new(Error::ERR_UNCONFIGURED, "You are in no lobby.");
    Misuse { failure: Failure::NotInLobby, ..misuse }
}

/// A request that the server will understand.
pub(super) fn checked(request: Request) -> Result<Request, Misuse> {
    match request.check() {
        Ok(()) => Ok(request),
        Err(invalid) => Err(Misuse::invalid(invalid.to_string())),
    }
}
