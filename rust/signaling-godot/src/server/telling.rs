//! What the game is told: from the network thread to the signals.

use godot::prelude::*;
use signaling_gateway::Tongue;
use signaling_net::ServerHandle;
use signaling_protocols::godot::server::{Asked, Wish};
use signaling_protocols::godot::{GodotServer, ServerNotice};
use signaling_protocols::routing::Protocol;

use super::SignalingServer;
use super::admission::SignalingAdmission;
use super::lobby::{Lobby, LobbyEvent};
use super::mirror::Mirror;

/// What is told to the game by a signal.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Started(u16),
    Lobby(LobbyEvent),
    Asked(Box<Asked>),
    /// Nobody has decided in time.
    Undecided,
    Stopped,
}

impl SignalingServer {
    /// Takes what the network thread has told; returns how much there is to tell the game now.
    pub(super) fn collect(&mut self) -> usize {
        if let Some(running) = &self.running {
            let native = running.godot().map(|server| self.told_by_godot(server));
            let others = running.others().map(|tongue| self.told_by(tongue));
            let told: Vec<_> = native.into_iter().chain(others).flatten().collect();
            let last = told.iter().rev().find_map(Told::ticket);
            self.unasked = last.map_or(self.unasked, |ticket| ticket + 1);
            self.pending.extend(told);
        }
        self.pending.len()
    }

    fn told_by_godot(&self, server: &ServerHandle<GodotServer>) -> Vec<Told> {
        let notices = server.take_notices();
        if !notices.lost {
            return notices.events.into_iter().filter_map(Told::native).collect();
        }
        let (actual, asked) = server.resync(|machine| {
            let asked = machine.asked_from(self.unasked).cloned().map(Box::new);
            (machine.lobbies().collect::<Vec<_>>(), asked.collect::<Vec<_>>())
        });
        let lobbies = actual.into_iter().map(Lobby::native);
        let events = self.known().catch_up(Protocol::Godot, lobbies);
        events.into_iter().map(Told::Lobby).chain(asked.into_iter().map(Told::Asked)).collect()
    }

    fn told_by(&self, tongue: &dyn Tongue) -> Vec<Told> {
        let (notices, protocol) = (tongue.take_notices(), tongue.protocol());
        let events = if notices.lost {
            let lobbies = tongue.resync().into_iter().map(|view| Lobby::other(protocol, view));
            self.known().catch_up(protocol, lobbies)
        } else {
            notices.events.into_iter().map(|it| LobbyEvent::other(protocol, it)).collect()
        };
        events.into_iter().map(Told::Lobby).collect()
    }

    /// The next thing to tell; the getters agree with it already.
    pub(super) fn next(&mut self) -> Option<Told> {
        let told = self.pending.pop_front()?;
        if let Told::Lobby(event) = &told {
            self.mirror.apply(event);
        }
        Some(told)
    }

    /// What the game will know when everything pending has been told.
    pub(super) fn known(&self) -> Mirror {
        let mut known = self.mirror.clone();
        for told in &self.pending {
            if let Told::Lobby(event) = told {
                known.apply(event);
            }
        }
        known
    }
}

impl Told {
    /// `None`: nothing that the game has to hear of.
    fn native(notice: ServerNotice) -> Option<Self> {
        match LobbyEvent::native(notice) {
            Ok(event) => Some(Self::Lobby(event)),
            Err(ServerNotice::Asked(asked)) => Some(Self::Asked(asked)),
            Err(ServerNotice::Undecided { .. }) => Some(Self::Undecided),
            Err(_) => None,
        }
    }

    fn ticket(&self) -> Option<u64> {
        match self {
            Self::Asked(asked) => Some(asked.ticket),
            _ => None,
        }
    }
}

/// Emits the signal.
pub(super) fn tell(server: &Gd<SignalingServer>, told: Told) {
    let mut signals = server.signals();
    let text = |lobby: &str| GString::from(lobby);
    match told {
        Told::Started(port) => signals.started().emit(i64::from(port)),
        Told::Stopped => signals.stopped().emit(),
        Told::Asked(asked) => ask(server, &asked),
        Told::Undecided => server.clone().bind_mut().warn_undecided(),
        Told::Lobby(LobbyEvent::Created(lobby)) => signals.lobby_created().emit(&text(&lobby.key)),
        Told::Lobby(LobbyEvent::Changed(lobby)) => signals.lobby_changed().emit(&text(&lobby.key)),
        Told::Lobby(LobbyEvent::Sealed { lobby }) => signals.lobby_sealed().emit(&text(&lobby)),
        Told::Lobby(LobbyEvent::Closed { lobby }) => signals.lobby_closed().emit(&text(&lobby)),
        Told::Lobby(LobbyEvent::Joined { lobby, member }) => {
            signals.peer_joined().emit(&text(&lobby), i64::from(member.id().get()));
        }
        Told::Lobby(LobbyEvent::Left { lobby, member }) => {
            signals.peer_left().emit(&text(&lobby), i64::from(member.id().get()));
        }
    }
}

fn ask(server: &Gd<SignalingServer>, asked: &Asked) {
    let request = SignalingAdmission::new(asked, &server.bind().decisions);
    let mut signals = server.signals();
    match asked.wish {
        Wish::Hello => signals.hello_requested().emit(&request),
        Wish::Create(_) => signals.create_requested().emit(&request),
        Wish::Join(_) => signals.join_requested().emit(&request),
    }
}
