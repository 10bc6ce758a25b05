//! A machine that is held to what it tells of its lobbies.

use std::collections::BTreeMap;
use std::time::Instant;

use signaling_core::overview::{LobbyKey, LobbyNotice, LobbyView, Overview};
use signaling_core::{Frame, Input, Output, Server};

/// Panics when the lobbies are not what the notices say, as soon as all outputs are taken.
pub(crate) struct Watched<S> {
    server: S,
    told: BTreeMap<LobbyKey, LobbyView>,
}

impl<S: Overview> Watched<S> {
    pub(crate) fn new(server: S) -> Self {
        Self { server, told: BTreeMap::new() }
    }

    /// The lobbies, as the notices say.
    pub(crate) fn told(&self) -> &BTreeMap<LobbyKey, LobbyView> {
        &self.told
    }

    fn take(&mut self, notice: LobbyNotice) {
        match notice {
            LobbyNotice::Opened(key) => {
                let earlier = self.told.insert(key.clone(), LobbyView::new(key));
                assert_eq!(earlier, None, "a lobby is opened once");
            }
            LobbyNotice::Joined { lobby, member } => {
                let members = &mut self.lobby(&lobby).members;
                assert!(!members.contains(&member), "a member joins once");
                members.push(member);
            }
            LobbyNotice::Changed(view) => self.lobby(&view.key).clone_from(&view),
            LobbyNotice::Left { lobby, member } => {
                let view = self.lobby(&lobby);
                assert!(view.members.contains(&member), "a member leaves once");
                view.members.retain(|other| *other != member);
                view.hosts.retain(|other| *other != member);
            }
            LobbyNotice::Closed(key) => {
                let closed = self.told.remove(&key).expect("only an open lobby is closed");
                assert!(closed.members.is_empty(), "all members have left before");
            }
        }
    }

    fn lobby(&mut self, key: &LobbyKey) -> &mut LobbyView {
        self.told.get_mut(key).expect("only of open lobbies something is told")
    }

    fn check(&self) {
        let lobbies = self.server.lobbies().into_iter();
        let lobbies: BTreeMap<_, _> = lobbies.map(|view| (view.key.clone(), view)).collect();
        assert_eq!(self.told, lobbies, "the lobbies that were told of, and those that are");
    }
}

impl<S: Overview> Server for Watched<S> {
    type Message<'a> = S::Message<'a>;
    type Command = S::Command;
    type Notice = LobbyNotice;

    fn decode(frame: Frame<'_>) -> S::Message<'_> {
        S::decode(frame)
    }

    fn handle_input(&mut self, now: Instant, input: Input<'_, Self>) {
        let input = match input {
            Input::Opened { conn, target, from } => Input::Opened { conn, target, from },
            Input::Message { conn, message } => Input::Message { conn, message },
            Input::Heard { conn } => Input::Heard { conn },
            Input::Closed { conn } => Input::Closed { conn },
            Input::Command(command) => Input::Command(command),
            Input::Timeout => Input::Timeout,
            Input::Shutdown => Input::Shutdown,
        };
        self.server.handle_input(now, input);
    }

    fn poll_output(&mut self) -> Option<Output<LobbyNotice>> {
        let output = self.server.poll_output();
        match &output {
            Some(Output::Notice(notice)) => self.take(notice.clone()),
            Some(_) => {}
            None => self.check(),
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }
}
