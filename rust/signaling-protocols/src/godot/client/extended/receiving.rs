//! What the server's messages mean.

use std::time::Instant;

use signaling_core::{Frame, PeerId};

use super::asks::{Asked, Asker, is_joining};
use super::connecting::Retries;
use super::links::Links;
use super::{Extended, Lobby};
use crate::godot::client::event::{Answer, ClientEvent, Refusal, of_message};
use crate::godot::client::state::ClientState;
use crate::godot::extended::{
    LobbyView, MemberView, Object, Problem, Request, ServerEvent, limits,
};
use crate::godot::wire::{ClientMessage, ServerMessage};
use crate::json::length;

impl Extended {
    /// A message on a connection that talks. All but PING and HELLO are counted, those that mean
    /// nothing too: the server counts what it sends.
    pub(super) fn receive(&mut self, now: Instant, frame: Frame<'_>) {
        if let Some(pulse) = &mut self.pulse {
            pulse.heard(now);
        }
        let bytes = length(frame);
        let malformed = ClientEvent::Malformed { bytes };
        match ServerMessage::decode(frame) {
            Some(ServerMessage::Extended(ServerEvent::Pong { received, round_trips })) => {
                self.pong(now, received, round_trips);
            }
            Some(ServerMessage::Extended(ServerEvent::Welcome(_))) => self.out.tell(malformed),
            message => {
                self.replay.note_received();
                match message.filter(|message| self.told.admit(message)) {
                    Some(message) => self.handle_message(now, message),
                    None => self.out.tell(malformed),
                }
                self.count(now, bytes);
            }
        }
    }

    fn pong(&mut self, now: Instant, received: u64, mut round_trips: Vec<(PeerId, u32)>) {
        // Of a server that confirms what was never sent nothing better can be expected.
        let _ = self.replay.confirm(received);
        if let Some(pulse) = &mut self.pulse {
            pulse.pong(now);
            if pulse.is_proved(now) {
                self.retries = Retries::default();
            }
        }
        if self.lobby.is_some() && !round_trips.is_empty() {
            round_trips.truncate(limits::PLAYERS as usize);
            self.out.tell(ClientEvent::RoundTrips(round_trips));
        }
    }

    fn handle_message(&mut self, now: Instant, message: ServerMessage<'_>) {
        match message {
            ServerMessage::Identified { id, topology } => {
                self.generation += 1;
                let generation = self.generation;
                self.links = Some(Links::new(generation));
                self.out.tell(ClientEvent::Identified { id, topology, generation });
            }
            // Told with DONE, which follows.
            ServerMessage::Joined { .. } => {}
            ServerMessage::Extended(event) => self.handle_event(now, event),
            message => of_message(message).into_iter().for_each(|event| self.out.tell(event)),
        }
    }

    fn handle_event(&mut self, now: Instant, event: ServerEvent) {
        let told = match event {
            // Handled before, because they are no messages of the session.
            ServerEvent::Welcome(_) | ServerEvent::Pong { .. } => return,
            ServerEvent::Done { request, result } => return self.grant(request, result),
            ServerEvent::Refused { request, problem, message, details } => {
                return self.refuse(request, Refusal::Refused { problem, message, details });
            }
            ServerEvent::Member(view) => return self.note_member(now, view),
            ServerEvent::MemberGone { peer, problem } => {
                self.links.iter_mut().for_each(|links| links.forget(peer));
                ClientEvent::MemberLeft { id: peer, problem }
            }
            ServerEvent::Lobby(entry) => ClientEvent::LobbyChanged(Box::new(entry)),
            ServerEvent::Host { peer } => return self.change_host(peer),
            ServerEvent::Epoch { view, renamed } => return self.begin_epoch(now, view, renamed),
            ServerEvent::Unstable { peer } => {
                self.out.tell(ClientEvent::PeerUnstable { id: peer });
                return self.note_unstable(now, peer);
            }
            ServerEvent::Stable { peer } => {
                self.links.iter_mut().for_each(|links| links.set_stable(peer));
                ClientEvent::PeerStable { id: peer }
            }
            ServerEvent::Message { from, is_for_all, data } => {
                ClientEvent::LobbyMessage { from, is_for_all, data }
            }
            ServerEvent::Value { key, value, by } => ClientEvent::ValueChanged { key, value, by },
            ServerEvent::Listed(entry) => ClientEvent::LobbyListed(Box::new(entry)),
            ServerEvent::Unlisted { code } => ClientEvent::LobbyUnlisted { code },
            ServerEvent::Status { namespace, user, name, status } => {
                ClientEvent::StatusChanged { namespace, user, name, status }
            }
            ServerEvent::Invited { invite, user, name, lobby, data } => {
                ClientEvent::Invited { invite, user, name, lobby: Box::new(lobby), data }
            }
            ServerEvent::InviteAnswered { invite, is_accepted } => {
                ClientEvent::InviteAnswered { invite, is_accepted }
            }
            ServerEvent::InviteCancelled { invite } => ClientEvent::InviteCancelled { invite },
            ServerEvent::Left { problem, message } => {
                return self.leave_lobby(ClientState::Left, Some(problem), message);
            }
        };
        self.out.tell(told);
    }

