//! What the servers of both numberings are built on: who is connected to which game, who is still
//! alive, and what is to be sent.

use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use signaling_core::keepalive::Keepalive;
use signaling_core::outputs::Outputs;
use signaling_core::overview::LobbyNotice;
use signaling_core::space::{Full, Lobby, Spaces};
use signaling_core::vigil::Vigil;
use signaling_core::{Close, ConnId};

use super::packet::Draft;
use super::settings::Settings;
use crate::target::segment;

/// In both numberings the opcode of what precedes a close.
pub(super) const VIOLATION: u8 = 0;
/// In both numberings the sign of life.
pub(super) const KEEPALIVE: u8 = 1;

/// Clients `C` and lobbies `L` of all games.
#[derive(Debug)]
pub(super) struct Base<C, L> {
    pub(super) settings: Settings,
    pub(super) rng: StdRng,
    pub(super) spaces: Spaces<C, L>,
    pub(super) vigil: Vigil,
    pub(super) out: Outputs<LobbyNotice>,
}

impl<C, L: Lobby> Base<C, L> {
    pub(super) fn new(settings: Settings, rng: StdRng) -> Self {
        let spaces = Spaces::new(settings.limits.clone());
        Self { settings, rng, spaces, vigil: Vigil::default(), out: Outputs::default() }
    }

    /// Lets a connection into the game that its path names behind `prefix`.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        conn: ConnId,
        (target, prefix): (&str, &str),
        id: Arc<str>,
        data: C,
    ) -> Result<(), Full> {
        // Whoever routes by this path has seen to it that there is a game.
        let game = segment(target, prefix).unwrap_or_default();
        self.spaces.enter(conn, &game, id, data)?;
        self.vigil.watch(conn, Keepalive::new(now, None, Some(self.settings.silence_limit)));
        Ok(())
    }

    pub(super) fn send(&mut self, conn: ConnId, draft: Draft<'_>) {
        self.out.send(conn, draft.write());
    }

    /// Tells a connection what it did wrong and closes it. Its departure is handled by whoever
    /// calls.
    pub(super) fn violation(&mut self, conn: ConnId, text: &str, close: Close) {
        self.send(conn, Draft::new(VIOLATION).payload(&text));
        self.out.close(conn, close);
    }

    /// Forgets a connection that has left its lobby.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.vigil.forget(conn);
        self.spaces.leave(conn);
    }

    /// The id that others know a connection by; empty if it is not in.
    pub(super) fn id(&self, conn: ConnId) -> Arc<str> {
        self.spaces.client(conn).map_or_else(Arc::default, |client| client.id().clone())
    }

    /// Whether a lobby id or user name is short enough to be kept.
    pub(super) fn check_name(&self, name: &str) -> Result<(), Full> {
        if name.len() <= self.settings.max_name_bytes { Ok(()) } else { Err(Full) }
    }
}
