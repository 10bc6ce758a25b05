//! What members may say, and what comes of it.

use std::sync::Arc;
use std::time::Instant;

use super::room::Room;
use super::{RoomServer, SessionKey, refusals};
use crate::rooms::MAX_PUBLISHERS;
use crate::rooms::model::{Channel, Media, Participant, Recipient, Role};
use crate::rooms::wire::{Ack, Action, Kind, Refusal, Signal};

impl RoomServer {
    /// Does what a member says; `data` is the text of the signal.
    pub(super) fn obey(
        &mut self,
        now: Instant,
        key: &SessionKey,
        signal: &Signal,
        data: &str,
    ) -> Result<(), Refusal> {
        let SessionKey { room: name, participant: me } = key;
        let Some(room) = self.rooms.get(name) else { return Err(refusals::NO_SUCH_ROOM) };
        let role = room.role(me);
        match &signal.kind {
            // Whoever is not in the room yet has no part in this.
            Kind::Join { .. } => {}
            Kind::Leave => self.end_sessions(now, name, std::slice::from_ref(me)),
            Kind::Update(media) => self.update(now, key, role, *media)?,
            Kind::Heartbeat { id, wants_ack: true } => {
                self.answer_heartbeat(now, key, id.as_deref())
            }
            Kind::Heartbeat { .. } => {}
            Kind::Kick { to } => {
                let victims = victims(room, me, to)?;
                self.pass_on(now, name, &victims, data);
                self.end_sessions(now, name, &victims);
            }
            Kind::RequestPublish { .. } => {
                require(role == Role::Viewer, refusals::ALREADY_PUBLISHER)?;
                let owner = room.roster.host().clone();
                self.pass_on(now, name, &[owner], data);
            }
            Kind::AcceptPublish { to } => self.accept_publish(now, key, to, data)?,
            Kind::RejectPublish { to } => {
                let targets = candidates(room, me, to)?;
                self.pass_on(now, name, &targets, data);
            }
            Kind::Offer { to, .. } | Kind::Answer { to, .. } | Kind::Candidate { to, .. } => {
                let action = signal.kind.action();
                let recipients = self.recipients(now, room, me, action, to.as_ref())?;
                self.pass_on(now, name, &recipients, data);
            }
            Kind::Watch { .. } => return Err(refusals::NO_MEDIA_SERVER),
        }
        Ok(())
    }

    fn update(
        &mut self,
        now: Instant,
        key: &SessionKey,
        role: Role,
        media: Media,
    ) -> Result<(), Refusal> {
        require(role != Role::Viewer, refusals::NO_PUBLISHER)?;
        let room = self.rooms.get_mut(&key.room);
        if let Some(member) = room.and_then(|room| room.roster.get_mut(&key.participant)) {
            member.media = media;
        }
        self.announce(now, &key.room, None);
        Ok(())
    }

    fn answer_heartbeat(&mut self, now: Instant, key: &SessionKey, id: Option<&str>) {
        let Some(room) = self.rooms.get(&key.room) else { return };
        let conn = room.roster.get(&key.participant).and_then(|member| member.conn);
        let (channel, publishers) = (room.channel, room.publishers());
        if let Some(conn) = conn {
            let ack = Ack::Heartbeat { room: &key.room, id, publishers: &publishers };
            self.ack(now, conn, Some(channel), &ack);
        }
    }

    fn accept_publish(
        &mut self,
        now: Instant,
        key: &SessionKey,
        to: &Recipient,
        data: &str,
    ) -> Result<(), Refusal> {
        let SessionKey { room: name, participant: me } = key;
        let Some(room) = self.rooms.get_mut(name) else { return Err(refusals::NO_SUCH_ROOM) };
        let mut viewers = candidates(room, me, to)?;
        viewers.retain(|target| room.role(target) == Role::Viewer);
        if viewers.is_empty() {
            return Ok(());
        }
        let has_room = room.publisher_count() + viewers.len() <= MAX_PUBLISHERS;
        require(has_room, refusals::TOO_MANY_PUBLISHERS)?;
        viewers.iter().for_each(|viewer| room.promote(viewer));
        self.notify_changed(name);
        self.pass_on(now, name, &viewers, data);
        self.announce(now, name, None);
        Ok(())
    }

    /// For whom an offer, an answer or a candidate is.
    fn recipients(
        &self,
        now: Instant,
        room: &Room,
        me: &Participant,
        action: Action,
        to: Option<&Recipient>,
    ) -> Result<Vec<Participant>, Refusal> {
        if action == Action::Offer {
            require(room.role(me) != Role::Viewer, refusals::NO_PUBLISHER)?;
        }
        let recipients = match (room.channel, to) {
            (Channel::Call, to) => others(room, me, to),
            // A media server would be meant.
            (_, None) => return Err(refusals::NO_MEDIA_SERVER),
            (_, Some(to)) if to.means(me) => return Err(refusals::NO_MEDIA_SERVER),
            (_, Some(to)) => room.find(to),
        };
        if !recipients.is_empty() {
            return Ok(recipients);
        }
        let has_left = room.has_departed(now, self.settings.departed_memory, to);
        let is_late = action == Action::Answer && has_left;
        Err(if is_late { refusals::RECIPIENT_LEFT } else { refusals::NO_RECIPIENT })
    }

    /// Passes a signal on as it is.
    fn pass_on(&mut self, now: Instant, room: &str, to: &[Participant], data: &str) {
        let text: Arc<str> = data.into();
        for participant in to {
            self.deliver(now, room, participant, &text);
        }
    }
}

fn require(condition: bool, refusal: Refusal) -> Result<(), Refusal> {
    condition.then_some(()).ok_or(refusal)
}

/// The other party of a call, if it is meant.
fn others(room: &Room, me: &Participant, to: Option<&Recipient>) -> Vec<Participant> {
    let others = room.roster.iter().map(|(participant, _)| participant).filter(|it| *it != me);
    others.filter(|other| to.is_none_or(|to| to.means(other))).cloned().collect()
}

/// Whom a publisher throws out.
fn victims(room: &Room, me: &Participant, to: &Recipient) -> Result<Vec<Participant>, Refusal> {
    require(room.role(me) != Role::Viewer, refusals::NO_PUBLISHER)?;
    require(!to.means(me), refusals::NOT_ONESELF)?;
    let victims = room.find(to);
    require(!victims.is_empty(), refusals::NOBODY_TO_KICK)?;
    Ok(victims)
}

/// Whom the owner lets publish, or does not.
fn candidates(room: &Room, me: &Participant, to: &Recipient) -> Result<Vec<Participant>, Refusal> {
    require(room.role(me) == Role::Owner, refusals::NOT_OWNER)?;
    let targets = room.find(to);
    require(!targets.is_empty(), refusals::THEY_NOT_IN_ROOM)?;
    Ok(targets)
}
