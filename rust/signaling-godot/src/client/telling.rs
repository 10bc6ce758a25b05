//! The client's turn, once a frame: what has happened is noted, and then told by signals.

use std::rc::Rc;

use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_protocols::godot::extended::{Json, Problem, Request};
use signaling_protocols::godot::{Answer, ClientEvent, Refusal, Topology};

use super::failure::{Failure, Trouble};
use super::migration::Migration;
use super::post;
use super::room::Room;
use super::session::Session;
use super::{SignalingClient, State};
use crate::client_node::{ClientNode, emit_failed, has, is_current, tell_link, tell_state};
use crate::json;
use crate::peers::Mesh;
use crate::webrtc::is_ice_server;

/// What is known only before an event is noted, or only while it is.
#[derive(Default)]
struct Noted {
    /// The member that it is about was not known.
    is_new: bool,
    /// We were in a lobby.
    was_in_lobby: bool,
    /// We have asked for the end of the lobby.
    is_closing: bool,
}

impl ClientNode for SignalingClient {
    type State = State;
    type Event = ClientEvent;
    type Connections = Mesh;

    fn turns(&mut self) -> &mut Option<ConnectHandle> {
        &mut self.turns
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn states(&mut self) -> (State, &mut State) {
        (self.state, &mut self.told_state)
    }

    fn connections(&self) -> Option<&Rc<Mesh>> {
        self.connections.as_ref()
    }

    fn take_events(&mut self) -> Option<Vec<ClientEvent>> {
        self.session.as_mut().map(Session::take_events)
    }

    fn turn_event(this: &mut Gd<Self>, epoch: u64, event: ClientEvent) {
        let events = this.bind().differences(event);
        for event in events {
            Self::turn_one(this, epoch, event);
            if !is_current(this, epoch) {
                return;
            }
        }
    }

    fn turn_connections(this: &mut Gd<Self>) {
        Self::turn_links(this);
        if this.is_instance_valid() {
            Self::turn_migration(this);
        }
    }

    fn stop(this: Gd<Self>) {
        Self::stop(this);
    }
}

impl SignalingClient {
    /// What was asked again is told as what has changed.
    fn differences(&self, event: ClientEvent) -> Vec<ClientEvent> {
        match event {
            ClientEvent::AskedAgain { request, result: Ok(answer) } => {
                self.watched.differences(&request, &answer)
            }
            event => vec![event],
        }
    }

    fn turn_one(this: &mut Gd<Self>, epoch: u64, event: ClientEvent) {
        let noted = this.bind_mut().note(&event);
        tell_state(this);
        if !is_current(this, epoch) {
            return;
        }
        if matches!(event, ClientEvent::EpochStarted { .. }) {
            this.signals().migration_started().emit();
        }
        if !is_current(this, epoch) {
            return;
        }
        Self::connect_peers(this, &event);
        if is_current(this, epoch) {
            tell(this, epoch, &noted, event);
        }
    }

    /// Brings the properties up to date, before the signal is emitted.
    fn note(&mut self, event: &ClientEvent) -> Noted {
        let (was_in_lobby, is_closing) = (self.room.is_some(), self.asked.is_closing());
        let mut noted = Noted { is_new: false, was_in_lobby, is_closing };
        if let (Some(room), ClientEvent::MemberChanged(member)) = (&self.room, event) {
            noted.is_new = !room.has(member.id);
        }
        self.room.iter_mut().for_each(|room| room.apply(event));
        self.watched.apply(event);
        match event {
            ClientEvent::Welcomed { user, ice_servers } => {
                self.user = GString::from(user);
                self.told_ice_servers = understood(ice_servers);
            }
            ClientEvent::StateChanged { new, .. } => self.state = (*new).into(),
            ClientEvent::Identified { id, topology, generation } => {
                (self.id, self.generation) = (Some(*id), *generation);
                self.room = Some(Room::new(*id, *topology, self.user.is_empty()));
                self.sealed = false;
            }
            ClientEvent::EpochStarted { generation, view, .. } => {
                (self.id, self.generation) = (Some(view.me), *generation);
                self.migration = Some(Migration::of(self.room.as_ref()));
            }
            ClientEvent::HostChanged { .. } => {
                self.migration.iter_mut().for_each(Migration::note_host);
            }
            ClientEvent::Sealed => self.sealed = true,
            ClientEvent::LobbyLeft { .. } => self.note_left(),
            ClientEvent::Disconnected { code, reason, cause, problem } => {
                self.note_end(*code, reason);
                let trouble = Trouble::of_end(*code, reason, *cause, *problem);
                let trouble = trouble.unwrap_or_else(|| Trouble::new(Failure::NotConnected));
                self.asked.cancel(&trouble);
            }
            _ => {}
        }
        noted
    }

