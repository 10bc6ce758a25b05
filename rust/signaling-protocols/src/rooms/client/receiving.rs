//! What the server says, and what comes of it.

use std::time::Instant;

use signaling_core::Frame;
use signaling_core::keepalive::Keepalive;

use super::event::{Ending, Failure, RoomEvent};
use super::state::RoomState;
use super::{RoomOptions, RoomSession};
use crate::json::length;
use crate::rooms::model::{Channel, Publisher, Role};
use crate::rooms::wire::{Action, Code, Kind, ServerMessage, Signal};

impl RoomSession {
    pub(super) fn receive(&mut self, now: Instant, frame: Frame<'_>) {
        if let Some(pulse) = &mut self.pulse {
            pulse.heard(now);
        }
        match ServerMessage::decode(frame) {
            // What is said to those who have left is of no interest to them.
            _ if !self.state.is_listening() => {}
            Some(message) => self.handle_message(now, message),
            None => self.out.tell(RoomEvent::Malformed { bytes: length(frame) }),
        }
    }

    fn handle_message(&mut self, now: Instant, message: ServerMessage) {
        match message {
            ServerMessage::Joined { room, role, publishers, ice_servers } => {
                if room == self.options.room {
                    self.handle_joined(now, role, publishers, ice_servers);
                }
            }
            ServerMessage::Heartbeat { room, publishers } if room == self.options.room => {
                self.note_publishers(now, publishers);
            }
            ServerMessage::PublishersChanged { room, publishers } if room == self.options.room => {
                match publishers.is_empty() {
                    true => self.end(now, Ending::Closed),
                    false => self.note_publishers(now, publishers),
                }
            }
            ServerMessage::Heartbeat { .. }
            | ServerMessage::PublishersChanged { .. }
            | ServerMessage::Keepalive => {}
            ServerMessage::Refused { action, code, message } => {
                self.handle_refused(now, action, code, message);
            }
            ServerMessage::Signal(signal) => self.handle_signal(now, signal),
        }
    }

    fn handle_joined(
        &mut self,
        now: Instant,
        role: Role,
        publishers: Vec<Publisher>,
        ice_servers: Vec<String>,
    ) {
        if self.state == RoomState::Joined {
            return self.note_publishers(now, publishers);
        }
        let RoomOptions { heartbeat_interval, silence_limit, .. } = self.options;
        self.pulse = Some(Keepalive::new(now, Some(heartbeat_interval), Some(silence_limit)));
        self.backoff.reset();
        self.watchdog.note_ack();
        self.set_state(RoomState::Joined);
        self.publishers = publishers.clone();
        self.note_alone(now);
        self.out.tell(RoomEvent::Joined { role, publishers, ice_servers });
        self.send_kept(now);
    }

    /// Sends what was said on the way here, in order. Leaving may be part of it.
    fn send_kept(&mut self, now: Instant) {
        while self.state == RoomState::Joined
            && let Some((kind, text)) = self.queue.pop()
        {
            self.say_now(now, &kind, text);
        }
    }

    fn note_publishers(&mut self, now: Instant, publishers: Vec<Publisher>) {
        if self.state == RoomState::Joined && self.publishers != publishers {
            let before = std::mem::replace(&mut self.publishers, publishers.clone());
            for Publisher { participant, .. } in before {
                if !publishers.iter().any(|publisher| publisher.participant == participant) {
                    self.watchdog.note_gone(&participant);
                }
            }
            self.note_alone(now);
            self.out.tell(RoomEvent::PublishersChanged(publishers));
        }
    }

    fn note_alone(&mut self, now: Instant) {
        let is_me = |publisher: &Publisher| publisher.participant == self.options.me;
        let is_call = self.options.channel == Channel::Call;
        let is_alone = is_call && self.publishers.iter().all(is_me);
        self.watchdog.note_alone(now, is_alone);
    }

    fn handle_refused(&mut self, now: Instant, action: Action, code: u16, message: String) {
        match action {
            // It only says that we were out already.
            Action::Leave => {}
            Action::Join if self.state.is_on_the_way() => {
                self.fail(Failure::Refused { code, message });
            }
            _ if code == Code::Internal.number() && self.state == RoomState::Joined => {
                self.fail(Failure::Refused { code, message });
            }
            // Our session has expired.
            Action::Heartbeat => self.recover(now),
            action => {
                if action == Action::Offer {
                    self.watchdog.note_refused_offer();
                }
                self.out.tell(RoomEvent::Refused { action, code, message });
            }
        }
    }

    fn handle_signal(&mut self, now: Instant, signal: Box<Signal>) {
        if *signal.room != *self.options.room {
            return;
        }
        match &signal.kind {
            Kind::Kick { to } if to.means(&self.options.me) => {
                self.out.tell(RoomEvent::Heard(signal));
                return self.end(now, Ending::Kicked);
            }
            Kind::Offer { .. } | Kind::Answer { .. } => self.watchdog.note_answer(&signal.sender),
            _ => {}
        }
        self.out.tell(RoomEvent::Heard(signal));
    }

    /// We are out of the room without having asked for it.
    fn end(&mut self, now: Instant, ending: Ending) {
        if self.state == RoomState::Joined {
            self.out.tell(RoomEvent::Ended(ending));
            self.say(now, Kind::Leave);
        }
    }
}
