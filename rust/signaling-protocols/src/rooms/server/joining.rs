//! Creating and joining rooms, and coming back into them.

use std::sync::Arc;
use std::time::Instant;

use signaling_core::ConnId;
use signaling_core::keepalive::Keepalive;
use signaling_core::overview::LobbyNotice;

use super::refusals;
use super::room::{Member, Room, Stored, member_id};
use super::{RoomServer, SessionKey, lobby_key};
use crate::rooms::model::{Channel, Media, Profile};
use crate::rooms::wire::{Ack, Refusal, Signal};

impl RoomServer {
    pub(super) fn join(
        &mut self,
        now: Instant,
        conn: ConnId,
        signal: &Signal,
        media: Media,
        is_creating: bool,
    ) -> Result<(), Refusal> {
        match self.rooms.get(&signal.room) {
            None if is_creating => self.create(now, conn, signal, media),
            None => Err(refusals::NO_SUCH_ROOM),
            Some(room) if room.channel != signal.channel => Err(refusals::OTHER_CHANNEL),
            Some(room) if room.roster.contains(&signal.sender) => {
                self.rejoin(now, conn, signal, media)
            }
            Some(_) if is_creating => Err(refusals::ROOM_EXISTS),
            Some(room) if room.is_full() => Err(refusals::CALL_FULL),
            Some(_) => self.enter(now, conn, signal, media),
        }
    }

    fn create(
        &mut self,
        now: Instant,
        conn: ConnId,
        signal: &Signal,
        media: Media,
    ) -> Result<(), Refusal> {
        if self.rooms.len() >= self.settings.max_rooms {
            return Err(refusals::LIMIT_REACHED);
        }
        self.check_limits(conn)?;
        let Signal { room: name, channel, sender, profile, .. } = signal;
        let member = Member::new(media, true, profile.clone());
        let room = Room::new(Arc::clone(name), *channel, sender.clone(), member);
        self.rooms.insert(Arc::clone(name), room);
        self.out.notify(LobbyNotice::Opened(lobby_key(name)));
        self.settle(now, conn, signal);
        self.notify_changed(name);
        Ok(())
    }

    fn enter(
        &mut self,
        now: Instant,
        conn: ConnId,
        signal: &Signal,
        media: Media,
    ) -> Result<(), Refusal> {
        self.check_limits(conn)?;
        let publishes = signal.channel == Channel::Call;
        let member = Member::new(media, publishes, signal.profile.clone());
        if let Some(room) = self.rooms.get_mut(&signal.room) {
            room.roster.join(signal.sender.clone(), member);
        }
        self.settle(now, conn, signal);
        if publishes {
            self.announce(now, &signal.room, Some(&signal.sender));
        }
        Ok(())
    }

    /// A new session begins.
    fn settle(&mut self, now: Instant, conn: ConnId, signal: &Signal) {
        let key = SessionKey::of(signal);
        let expiry = Some(self.settings.expiry);
        self.presence.watch(key.clone(), Keepalive::new(now, None, expiry));
        let (lobby, member) = (lobby_key(&key.room), member_id(&key.participant));
        self.out.notify(LobbyNotice::Joined { lobby, member });
        self.bind(conn, &key);
        self.ack_join(now, conn, &key);
    }

    /// A session comes back, or says again that it is there. Clients repeat JOIN when they wait too
    /// long for the ack.
    fn rejoin(
        &mut self,
        now: Instant,
        conn: ConnId,
        signal: &Signal,
        media: Media,
    ) -> Result<(), Refusal> {
        let key = SessionKey::of(signal);
        if !self.holds(conn, &key) {
            self.check_sessions_of(conn)?;
        }
        self.presence.heard(now, &key);
        let is_changed = self.refresh(&key, signal, media);
        self.unbind(&key);
        self.bind(conn, &key);
        self.ack_join(now, conn, &key);
        for text in self.take_stored(&key) {
            self.send(now, conn, text);
        }
        if is_changed {
            self.announce(now, &key.room, Some(&key.participant));
        }
        Ok(())
    }

    /// Notes what a session says of itself; true when others see that it has changed.
    fn refresh(&mut self, key: &SessionKey, signal: &Signal, media: Media) -> bool {
        let room = self.rooms.get_mut(&key.room);
        let member = room.and_then(|room| room.roster.get_mut(&key.participant));
        let Some(member) = member else { return false };
        let is_same = member.media == media && member.profile == signal.profile;
        member.media = media;
        member.profile = signal.profile.clone();
        member.publishes && !is_same
    }

    fn ack_join(&mut self, now: Instant, conn: ConnId, key: &SessionKey) {
        let Some(room) = self.rooms.get(&key.room) else { return };
        let (role, channel) = (room.role(&key.participant), room.channel);
        let (publishers, ice_servers) = (room.publishers(), self.settings.ice_servers.clone());
        let ack = Ack::Joined {
            room: &key.room,
            role,
            publishers: &publishers,
            ice_servers: &ice_servers,
        };
        self.ack(now, conn, Some(channel), &ack);
    }

    fn take_stored(&mut self, key: &SessionKey) -> impl IntoIterator<Item = Arc<str>> + use<> {
        let room = self.rooms.get_mut(&key.room);
        let member = room.and_then(|room| room.roster.get_mut(&key.participant));
        member.map(|member| member.stored.take()).unwrap_or_default()
    }

    fn check_limits(&self, conn: ConnId) -> Result<(), Refusal> {
        if self.presence.count() >= self.settings.max_sessions {
            return Err(refusals::LIMIT_REACHED);
        }
        self.check_sessions_of(conn)
    }

    fn check_sessions_of(&self, conn: ConnId) -> Result<(), Refusal> {
        let count = self.conns.get(&conn).map_or(0, |conn| conn.sessions.len());
        let has_room = count < self.settings.max_sessions_per_connection;
        has_room.then_some(()).ok_or(refusals::LIMIT_REACHED)
    }

    fn bind(&mut self, conn: ConnId, key: &SessionKey) {
        let room = self.rooms.get_mut(&key.room);
        let member = room.and_then(|room| room.roster.get_mut(&key.participant));
        if let (Some(holder), Some(member)) = (self.conns.get_mut(&conn), member) {
            holder.sessions.insert(key.clone());
            member.conn = Some(conn);
        }
    }
}

impl Member {
    fn new(media: Media, publishes: bool, profile: Profile) -> Self {
        Self { conn: None, stored: Stored::default(), publishes, media, profile }
    }
}
