//! What is kept of a room and its members.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling_core::ConnId;
use signaling_core::overview::{LobbyKey, LobbyView};
use signaling_core::roster::Roster;

use crate::rooms::MAX_PUBLISHERS;
use crate::rooms::model::{Channel, Media, Participant, Profile, Publisher, Recipient, Role};
use crate::rooms::settings::Settings;

/// How many may be in a call.
const CALL_PARTIES: usize = 2;

/// Who left a room is remembered for this many; of further ones the first are forgotten.
const MAX_DEPARTED: usize = 64;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Arc<str>,
    pub(super) channel: Channel,
    /// Publishers stand in the order in which they became it; the host is the owner.
    pub(super) roster: Roster<Participant, Member>,
    departed: VecDeque<(Instant, Participant)>,
}

#[derive(Debug)]
pub(super) struct Member {
    /// `None` while it is away.
    pub(super) conn: Option<ConnId>,
    /// What it was sent meanwhile.
    pub(super) stored: Stored,
    pub(super) publishes: bool,
    pub(super) media: Media,
    pub(super) profile: Profile,
}

impl Room {
    /// A room with its creator in it.
    pub(super) fn new(
        name: Arc<str>,
        channel: Channel,
        creator: Participant,
        member: Member,
    ) -> Self {
        Self { name, channel, roster: Roster::new(creator, member), departed: VecDeque::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.channel == Channel::Call && self.roster.len() >= CALL_PARTIES
    }

    pub(super) fn role(&self, participant: &Participant) -> Role {
        let publishes = self.roster.get(participant).is_some_and(|member| member.publishes);
        match publishes {
            true if self.roster.host() == participant => Role::Owner,
            true => Role::Publisher,
            false => Role::Viewer,
        }
    }

    pub(super) fn publishers(&self) -> Vec<Publisher> {
        let publishers = self.roster.iter().filter(|(_, member)| member.publishes);
        let entry = |(participant, member): (&Participant, &Member)| Publisher {
            participant: participant.clone(),
            role: self.role(participant),
            media: member.media,
            profile: member.profile.clone(),
        };
        publishers.map(entry).collect()
    }

    pub(super) fn publisher_count(&self) -> usize {
        self.roster.iter().filter(|(_, member)| member.publishes).count()
    }

    /// The sessions that are meant.
    pub(super) fn find(&self, to: &Recipient) -> Vec<Participant> {
        let all = self.roster.iter().map(|(participant, _)| participant);
        all.filter(|participant| to.means(participant)).cloned().collect()
    }

    /// Makes a viewer a publisher who sends nothing yet.
    pub(super) fn promote(&mut self, viewer: &Participant) {
        if let Some(member) = self.roster.leave(viewer) {
            let member = Member { publishes: true, media: Media::default(), ..member };
            self.roster.join(viewer.clone(), member);
        }
    }

    pub(super) fn remember_departed(
        &mut self,
        now: Instant,
        memory: Duration,
        participant: Participant,
    ) {
        let departed = &mut self.departed;
        departed.push_back((now, participant));
        while departed.len() > MAX_DEPARTED
            || departed.front().is_some_and(|(at, _)| now >= *at + memory)
        {
            departed.pop_front();
        }
    }

    /// Whether one who is meant has left lately; without a recipient everybody is meant.
    pub(super) fn has_departed(
        &self,
        now: Instant,
        memory: Duration,
        to: Option<&Recipient>,
    ) -> bool {
        let is_meant = |participant| to.is_none_or(|to| to.means(participant));
        let mut departed = self.departed.iter().filter(|(at, _)| now < *at + memory);
        departed.any(|(_, participant)| is_meant(participant))
    }

    pub(super) fn view(&self, key: LobbyKey) -> LobbyView {
        LobbyView {
            key,
            members: self.roster.iter().map(|(participant, _)| member_id(participant)).collect(),
            hosts: vec![member_id(self.roster.host())],
            max_members: (self.channel == Channel::Call).then_some(CALL_PARTIES),
            locked: false,
            has_password: false,
        }
    }

    /// How many sessions have a connection.
    pub(super) fn attached(&self) -> usize {
        self.roster.iter().filter(|(_, member)| member.conn.is_some()).count()
    }

    pub(super) fn assert_consistent(&self, settings: &Settings) {
        self.roster.assert_consistent();
        assert_eq!(self.role(self.roster.host()), Role::Owner, "the owner publishes");
        assert!(self.departed.len() <= MAX_DEPARTED, "too many are remembered");
        let publishers = self.publisher_count();
        match self.channel {
            Channel::Call => {
                assert!(publishers == self.roster.len() && publishers <= CALL_PARTIES);
            }
            Channel::Group | Channel::AudioGroup => assert!(publishers <= MAX_PUBLISHERS),
            Channel::Broadcast => assert_eq!(publishers, 1, "one sends to all"),
        }
        for (_, member) in self.roster.iter() {
            assert!(member.conn.is_none() || member.stored.signals.is_empty(), "nothing waits");
            assert!(member.stored.signals.len() <= settings.max_stored_signals, "too many wait");
        }
    }
}

/// What the embedding program calls a session.
pub(super) fn member_id(participant: &Participant) -> Arc<str> {
    participant.to_string().into()
}

/// Signals that wait for a session to come back, bounded in number and in bytes. The oldest are
/// dropped for new ones.
#[derive(Debug, Default)]
pub(super) struct Stored {
    signals: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Stored {
    pub(super) fn push(&mut self, signal: Arc<str>, settings: &Settings) {
        self.bytes += signal.len();
        self.signals.push_back(signal);
        while self.signals.len() > settings.max_stored_signals
            || self.bytes > settings.max_stored_bytes
        {
            let Some(oldest) = self.signals.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn take(&mut self) -> VecDeque<Arc<str>> {
        self.bytes = 0;
        std::mem::take(&mut self.signals)
    }
}
