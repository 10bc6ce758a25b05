//! A server of the native protocol and its clients.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use signaling_protocols::godot::extended::Request;
use signaling_protocols::godot::{
    ClientEvent, ClientRequest, GodotServer, GodotSession, ServerCommand, ServerNotice,
    SessionOptions, Settings,
};

use super::network::{Network, Play};
use super::view::View;

pub(super) type World = Network<Native>;

pub(super) struct Native;

/// How long a decision may take, in milliseconds; some take too long.
const DECISIONS: std::ops::Range<u64> = 0..6000;

impl Play for Native {
    type Server = GodotServer;
    type Session = GodotSession;
    type View = View;

    const TARGET: &'static str = "/";

    fn note(view: &mut View, event: &ClientEvent) {
        view.note(event);
    }

    fn check(server: &GodotServer) {
        server.assert_consistent();
    }

    fn heed(
        server: &GodotServer,
        notice: ServerNotice,
        rng: &mut StdRng,
    ) -> Option<(Duration, ServerCommand)> {
        match notice {
            ServerNotice::Asked(asked) => {
                let verdict = if rng.random_ratio(1, 5) { Err("No".to_owned()) } else { Ok(()) };
                let delay = Duration::from_millis(rng.random_range(DECISIONS));
                Some((delay, ServerCommand::Decide { ticket: asked.ticket, verdict }))
            }
            ServerNotice::PeerJoined { lobby, .. } => {
                check_room(server, &lobby);
                None
            }
            _ => None,
        }
    }
}

/// Whoever came in found a free place.
fn check_room(server: &GodotServer, lobby: &str) {
    // It may have ended with the same input.
    if let Some(lobby) = server.lobbies().find(|info| &*info.name == lobby) {
        assert!(lobby.members.len() <= lobby.max_players, "{} is overcrowded", lobby.name);
    }
}

impl World {
    pub(super) fn open(seed: u64, settings: Settings) -> Self {
        Self::new(seed, GodotServer::new(settings, StdRng::seed_from_u64(seed)))
    }

    /// A new client, whose connection is being made; its index.
    pub(super) fn join(&mut self, options: SessionOptions) -> usize {
        let view = View::of(options.protocol);
        let session = GodotSession::new(options, StdRng::seed_from_u64(self.rng.random()));
        self.add(session, view)
    }

    /// Asks with a ticket of its own; the ticket.
    pub(super) fn ask(&mut self, client: usize, request: Request) -> u64 {
        let ticket = self.draw_number();
        self.clients[client].view.unanswered.insert(ticket);
        self.request(client, ClientRequest::Ask { ticket, request: Box::new(request) });
        ticket
    }

    /// The server is killed, and another takes its place.
    pub(super) fn restart(&mut self, settings: Settings) {
        let rng = StdRng::seed_from_u64(self.rng.random());
        self.replace(GodotServer::new(settings, rng));
    }
}