    fn note_left(&mut self) {
        (self.id, self.room, self.migration) = (None, None, None);
        self.sealed = false;
    }

    fn note_end(&mut self, code: u16, reason: &str) {
        if !matches!(self.state, State::Left | State::Failed) {
            self.state = State::Failed;
        }
        self.code = code.into();
        self.reason = GString::from(reason);
        self.session = None;
        self.room = None;
        self.migration = None;
    }

    /// What an event means to the WebRTC connections.
    fn connect_peers(this: &mut Gd<Self>, event: &ClientEvent) {
        match event {
            ClientEvent::Identified { id, topology, .. } => {
                return Self::replace_mesh(this, *id, *topology);
            }
            ClientEvent::EpochStarted { view, .. } => {
                return Self::replace_mesh(this, view.me, view.entry.topology);
            }
            ClientEvent::LobbyLeft { problem: Some(Problem::Kicked | Problem::Banned), .. } => {
                return Self::drop_mesh(this);
            }
            _ => {}
        }
        let mesh = this.bind().connections.clone();
        if let Some(mesh) = mesh {
            post::deliver(&mesh, event);
        }
    }

    /// Hands an answer to who has asked. What the end of the connection made void is answered when
    /// it is told, because then it is known why it has ended.
    fn answer(this: &mut Gd<Self>, epoch: u64, ticket: u64, result: Result<Answer, Refusal>) {
        if result == Err(Refusal::NotConnected) {
            return;
        }
        let Some(question) = this.bind_mut().asked.take(ticket) else { return };
        match &result {
            Ok(_) if question.what == Request::Leave => Self::drop_mesh(this),
            Ok(answer) => this.bind_mut().watched.begin(&question.what, answer),
            Err(_) => {}
        }
        let trouble = question.answer(result);
        if let Some(trouble) = trouble.filter(|_| is_current(this, epoch)) {
            Self::fail(this, &trouble);
        }
    }

    /// Says once why nothing came of the connection.
    fn fail(this: &mut Gd<Self>, trouble: &Trouble) {
        let failure = Some(trouble.failure());
        if std::mem::replace(&mut this.bind_mut().told_failure, failure) != failure {
            emit_failed(this, trouble);
        }
    }

    /// Tells what has become of the connections to others.
    fn turn_links(this: &Gd<Self>) {
        let Some(mesh) = this.bind().connections.clone() else { return };
        for event in mesh.turn() {
            if !has(this, &mesh) {
                return;
            }
            this.clone()
                .bind_mut()
                .migration
                .iter_mut()
                .for_each(|migration| migration.note(&event));
            tell_link(this, &mesh, &event);
        }
    }

