//! What is kept of a lobby, and who may join it.

use signaling_core::ConnId;
use signaling_core::password::{Passwords, Sealed};
use signaling_core::roster::Roster;
use signaling_core::space;

use crate::cloudlink5::wire::{CreateLobby, JoinReply};

/// A lobby; who its members are, their clients know.
#[derive(Debug)]
pub(super) struct Lobby {
    /// In the order in which they came; whoever hands its lobby over goes to the end.
    pub(super) roster: Roster<ConnId, ()>,
    /// Besides the host; -1: any number.
    pub(super) max_players: i64,
    pub(super) password: Option<Sealed>,
    pub(super) is_locked: bool,
}

impl Lobby {
    /// A lobby with its host in it.
    pub(super) fn new(host: ConnId, options: &CreateLobby, passwords: &Passwords) -> Self {
        let CreateLobby { max_players, locked: is_locked, .. } = *options;
        let password = passwords.lock(&options.password);
        Self { roster: Roster::new(host, ()), max_players, password, is_locked }
    }

    /// Members besides the host.
    pub(super) fn players(&self) -> usize {
        self.roster.len().saturating_sub(1)
    }

    /// Whether one more may join who knows this password.
    pub(super) fn admit(&self, password: &str, passwords: &Passwords) -> JoinReply {
        let is_wrong = |sealed: &Sealed| *sealed != passwords.seal(password);
        if self.is_locked {
            JoinReply::Locked
        } else if self.max_players != -1 && self.players() as i64 >= self.max_players {
            JoinReply::Full
        } else if self.password.as_ref().is_some_and(is_wrong) {
            JoinReply::WrongPassword
        } else {
            JoinReply::Joined
        }
    }

    /// All members in order.
    pub(super) fn members(&self) -> Vec<ConnId> {
        self.roster.iter().map(|(conn, ())| *conn).collect()
    }
}

impl space::Lobby for Lobby {
    fn members(&self) -> impl Iterator<Item = ConnId> {
        self.roster.iter().map(|(conn, ())| *conn)
    }

    fn remove(&mut self, member: ConnId) {
        self.roster.leave(&member);
    }

    fn hosts(&self) -> impl Iterator<Item = ConnId> {
        std::iter::once(*self.roster.host())
    }

    /// The host is a member too.
    fn max_members(&self) -> Option<usize> {
        let players = usize::try_from(self.max_players.max(0)).unwrap_or(usize::MAX);
        (self.max_players != -1).then(|| players.saturating_add(1))
    }

    fn is_locked(&self) -> bool {
        self.is_locked
    }

    fn has_password(&self) -> bool {
        self.password.is_some()
    }
}
