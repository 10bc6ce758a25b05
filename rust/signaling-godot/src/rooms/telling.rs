//! The client's turn, once a frame: what has happened is noted, and then told by signals.

use std::rc::Rc;

use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_protocols::Signal;
use signaling_protocols::rooms::client::Failure as Cause;
use signaling_protocols::rooms::wire::{Kind, Signal as Said};
use signaling_protocols::rooms::{Channel, Publisher, RoomEvent, RoomState};

use super::neighbours::Neighbours;
use super::place::Place;
use super::state::State;
use super::{RoomClient, trouble};
use crate::client::request::{Outcome, SignalingRequest};
use crate::client_node::{ClientNode, emit_failed, has, is_current, tell_link, tell_state};
use crate::line;
use crate::webrtc::is_ice_server;

impl ClientNode for RoomClient {
    type State = State;
    type Event = RoomEvent;
    type Connections = Neighbours;

    fn turns(&mut self) -> &mut Option<ConnectHandle> {
        &mut self.turns
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn states(&mut self) -> (State, &mut State) {
        (self.state, &mut self.told_state)
    }

    fn connections(&self) -> Option<&Rc<Neighbours>> {
        self.neighbours.as_ref()
    }

    fn take_events(&mut self) -> Option<Vec<RoomEvent>> {
        self.session.as_ref().map(|session| session.take_events())
    }

    fn turn_event(this: &mut Gd<Self>, epoch: u64, event: RoomEvent) {
        let was_in_room = this.bind().place.is_some();
        this.bind_mut().note(&event);
        tell_state(this);
        if is_current(this, epoch) {
            Self::connect_peers(this, was_in_room, &event);
        }
        if is_current(this, epoch) {
            tell(this, epoch, was_in_room, event);
        }
    }

    fn turn_connections(this: &mut Gd<Self>) {
        let (neighbours, state) = {
            let node = this.bind();
            (node.neighbours.clone(), node.state)
        };
        let Some(neighbours) = neighbours else { return };
        for event in neighbours.turn(state == State::Joined) {
            if !has(this, &neighbours) {
                return;
            }
            tell_link(this, &neighbours, &event);
        }
    }

    fn stop(this: Gd<Self>) {
        Self::stop(this);
    }
}

impl RoomClient {
    /// Brings what the getters return up to date, before the signal is emitted.
    fn note(&mut self, event: &RoomEvent) {
        let Self { place, me, session, .. } = self;
        match event {
            RoomEvent::StateChanged { new, .. } => {
                self.state = (*new).into();
                if self.state == State::Left {
                    (*session, *place) = (None, None);
                }
            }
            RoomEvent::Joined { role, publishers, .. } => {
                *place = Some(Place::new(*role, publishers.clone()));
            }
            RoomEvent::PublishersChanged(publishers) => {
                place.iter_mut().for_each(|place| place.note(me, publishers));
            }
            RoomEvent::Ended(ending) => self.ending = trouble::of_ending(*ending),
            RoomEvent::Disconnected { code, reason, cause } => {
                self.loss = trouble::of_loss(*code, reason, *cause);
            }
            RoomEvent::Failed(_) => (*session, *place) = (None, None),
            _ => {}
        }
    }

    /// What an event means to the WebRTC connections.
    fn connect_peers(this: &mut Gd<Self>, was_in_room: bool, event: &RoomEvent) {
        match event {
            RoomEvent::Joined { publishers, ice_servers, .. } => {
                if !was_in_room {
                    let new = this.bind().new_neighbours(ice_servers);
                    Self::replace_neighbours(this, new);
                }
                if this.is_instance_valid() {
                    Self::meet(this, publishers);
                }
            }
            RoomEvent::PublishersChanged(publishers) => Self::meet(this, publishers),
            RoomEvent::Heard(said) => Self::hear(this, said),
            RoomEvent::StateChanged { new: RoomState::Left, .. } => {
                Self::replace_neighbours(this, None);
            }
            _ => {}
        }
    }

    /// Nothing is borrowed while the engine is called, because it emits signals.
    fn replace_neighbours(this: &mut Gd<Self>, new: Option<Rc<Neighbours>>) {
        let old = std::mem::replace(&mut this.bind_mut().neighbours, new.clone());
        if let Some(neighbours) = new {
            neighbours.assign();
        }
        if let Some(neighbours) = old {
            neighbours.close();
        }
    }

    fn new_neighbours(&self, ice_servers: &[String]) -> Option<Rc<Neighbours>> {
        // Its server passes no descriptions on.
        if self.joined_channel == Channel::Broadcast {
            return None;
        }
        let session = self.session.as_ref().filter(|_| self.assign_multiplayer_peer)?;
        let api = self.base().get_multiplayer()?;
        let told = ice_servers.iter().map(|url| vdict! { "urls" => &**url }.to_variant());
        let told = told.filter(is_ice_server);
        let configuration = line::configuration(&self.rtc_configuration, &self.ice_servers, told);
        let (me, channel, session) = (self.me.clone(), self.joined_channel, Rc::downgrade(session));
        Some(Rc::new(Neighbours::new(me, channel, configuration, api, session)))
    }