    fn turn_migration(this: &Gd<Self>) {
        let is_over = {
            let node = this.bind();
            let mesh = node.connections.as_deref();
            let migrating = node.migration.as_ref().zip(node.room.as_ref());
            migrating.is_some_and(|(migration, room)| migration.is_over(room, mesh))
        };
        if is_over {
            this.clone().bind_mut().migration = None;
            this.signals().migration_finished().emit();
        }
    }
}

/// The servers that connections can be made with: one that makes no sense may not be in the way of
/// all connections.
fn understood(ice_servers: &Json) -> VarArray {
    let told: VarArray = json::to_variant(ice_servers).try_to().unwrap_or_default();
    let is_understood = |server: &Variant| {
        let is_understood = is_ice_server(server);
        if !is_understood {
            godot_warn!(
                "SignalingClient skips an ICE server of the signaling server: not understood."
            );
        }
        is_understood
    };
    told.iter_shared().filter(is_understood).collect()
}

fn tell(client: &mut Gd<SignalingClient>, epoch: u64, noted: &Noted, event: ClientEvent) {
    let mut signals = client.signals();
    match event {
        ClientEvent::Identified { id, topology, .. } => {
            signals.connected().emit(json::id(id), topology == Topology::Mesh);
            tell_plain_member(client, epoch, id);
        }
        ClientEvent::LobbyJoined { lobby, .. } => signals.lobby_joined().emit(&lobby),
        ClientEvent::Sealed => signals.lobby_sealed().emit(),
        ClientEvent::PeerConnected { id } => {
            tell_plain_member(client, epoch, id);
            if is_current(client, epoch) {
                client.signals().peer_connected().emit(json::id(id));
            }
        }
        ClientEvent::PeerDisconnected { id } => {
            signals.peer_disconnected().emit(json::id(id));
            if is_current(client, epoch) && is_plain(client) {
                client.signals().member_left().emit(json::id(id));
            }
        }
        ClientEvent::Offer { from, sdp } => signals.offer_received().emit(json::id(from), &sdp),
        ClientEvent::Answer { from, sdp } => signals.answer_received().emit(json::id(from), &sdp),
        ClientEvent::Candidate { from, mid, index, sdp } => {
            signals.candidate_received().emit(json::id(from), &mid, i64::from(index), &sdp);
        }
        ClientEvent::MemberChanged(member) if noted.is_new => {
            signals.member_joined().emit(json::id(member.id));
        }
        ClientEvent::MemberChanged(member) => signals.member_changed().emit(json::id(member.id)),
        ClientEvent::MemberLeft { id, .. } => signals.member_left().emit(json::id(id)),
        ClientEvent::LobbyChanged(_) => {
            let lobby = client.bind().room.as_ref().map(Room::describe).unwrap_or_default();
            signals.lobby_changed().emit(&lobby);
        }
        ClientEvent::HostChanged { id, is_me } => signals.host_changed().emit(json::id(id), is_me),
        ClientEvent::PeerUnstable { id } => signals.peer_unstable().emit(json::id(id)),
        ClientEvent::PeerStable { id } => signals.peer_stable().emit(json::id(id)),
        ClientEvent::LobbyMessage { from, is_for_all, data } => {
            let data = json::to_variant(&data);
            signals.lobby_message().emit(json::id(from), &data, is_for_all);
        }
        ClientEvent::ValueChanged { key, value, by } => {
            let value = json::optional_to_variant(value.as_ref());
            signals.lobby_value_changed().emit(&key, &value, by.map_or(0, json::id));
        }
        ClientEvent::LobbyListed(lobby) => signals.lobby_listed().emit(&json::entry(&lobby)),
        ClientEvent::LobbyUnlisted { code } => signals.lobby_unlisted().emit(&code),
        ClientEvent::StatusChanged { namespace, user, name, status } => {
            let status = json::optional_to_variant(status.as_ref());
            signals.status_changed().emit(&namespace, &user, &name, &status);
        }
        ClientEvent::Invited { invite, user, name, lobby, data } => {
            let data = json::optional_to_variant(data.as_ref());
            let (invite, lobby) = (invite.cast_signed(), json::entry(&lobby));
            signals.invited().emit(invite, &user, &name, &lobby, &data);
        }
        ClientEvent::InviteAnswered { invite, is_accepted } => {
            signals.invite_answered().emit(invite.cast_signed(), is_accepted);
        }
        ClientEvent::InviteCancelled { invite } => {
            signals.invite_cancelled().emit(invite.cast_signed());
        }
        ClientEvent::LobbyLeft { problem, message } => {
            tell_left(client, epoch, noted, problem.map(|why| Trouble::of_problem(why, &message)));
        }
        ClientEvent::Reconnecting { attempt, delay } => {
            signals.reconnecting().emit(i64::from(attempt), delay.as_secs_f64());
        }
        ClientEvent::Resumed => signals.resumed().emit(),
        ClientEvent::ResumeFailed { problem } => signals.resume_failed().emit(problem.sentence()),
        ClientEvent::Answered { ticket, result } => {
            SignalingClient::answer(client, epoch, ticket, result);
        }
        ClientEvent::Disconnected { code, reason, cause, problem } => {
            let trouble = Trouble::of_end(code, &reason, cause, problem);
            tell_end(client, epoch, noted.was_in_lobby, trouble.as_ref());
            if is_current(client, epoch) {
                client.signals().disconnected().emit(i64::from(code), &reason);
            }
        }
        ClientEvent::AskedAgain { request, result: Err(refusal @ Refusal::Refused { .. }) } => {
            emit_failed(client, &Trouble::from(&refusal).with("request", &verb(&request)));
        }
        ClientEvent::Opened => signals.session_started().emit(),
        ClientEvent::EpochStarted { renamed, .. } => tell_renamed(client, epoch, &renamed),
        // The others are told by what has become of the node.
        ClientEvent::Welcomed { .. }
        | ClientEvent::StateChanged { .. }
        | ClientEvent::AskedAgain { .. }
        | ClientEvent::RoundTrips(_)
        | ClientEvent::Malformed { .. } => {}
    }
}

/// One by one, so that an id that passes from one to another is free when it is taken.
fn tell_renamed(client: &Gd<SignalingClient>, epoch: u64, renamed: &[(PeerId, PeerId)]) {
    for (old, new) in renamed {
        if is_current(client, epoch) {
            client.signals().member_renamed().emit(json::id(*old), json::id(*new));
        }
    }
}

/// The method that asked for what a session asks again.
fn verb(request: &Request) -> GString {
    GString::from(match request {
        Request::WatchStatus { .. } => "watch_statuses",
        Request::SetStatus { .. } => "set_status",
        _ => "watch_lobbies",
    })
}

fn is_plain(client: &Gd<SignalingClient>) -> bool {
    client.bind().room.as_ref().is_some_and(Room::is_plain)
}

/// In the plain protocol a member is told of as a peer, and we are not told of at all.
fn tell_plain_member(client: &Gd<SignalingClient>, epoch: u64, id: PeerId) {
    if is_current(client, epoch) && is_plain(client) {
        client.signals().member_joined().emit(json::id(id));
    }
}

/// That a sealed lobby ends, or one that we asked to be closed, is no failure.
fn tell_left(client: &Gd<SignalingClient>, epoch: u64, noted: &Noted, trouble: Option<Trouble>) {
    let failure = trouble.as_ref().map_or(Failure::None, Trouble::failure);
    let message = trouble.as_ref().map(Trouble::message).unwrap_or_default();
    let is_wanted = noted.is_closing || failure == Failure::Sealed;
    if let Some(trouble) = trouble.filter(|_| !is_wanted) {
        emit_failed(client, &trouble);
    }
    if is_current(client, epoch) {
        client.signals().lobby_left().emit(failure, &message);
    }
}

/// A lobby of the plain protocol ends with the connection.
fn tell_end(
    client: &mut Gd<SignalingClient>,
    epoch: u64,
    was_in_lobby: bool,
    trouble: Option<&Trouble>,
) {
    if was_in_lobby {
        let sealed = client.bind().sealed.then(|| Trouble::new(Failure::Sealed));
        let why = trouble.or(sealed.as_ref());
        let failure = why.map_or(Failure::None, Trouble::failure);
        let message = why.map(Trouble::message).unwrap_or_default();
        client.signals().lobby_left().emit(failure, &message);
    }
    if let Some(trouble) = trouble.filter(|_| is_current(client, epoch)) {
        SignalingClient::fail(client, trouble);
    }
}
