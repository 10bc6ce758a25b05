//! A session of any version.

use godot::prelude::*;
use signaling_net::QueueFull;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::LobbyOptions as FiveOptions;
use signaling_protocols::cloudlink5::client::Ask;
use signaling_protocols::cloudlink5::wire::{CreateLobby, JoinLobby};
use signaling_protocols::omega::{ClientRequest, HostGone, LobbyOptions, Numbering};

use super::event::Event;
use super::five::Five;
use super::omega::Omega;
use super::version::Version;
use crate::client::request::Misuse;

/// Where to connect, and as whom.
pub(super) struct Introduction {
    pub(super) url: String,
    pub(super) peer_server_url: String,
    pub(super) game: GString,
    pub(super) user: String,
    pub(super) token: String,
    pub(super) pubkey: String,
}

/// A way into a lobby.
pub(super) enum Entrance {
    Create { name: String, password: String, max_players: Option<u32>, extras: Extras },
    Join { name: String, password: String },
}

/// What only some versions know of a new lobby.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) is_locked: bool,
    pub(super) host_gone: HostGone,
}

/// The main thread's end of a session. Dropping it ends the session.
pub(super) enum Session {
    Omega(Omega),
    Five(Five),
}

impl Session {
    /// Starts to connect.
    ///
    /// # Errors
    /// When an address is none, or there is no network thread or no randomness.
    pub(super) fn connect(version: Version, who: Introduction) -> Result<Self, Misuse> {
        let omega = |numbering| {
            Omega::connect(&who.url, numbering, &who.game.to_string(), &who.user).map(Self::Omega)
        };
        match version {
            Version::OmegaOctober2023 => omega(Numbering::Seed),
            Version::OmegaLate2023 => omega(Numbering::Late),
            Version::CloudLink5 => {
                let mut options = FiveOptions::named(&who.user);
                options.init.pubkey = who.pubkey;
                if !who.token.is_empty() {
                    options.init.token = who.token;
                }
                Five::connect(&who.url, &who.peer_server_url, &who.game, options).map(Self::Five)
            }
        }
    }

    pub(super) fn enter(&mut self, ticket: u64, entrance: Entrance) -> Result<(), QueueFull> {
        match self {
            Self::Omega(omega) => omega.enter(ticket, entrance.into()),
            Self::Five(five) => five.ask(ticket, entrance.into()),
        }
    }

    /// Asks for something that only CloudLink 5 knows; false if too much waits, or another version
    /// is spoken.
    pub(super) fn ask(&mut self, ticket: u64, ask: Ask) -> bool {
        match self {
            Self::Omega(_) => false,
            Self::Five(five) => five.ask(ticket, ask).is_ok(),
        }
    }

    pub(super) fn signal(&self, to: &str, signal: Signal) -> Result<(), QueueFull> {
        match self {
            Self::Omega(omega) => omega.signal(to.to_owned(), signal),
            Self::Five(five) => five.signal(to.to_owned(), signal),
        }
    }

    /// A connection to another client is over, and the server may see whether it is gone.
    pub(super) fn suspect(&self, id: &str) -> Result<(), QueueFull> {
        match self {
            Self::Omega(omega) => omega.suspect(id.to_owned()),
            Self::Five(five) => five.forget(id.to_owned()),
        }
    }

    /// Another client is gone.
    pub(super) fn forget(&self, id: &str) -> Result<(), QueueFull> {
        match self {
            Self::Omega(_) => Ok(()),
            Self::Five(five) => five.forget(id.to_owned()),
        }
    }

    /// Ends it, which is how one leaves a lobby.
    pub(super) fn close(&self) -> Result<(), QueueFull> {
        match self {
            Self::Omega(omega) => omega.close(),
            Self::Five(five) => five.close(),
        }
    }

    /// What has happened since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        match self {
            Self::Omega(omega) => omega.take_events(),
            Self::Five(five) => five.take_events(),
        }
    }
}

impl Drop for Session {
    /// What is only cut off would be waited for by the server.
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl From<Entrance> for ClientRequest {
    fn from(entrance: Entrance) -> Self {
        match entrance {
            Entrance::Create { name: lobby, password, max_players, extras } => {
                // Here the host counts too.
                let max_members = max_players.map_or(0, |max| max.saturating_add(1));
                let host_gone = extras.host_gone;
                Self::Host { lobby, options: LobbyOptions { max_members, password, host_gone } }
            }
            Entrance::Join { name: lobby, password } => Self::Join { lobby, password },
        }
    }
}

impl From<Entrance> for Ask {
    fn from(entrance: Entrance) -> Self {
        match entrance {
            Entrance::Create { name, password, max_players, extras } => {
                let max_players = max_players.map_or(-1, i64::from);
                let (locked, enable_relay) = (extras.is_locked, false);
                Self::Create(CreateLobby { name, max_players, password, locked, enable_relay })
            }
            Entrance::Join { name, password } => Self::Join(JoinLobby { name, password }),
        }
    }
}
