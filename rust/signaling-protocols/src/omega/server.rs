//! What the servers of both numberings have in common: how a connection comes, is heard, falls
//! silent and goes.

use std::convert::Infallible;
use std::fmt::Debug;
use std::time::Instant;

use rand::rngs::StdRng;
use signaling_core::games::{Full, Games};
use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_core::space::Lobby;
use signaling_core::{Close, ConnId, Frame, Input, Output, Server};
use uuid::Uuid;

use super::packet::{Draft, VIOLATION};
use super::settings::Settings;
use crate::target::last_segment;

/// The server side of a numbering: all its games.
#[derive(Debug)]
pub struct OmegaServer<N: Dialect> {
    pub(super) settings: Settings,
    pub(super) rng: StdRng,
    pub(super) games: Games<N::Client, N::Lobby>,
    /// What the numbering needs besides.
    pub(super) numbering: N,
}

/// What is particular to a numbering.
pub trait Dialect: Sized + Debug + Send + 'static {
    /// What is known of a connection.
    type Client: Debug + Send;
    /// What is kept of a lobby.
    type Lobby: Lobby + Debug + Send;
    /// What a client may send.
    type Message<'a>;
    /// What a client may not do.
    type Violation: From<Full>;

    /// Reads a frame.
    fn decode(frame: Frame<'_>) -> Self::Message<'_>;

    /// Draws the id of a new connection, and notes what is to be known of it.
    ///
    /// # Errors
    /// When its path and query will not do.
    fn admit(
        server: &mut OmegaServer<Self>,
        now: Instant,
        target: &str,
        from: &str,
    ) -> Result<(Uuid, Self::Client), Self::Violation>;

    /// Does what a client wants.
    ///
    /// # Errors
    /// When the client is to be closed for it.
    fn handle(
        server: &mut OmegaServer<Self>,
        now: Instant,
        conn: ConnId,
        message: Self::Message<'_>,
    ) -> Result<(), Self::Violation>;

    /// Asks a client for a sign of life.
    fn ask(server: &mut OmegaServer<Self>, conn: ConnId);

    /// Takes a client out of its lobby, if it is in one, and tells the others.
    fn leave_lobby(server: &mut OmegaServer<Self>, conn: ConnId);

    /// What a client is told that did this, and the close that follows.
    fn verdict(violation: &Self::Violation) -> (String, Close);

    /// Whether a client has said INIT.
    fn is_initialised(client: &Self::Client) -> bool;
}

impl<N: Dialect> OmegaServer<N> {
    pub(super) fn start(settings: Settings, rng: StdRng, numbering: N) -> Self {
        Self { games: Games::new(settings.limits.clone()), settings, rng, numbering }
    }

    /// Panics unless clients and lobbies agree. For debug builds and simulations.
    pub fn assert_consistent(&self) {
        self.games.assert_consistent();
        for conn in self.games.conns() {
            let client = self.games.client(conn).expect("a connection is a client");
            let is_known = N::is_initialised(&client.data);
            assert!(is_known || client.lobby().is_none(), "only who has said INIT is in a lobby");
        }
    }

    fn open(&mut self, now: Instant, conn: ConnId, target: &str, from: &str) {
        if let Err(violation) = self.enter(now, conn, target, from) {
            self.close(conn, &violation);
        }
    }

    fn enter(
        &mut self,
        now: Instant,
        conn: ConnId,
        target: &str,
        from: &str,
    ) -> Result<(), N::Violation> {
        let (id, client) = N::admit(self, now, target, from)?;
        // Whoever routes by the path has seen to it that there is a game.
        let game = last_segment(target);
        let keepalive = Keepalive::new(now, None, Some(self.settings.silence_limit));
        self.games.enter(conn, &game, id.to_string().into(), client, keepalive)?;
        Ok(())
    }

    fn receive(&mut self, now: Instant, conn: ConnId, message: N::Message<'_>) {
        // A connection that we have closed may still have had frames under way.
        if self.games.of(conn).is_none() {
            return;
        }
        self.games.vigil.heard(now, conn);
        if let Err(violation) = N::handle(self, now, conn, message) {
            self.close(conn, &violation);
            self.depart(conn);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((conn, beat)) = self.games.vigil.poll(now) {
            match beat {
                Beat::Ping => N::ask(self, conn),
                Beat::Silent => {
                    self.games.out.close(conn, Close::keepalive_timeout());
                    self.depart(conn);
                }
            }
        }
    }

    /// Whatever the cause.
    pub(super) fn depart(&mut self, conn: ConnId) {
        N::leave_lobby(self, conn);
        self.games.leave(conn);
    }

    /// Tells a client what it did wrong, and closes its connection.
    fn close(&mut self, conn: ConnId, violation: &N::Violation) {
        let (text, close) = N::verdict(violation);
        self.games.out.send(conn, Draft::new(VIOLATION).payload(&text).write());
        self.games.out.close(conn, close);
    }
}

impl<N: Dialect> Server for OmegaServer<N> {
    type Message<'a> = N::Message<'a>;
    type Command = Infallible;
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> N::Message<'_> {
        N::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        match input {
            Input::Opened { conn, target, from } => self.open(now, conn, target, from),
            Input::Message { conn, message } => self.receive(now, conn, message),
            Input::Heard { conn } => self.games.vigil.heard(now, conn),
            Input::Closed { conn } => self.depart(conn),
            Input::Command(never) => match never {},
            Input::Timeout => self.handle_timeout(now),
            Input::Shutdown => self.games.shut_down(),
        }
        if cfg!(debug_assertions) {
            self.assert_consistent();
        }
    }

    fn poll_output(&mut self) -> Option<Output<LobbyNotice>> {
        self.games.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.games.vigil.poll_timeout()
    }
}

impl<N: Dialect> Overview for OmegaServer<N> {
    fn lobbies(&self) -> Vec<LobbyView> {
        self.games.views()
    }
}