    fn grant(&mut self, number: u64, result: Object) {
        let Some(Asked { asker, request, .. }) = self.asks.take(number) else { return };
        self.standing.note(&request);
        let result = if is_joining(&request) {
            self.enter_lobby(result).map(Answer::Lobby)
        } else {
            if *request == Request::Leave && self.has_place() {
                self.leave_lobby(ClientState::Left, None, String::new());
            }
            Ok(Answer::Object(result))
        };
        self.answer(asker, request, result);
    }

    fn enter_lobby(&mut self, result: Object) -> Result<Box<LobbyView>, Refusal> {
        let Ok(view) = LobbyView::from_object(result).map(Box::new) else {
            self.fail_to_enter();
            return Err(Refusal::by_problem(Problem::Invalid));
        };
        self.lobby = Some(Lobby::of(&view));
        self.rest(ClientState::Joined);
        let lobby = view.entry.code.clone();
        self.out.tell(ClientEvent::LobbyJoined { lobby, view: Some(view.clone()) });
        Ok(view)
    }

    fn refuse(&mut self, number: u64, refusal: Refusal) {
        let Some(Asked { asker, request, .. }) = self.asks.take(number) else { return };
        if is_joining(&request) {
            self.fail_to_enter();
        }
        if asker == Asker::Session {
            self.standing.forget(&request);
        }
        self.answer(asker, request, Err(refusal));
    }

    /// Nothing came of a try to get into a lobby.
    fn fail_to_enter(&mut self) {
        if self.lobby.is_some() || self.asks.are_joining() {
            return;
        }
        if self.links.is_some() {
            let problem = Problem::Lost;
            self.leave_lobby(ClientState::Failed, Some(problem), problem.sentence().to_owned());
        } else {
            self.rest(ClientState::Failed);
        }
    }

    pub(super) fn leave_lobby(
        &mut self,
        state: ClientState,
        problem: Option<Problem>,
        message: String,
    ) {
        self.lobby = None;
        self.links = None;
        self.rest(state);
        self.out.tell(ClientEvent::LobbyLeft { problem, message });
    }

    fn note_member(&mut self, now: Instant, view: MemberView) {
        let (id, is_unstable) = (view.id, view.is_unstable);
        self.out.tell(ClientEvent::MemberChanged(Box::new(view)));
        if is_unstable {
            self.note_unstable(now, id);
        } else {
            self.links.iter_mut().for_each(|links| links.set_stable(id));
        }
    }

    /// The server waits for a member: how our own connection to it is, is news at once.
    fn note_unstable(&mut self, now: Instant, peer: PeerId) {
        let told = self.links.as_mut().and_then(|links| links.set_unstable(peer));
        self.tell_link(now, peer, told);
    }

    fn change_host(&mut self, host: PeerId) {
        let Some(lobby) = &mut self.lobby else { return };
        lobby.host = host;
        let is_me = lobby.me == host;
        self.out.tell(ClientEvent::HostChanged { id: host, is_me });
    }

    /// Everybody connects anew. What the game still sends for its old connections is of an earlier
    /// generation, so the server may be told at once that nothing of them follows.
    fn begin_epoch(&mut self, now: Instant, view: LobbyView, renamed: Vec<(PeerId, PeerId)>) {
        let Some(links) = self.links.as_mut().filter(|_| self.lobby.is_some()) else { return };
        self.generation += 1;
        let generation = self.generation;
        links.begin_again(generation, &renamed);
        self.told.begin_again(&renamed);
        self.lobby = Some(Lobby::of(&view));
        let (epoch, host) = (view.epoch, view.host);
        self.say(now, &ClientMessage::Ready { epoch });
        self.out.tell(ClientEvent::EpochStarted { generation, view: Box::new(view), renamed });
        self.change_host(host);
    }
}

impl Lobby {
    fn of(view: &LobbyView) -> Self {
        Self { me: view.me, host: view.host, host_policy: view.host_policy }
    }
}