    fn meet(this: &Gd<Self>, publishers: &[Publisher]) {
        let neighbours = this.bind().neighbours.clone();
        if let Some(neighbours) = neighbours {
            neighbours.note(publishers);
        }
    }

    fn hear(this: &Gd<Self>, said: &Said) {
        let neighbours = this.bind().neighbours.clone();
        if let (Some(neighbours), Some(signal)) = (neighbours, signal(&said.kind)) {
            neighbours.hear(&said.sender, &signal);
        }
    }
}

/// What a candidate is about, name and index: the protocol does not tell. Where data channels are
/// all there is, there is only a first part of the description.
const MEDIA: (&str, u32) = ("", 0);

/// What is for a connection.
fn signal(kind: &Kind) -> Option<Signal> {
    match kind {
        Kind::Offer { sdp, .. } => Some(Signal::Offer { sdp: sdp.clone() }),
        Kind::Answer { sdp, .. } => Some(Signal::Answer { sdp: sdp.clone() }),
        Kind::Candidate { sdp, .. } => {
            Some(Signal::Candidate { mid: MEDIA.0.to_owned(), index: MEDIA.1, sdp: sdp.clone() })
        }
        _ => None,
    }
}

fn tell(client: &mut Gd<RoomClient>, epoch: u64, was_in_room: bool, event: RoomEvent) {
    let mut signals = client.signals();
    match event {
        RoomEvent::StateChanged { new: RoomState::Left, .. } => {
            let failure = client.bind().ending;
            signals.room_left().emit(failure, &trouble::of(failure).message());
        }
        RoomEvent::Joined { .. } => {
            if was_in_room {
                signals.resumed().emit();
            } else {
                let (room, role) = (client.bind().joined_room.clone(), client.bind().get_role());
                signals.room_joined().emit(&room, &role);
            }
            tell_publishers(client, epoch);
            tell_answer(client, epoch);
        }
        RoomEvent::PublishersChanged(_) => tell_publishers(client, epoch),
        RoomEvent::Heard(said) => tell_heard(client, *said),
        RoomEvent::Refused { action, code, message } => {
            signals.refused().emit(action.name(), i64::from(code), &message);
        }
        RoomEvent::Unsent { kind, why } => {
            emit_failed(client, &trouble::of_unsent(kind.action(), why));
        }
        RoomEvent::Failed(cause) => tell_failed(client, epoch, was_in_room, &cause),
        RoomEvent::Reconnecting { attempt, delay } => {
            signals.reconnecting().emit(i64::from(attempt), delay.as_secs_f64());
        }
        // They are told by what has become of the node.
        RoomEvent::StateChanged { .. }
        | RoomEvent::Ended(_)
        | RoomEvent::Disconnected { .. }
        | RoomEvent::Malformed { .. } => {}
    }
}

fn tell_publishers(client: &Gd<RoomClient>, epoch: u64) {
    if is_current(client, epoch) {
        let publishers = client.bind().get_publishers();
        client.signals().publishers_changed().emit(&publishers);
    }
}

/// Tells whoever has asked for the room that we are in it.
fn tell_answer(client: &mut Gd<RoomClient>, epoch: u64) {
    if is_current(client, epoch) {
        let role = client.bind().get_role().to_variant();
        answer(client, Outcome::done(role, VarDictionary::new()));
    }
}

fn tell_heard(client: &Gd<RoomClient>, said: Said) {
    let mut signals = client.signals();
    let (user, session) = (&*said.sender.user, &*said.sender.session);
    match said.kind {
        Kind::Offer { sdp, is_restart, .. } => {
            signals.offer_received().emit(user, session, &sdp, is_restart);
        }
        Kind::Answer { sdp, .. } => signals.answer_received().emit(user, session, &sdp),
        Kind::Candidate { sdp, .. } => {
            let (mid, index) = (MEDIA.0, i64::from(MEDIA.1));
            signals.candidate_received().emit(user, session, mid, index, &sdp);
        }
        Kind::RequestPublish { media, message } => {
            let message = message.unwrap_or_default();
            let (video, audio) = (media.video, media.audio);
            signals.publish_requested().emit(user, session, video, audio, &message);
        }
        Kind::AcceptPublish { .. } => signals.publish_accepted().emit(),
        Kind::RejectPublish { .. } => signals.publish_rejected().emit(),
        _ => {}
    }
}

/// Tells whoever waits for the room, or everybody if nobody does.
fn tell_failed(client: &mut Gd<RoomClient>, epoch: u64, was_in_room: bool, cause: &Cause) {
    let loss = client.bind_mut().loss.take();
    let trouble = trouble::of_failure(cause, loss);
    if client.bind().asked.is_some() {
        return answer(client, Outcome::failed(trouble));
    }
    emit_failed(client, &trouble);
    if was_in_room && is_current(client, epoch) {
        client.signals().room_left().emit(trouble.failure(), &trouble.message());
    }
}

fn answer(client: &mut Gd<RoomClient>, outcome: Outcome) {
    let asked = client.bind_mut().asked.take();
    if let Some(request) = asked {
        SignalingRequest::complete(&request, outcome);
    }
}
