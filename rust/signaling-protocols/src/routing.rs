//! Which protocol is spoken at which path. Nothing is ever guessed from what a message contains.

use thiserror::Error;

use crate::target::{parameter, path, segment};

/// What a connection speaks, as its path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// That of Godot's `webrtc_signaling` demo, and what extends it.
    Godot,
    /// CloudLink Omega with the numbers of its specification.
    OmegaSeed,
    /// CloudLink Omega with the numbers of its later clients.
    OmegaLate,
    /// CloudLink 5: lobbies.
    CloudLink5,
    /// CloudLink 5: offers, answers and candidates.
    PeerServer,
    /// Rooms with heartbeats.
    Rooms,
    /// Namespaces, rooms and invitations.
    Calling,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Godot,
        Self::OmegaSeed,
        Self::OmegaLate,
        Self::CloudLink5,
        Self::PeerServer,
        Self::Rooms,
        Self::Calling,
    ];

    /// What people call it: several that belong together have one name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Godot => "godot",
            Self::OmegaSeed | Self::OmegaLate => "omega",
            Self::CloudLink5 => "cloudlink5",
            Self::PeerServer => "peerserver",
            Self::Rooms => "rooms",
            Self::Calling => "calling",
        }
    }
}

/// Where a request leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To a protocol's connections.
    To(Protocol),
    /// To a fresh id of the PeerServer, as plain text over HTTP.
    PeerId,
    /// Nowhere, for the request lacks something: HTTP 400 with this text.
    Malformed(&'static str),
    /// Nowhere: HTTP 404.
    Unknown,
}

/// The paths that can be chosen. The others are built into the clients that use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    godot: String,
    rooms: String,
    calling: String,
}

/// A path at which its protocol would not be found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// No request asks for it as it is written.
    #[error("\"{0}\" is no path: it begins with / and has neither query nor spaces")]
    Malformed(String),
    /// It leads to another protocol.
    #[error("the path \"{0}\" belongs to another protocol")]
    Taken(String),
}

impl Default for Paths {
    fn default() -> Self {
        Self { godot: "/godot".into(), rooms: "/room".into(), calling: "/calling".into() }
    }
}

impl Paths {
    /// The paths of Godot's protocol besides `/` (`/godot` by default), of rooms (`/room`) and of
    /// calling (`/calling`), percent-encoded as they are on the wire. They have to differ whether or
    /// not all three are spoken.
    ///
    /// # Errors
    /// When one of the protocols would not be found at its path.
    pub fn new(godot: &str, rooms: &str, calling: &str) -> Result<Self, PathError> {
        let paths = Self { godot: godot.into(), rooms: rooms.into(), calling: calling.into() };
        let chosen =
            [(godot, Protocol::Godot), (rooms, Protocol::Rooms), (calling, Protocol::Calling)];
        for (path, protocol) in chosen {
            if !is_path(path) {
                return Err(PathError::Malformed(path.to_owned()));
            }
            if paths.route(path) != Route::To(protocol) {
                return Err(PathError::Taken(path.to_owned()));
            }
        }
        Ok(paths)
    }

    /// Where a request for this path and query leads, whether or not that protocol is spoken.
    pub fn route(&self, target: &str) -> Route {
        let game = parameter(target, "ugi");
        match path(target) {
            "/" if game.is_none() => Route::To(Protocol::Godot),
            "/" | "/signaling" | "/signaling/" => cloudlink5(game.as_deref().unwrap_or("")),
            "/peerjs" => Route::To(Protocol::PeerServer),
            "/peerjs/id" => Route::PeerId,
            _ if segment(target, "/ws/").is_some() => Route::To(Protocol::OmegaSeed),
            _ if segment(target, "/signaling/").is_some() => Route::To(Protocol::OmegaLate),
            path if path == self.godot => Route::To(Protocol::Godot),
            path if path == self.rooms => Route::To(Protocol::Rooms),
            path if path == self.calling => Route::To(Protocol::Calling),
            _ => Route::Unknown,
        }
    }
}

fn is_path(text: &str) -> bool {
    let is_written = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    text.starts_with('/') && text.bytes().all(is_written)
}

/// The longest name of a game in CloudLink 5, in bytes.
const MAX_GAME_BYTES: usize = 128;

/// The game becomes part of ids of the PeerServer, which take no other characters.
fn cloudlink5(game: &str) -> Route {
    let is_group =
        |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if game.is_empty() {
        Route::Malformed("The query lacks ugi.")
    } else if game.len() <= MAX_GAME_BYTES && game.split([' ', '_', '-']).all(is_group) {
        Route::To(Protocol::CloudLink5)
    } else {
        Route::Malformed("The ugi must be groups of letters and digits with single separators.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_decides_and_at_some_paths_the_query() {
        let paths = Paths::default();
        for (target, protocol) in [
            ("/", Protocol::Godot),
            ("/?ugly=1", Protocol::Godot),
            ("/godot", Protocol::Godot),
            ("/?ugi=game", Protocol::CloudLink5),
            ("/signaling?a=b&ugi=My+game_2", Protocol::CloudLink5),
            ("/signaling/?ugi=a-b", Protocol::CloudLink5),
            ("/signaling/game?ugi=x", Protocol::OmegaLate),
            ("/ws/a%20game?v=0", Protocol::OmegaSeed),
            ("/ws/%2F", Protocol::OmegaSeed),
            ("/peerjs?key=peerjs&id=a&token=b", Protocol::PeerServer),
            ("/room?ack=v1", Protocol::Rooms),
            ("/calling", Protocol::Calling),
        ] {
            assert_eq!(paths.route(target), Route::To(protocol), "{target}");
        }
        assert_eq!(paths.route("/peerjs/id"), Route::PeerId);
    }

    #[test]
    fn other_paths_lead_nowhere() {
        let paths = Paths::new("/", "/room", "/elsewhere").unwrap();
        for target in ["/calling", "/ws", "/ws/", "/ws/a/b", "/ws/%ff", "/room/", "/x?ugi=a", ""] {
            assert_eq!(paths.route(target), Route::Unknown, "{target}");
        }
        assert_eq!(paths.route("/elsewhere?events=doc"), Route::To(Protocol::Calling));
    }

    #[test]
    fn each_protocol_is_found_at_its_path() {
        for path in ["", "room", "/a room", "/room?a=b", "/#", "/r\u{f6}m"] {
            let malformed = Err(PathError::Malformed(path.into()));
            assert_eq!(Paths::new("/godot", path, "/calling"), malformed);
        }
        for path in ["/", "/godot", "/calling", "/peerjs", "/signaling", "/ws/a", "/signaling/a"] {
            let taken = Err(PathError::Taken(path.into()));
            assert_eq!(Paths::new("/godot", path, "/calling"), taken);
        }
    }

    #[test]
    fn cloudlink_5_needs_a_well_formed_game() {
        let long = format!("/?ugi={}", "a".repeat(129));
        for target in [
            "/?ugi=",
            "/?ugi",
            "/signaling",
            "/signaling/",
            "/?ugi=a--b",
            "/?ugi=a%2Fb",
            "/?ugi=-a",
            &long,
        ] {
            assert!(matches!(Paths::default().route(target), Route::Malformed(_)), "{target}");
        }
    }
}
