//! Which protocol is spoken at which path. Nothing is ever guessed from what a message contains.

use std::collections::BTreeMap;

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

/// The path of each protocol. Those of Omega are followed by the name of a game; Godot's protocol and
/// CloudLink 5 are spoken at `/` as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(BTreeMap<Protocol, String>);

/// A path at which its protocol would not be found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// No request asks for it as it is written.
    #[error("\"{0}\" is no path: it begins with / and has neither query nor spaces")]
    Malformed(String),
    /// It leads to another protocol.
    #[error("the path \"{path}\" of {} belongs to another protocol too", protocol.name())]
    Taken {
        /// The path.
        path: String,
        /// Whose it should be.
        protocol: Protocol,
    },
}

impl Default for Paths {
    fn default() -> Self {
        let path = |protocol| match protocol {
            Protocol::Godot => "/godot",
            Protocol::OmegaSeed => "/ws",
            Protocol::OmegaLate | Protocol::CloudLink5 => "/signaling",
            Protocol::PeerServer => "/peerjs",
            Protocol::Rooms => "/room",
            Protocol::Calling => "/calling",
        };
        Self(Protocol::ALL.into_iter().map(|it| (it, path(it).to_owned())).collect())
    }
}

impl Paths {
    /// The default paths but for those that are chosen, percent-encoded as they are on the wire.
    /// They have to differ whether or not all protocols are spoken.
    ///
    /// # Errors
    /// When one of the protocols would not be found at its path.
    pub fn new(chosen: impl IntoIterator<Item = (Protocol, String)>) -> Result<Self, PathError> {
        let mut paths = Self::default();
        paths.0.extend(chosen);
        for (&protocol, path) in &paths.0 {
            if !is_path(path) {
                return Err(PathError::Malformed(path.clone()));
            }
            if !paths.lead_to(protocol, path) {
                return Err(PathError::Taken { path: path.clone(), protocol });
            }
        }
        Ok(paths)
    }

    /// Whether a protocol is found where it should be.
    fn lead_to(&self, protocol: Protocol, path: &str) -> bool {
        let there = Route::To(protocol);
        match protocol {
            Protocol::OmegaSeed | Protocol::OmegaLate => self.route(&format!("{path}/a")) == there,
            Protocol::CloudLink5 => self.route(&format!("{path}?ugi=a")) == there,
            Protocol::PeerServer => {
                self.route(&format!("{path}{PEER_ID}")) == Route::PeerId
                    && self.route(path) == there
            }
            Protocol::Godot | Protocol::Rooms | Protocol::Calling => self.route(path) == there,
        }
    }

    /// Where a request for this path and query leads, whether or not that protocol is spoken.
    pub fn route(&self, target: &str) -> Route {
        let game = parameter(target, "ugi");
        let cloudlink5 = || cloudlink5(game.as_deref().unwrap_or(""));
        if path(target) == "/" {
            return if game.is_none() { Route::To(Protocol::Godot) } else { cloudlink5() };
        }
        let leads = |protocol| leads(protocol, self.0.get(&protocol)?, target);
        match SEARCHED.into_iter().find_map(leads) {
            Some(Route::To(Protocol::CloudLink5)) => cloudlink5(),
            found => found.unwrap_or(Route::Unknown),
        }
    }
}

/// All protocols in the order in which they are asked. First those that any name of a game leads
/// to: another one among these would take a game away unnoticed.
const SEARCHED: [Protocol; 7] = [
    Protocol::OmegaSeed,
    Protocol::OmegaLate,
    Protocol::CloudLink5,
    Protocol::PeerServer,
    Protocol::Godot,
    Protocol::Rooms,
    Protocol::Calling,
];

/// What follows the path of the PeerServer where it hands out an id.
const PEER_ID: &str = "/id";

/// Where a request leads as far as this protocol is concerned.
fn leads(protocol: Protocol, own: &str, target: &str) -> Option<Route> {
    let rest = path(target).strip_prefix(own)?;
    let is_there = match protocol {
        Protocol::OmegaSeed | Protocol::OmegaLate => segment(target, &format!("{own}/")).is_some(),
        Protocol::CloudLink5 => rest.is_empty() || rest == "/",
        Protocol::PeerServer if rest == PEER_ID => return Some(Route::PeerId),
        Protocol::Godot | Protocol::PeerServer | Protocol::Rooms | Protocol::Calling => {
            rest.is_empty()
        }
    };
    is_there.then_some(Route::To(protocol))
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
        let paths = chosen(&[(Protocol::Godot, "/"), (Protocol::Calling, "/elsewhere")]).unwrap();
        for target in [
            "/calling",
            "/ws",
            "/ws/",
            "/ws/a/b",
            "/ws/%ff",
            "/wsa/b",
            "/room/",
            "/x?ugi=a",
            "/peerjs/",
            "/peerjs/id/",
            "/signaling//",
            "",
        ] {
            assert_eq!(paths.route(target), Route::Unknown, "{target}");
        }
        assert_eq!(paths.route("/elsewhere?events=doc"), Route::To(Protocol::Calling));
    }

    fn chosen(paths: &[(Protocol, &str)]) -> Result<Paths, PathError> {
        Paths::new(paths.iter().map(|(protocol, path)| (*protocol, (*path).to_owned())))
    }

    #[test]
    fn every_path_can_be_chosen() {
        let paths = chosen(&[
            (Protocol::Godot, "/ws"),
            (Protocol::OmegaSeed, "/omega"),
            (Protocol::OmegaLate, "/late/signaling"),
            (Protocol::CloudLink5, "/cl5"),
            (Protocol::PeerServer, "/peers"),
            (Protocol::Rooms, "/calling"),
            (Protocol::Calling, "/room"),
        ])
        .unwrap();
        for (target, protocol) in [
            ("/ws", Protocol::Godot),
            ("/omega/game?v=0", Protocol::OmegaSeed),
            ("/late/signaling/game", Protocol::OmegaLate),
            ("/cl5?ugi=game", Protocol::CloudLink5),
            ("/cl5/?ugi=game", Protocol::CloudLink5),
            ("/?ugi=game", Protocol::CloudLink5),
            ("/peers?id=a", Protocol::PeerServer),
            ("/calling", Protocol::Rooms),
            ("/room", Protocol::Calling),
        ] {
            assert_eq!(paths.route(target), Route::To(protocol), "{target}");
        }
        assert_eq!(paths.route("/peers/id"), Route::PeerId);
        for target in ["/ws/game", "/signaling/game", "/signaling?ugi=a", "/peerjs", "/godot"] {
            assert_eq!(paths.route(target), Route::Unknown, "{target}");
        }
    }

    #[test]
    fn each_protocol_is_found_at_its_path() {
        for path in ["", "room", "/a room", "/room?a=b", "/#", "/r\u{f6}m"] {
            let malformed = Err(PathError::Malformed(path.into()));
            assert_eq!(chosen(&[(Protocol::Rooms, path)]), malformed);
        }
        for path in ["/", "/godot", "/peerjs", "/peerjs/id", "/signaling", "/ws/a", "/signaling/a"]
        {
            assert!(
                matches!(chosen(&[(Protocol::Rooms, path)]), Err(PathError::Taken { .. })),
                "{path}"
            );
        }
        for (protocol, path) in [
            (Protocol::OmegaSeed, "/signaling"),
            (Protocol::PeerServer, "/ws/a"),
            (Protocol::CloudLink5, "/godot"),
            (Protocol::Godot, "/ws/b"),
            (Protocol::Godot, "/room"),
        ] {
            assert!(matches!(chosen(&[(protocol, path)]), Err(PathError::Taken { .. })), "{path}");
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
