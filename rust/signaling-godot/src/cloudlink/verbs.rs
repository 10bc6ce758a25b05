//! The verbs of `CloudLinkClient`.

use std::cell::RefCell;
use std::rc::Rc;

use godot::global::Error;
use godot::prelude::*;
use signaling_protocols::Signal;
use signaling_protocols::cloudlink5::client::Ask;

use super::session::{Entrance, Introduction, Session};
use super::version::{State, Version};
use super::{CloudLinkClient, options, trouble};
use crate::client::argument::{Anything, Keys};
use crate::client::failure::{Failure, Trouble};
use crate::client::request::{Misuse, Outcome, SignalingRequest};

#[godot_api(secondary)]
impl CloudLinkClient {
    /// Connects to the server without entering a lobby, after [method stop] for whatever went on.
    /// An empty `url` means [member url]; any other is kept there.
    ///
    /// Returns [constant OK], or why no connection is tried: [constant ERR_UNCONFIGURED] outside of
    /// the tree, [constant ERR_INVALID_PARAMETER] if the address or another property makes no
    /// sense, [constant ERR_UNAVAILABLE] for a `wss://` address, or [constant ERR_CANT_CREATE] if
    /// the system grants no thread. [signal connected] or [signal disconnected] follows.
    #[func(gd_self)]
    fn start(mut this: Gd<Self>, #[opt(default = "")] url: GString) -> Error {
        Self::stop(this.clone());
        if !this.is_instance_valid() {
            return Error::ERR_UNCONFIGURED;
        }
        let mut node = this.bind_mut();
        if !url.is_empty() {
            node.url = url;
        }
        node.connect_session().map_or_else(|misuse| misuse.error, |()| Error::OK)
    }

    /// Creates a lobby and joins it as its host. Connects first, if need be. `options` may have
    ///
    /// - `max_players` ([int]), how many may be in it besides the host; -1, the default: any
    ///   number;
    /// - `password` ([String]), what others need to know to join;
    /// - `locked` ([bool]), whether nobody may join for now (CloudLink 5);
    /// - `host_policy` ([String]), what becomes of the lobby when its host goes (CloudLink Omega of
    ///   late 2023): `"close"`, the default, `"migrate"`: its oldest member is the host, or
    ///   `"stay"`: it goes on without one. In CloudLink 5 the oldest member always is the next.
    ///
    /// Lobbies of CloudLink Omega of October 2023 have no options, and several may be their host. An
    /// option that the version does not know is refused.
    ///
    /// The request's `value` is the name of the lobby ([String]); [signal lobby_joined] is emitted
    /// before it is completed. It fails with [constant SignalingClient.FAILURE_REJECTED] if there
    /// is such a lobby already, and with [constant SignalingClient.FAILURE_IN_LOBBY] where [method
    /// leave_lobby] has to come first.
    #[func]
    fn create_lobby(
        &mut self,
        name: GString,
        #[opt(default = Keys::none())] options: Keys,
    ) -> Gd<SignalingRequest> {
        let version = self.version_now();
        self.enter(options::creation(version, name.to_string(), options.dictionary()))
    }

    /// Joins a lobby. Connects first, if need be. `options` may have `password` ([String]).
    ///
    /// The request is answered as that of [method create_lobby]. It fails with [constant
    /// SignalingClient.FAILURE_NOT_FOUND], [constant SignalingClient.FAILURE_FULL], [constant
    /// SignalingClient.FAILURE_LOCKED] or [constant SignalingClient.FAILURE_PASSWORD].
    ///
    /// In CloudLink Omega of October 2023 a lobby does not need a host to be joined: whoever joins
    /// waits for one.
    #[func]
    fn join_lobby(
        &mut self,
        name: GString,
        #[opt(default = Keys::none())] options: Keys,
    ) -> Gd<SignalingRequest> {
        let version = self.version_now();
        self.enter(options::joining(version, name.to_string(), options.dictionary()))
    }

    /// Leaves the lobby, and closes the connections to the other members and to the server: there
    /// is no other way to leave in CloudLink. [signal lobby_left] and [signal disconnected] follow.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if there is no connection to the server,
    /// or [constant ERR_BUSY] if too much waits already.
    #[func]
    fn leave_lobby(&mut self) -> Error {
        self.tell(|session| session.close().is_ok())
    }

    /// Asks for the names of all lobbies of the game (CloudLink 5). Connects first, if need be. The
    /// request's `value` is a [PackedStringArray], the oldest first.
    #[func]
    fn list_lobbies(&mut self) -> Gd<SignalingRequest> {
        self.ask_five(Ok(Ask::List))
    }

    /// Asks what a lobby is like (CloudLink 5). Connects first, if need be. The request's `value`
    /// is a dictionary with the keys `host` ([String], a member), `host_name` ([String]),
    /// `max_players` and `players` ([int], without the host), `locked` and `has_password` ([bool]).
    /// It fails with [constant SignalingClient.FAILURE_NOT_FOUND] if there is none.
    #[func]
    fn find_lobby(&mut self, name: GString) -> Gd<SignalingRequest> {
        self.ask_five(Ok(Ask::Find(name.to_string())))
    }

    /// Changes the lobby, as its host (CloudLink 5). `method` is one of
    ///
    /// - `"lock"` and `"unlock"`: nobody may join for now, or others may again;
    /// - `"kick"`: `argument` is the member ([String]) to remove;
    /// - `"change_password"`: `argument` is what one needs to know to join ([String]), or empty;
    /// - `"change_max_players"`: `argument` is how many may be in it besides the host ([int]), or
    ///   -1;
    /// - `"close_lobby"`;
    /// - `"transfer_ownership"`: `argument` is the member ([String]) to be the host.
    ///
    /// The request fails with [constant SignalingClient.FAILURE_NOT_HOST], [constant
    /// SignalingClient.FAILURE_NO_SUCH_MEMBER], or [constant SignalingClient.FAILURE_INVALID] with
    /// what the server says of it.
    #[func]
    fn manage_lobby(
        &mut self,
        method: GString,
        #[opt(default = Anything::nothing())] argument: Anything,
    ) -> Gd<SignalingRequest> {
        self.ask_five(options::management(&method, argument.variant()).map(Ask::Manage))
    }

    /// Sends a session description of the type "offer" to a member. Not needed with [member
    /// assign_multiplayer_peer] or [member open_channels].
    ///
    /// Returns what [method leave_lobby] returns.
    #[func]
    fn send_offer(&mut self, member: GString, sdp: GString) -> Error {
        self.say(&member, Signal::Offer { sdp: sdp.to_string() })
    }

    /// Sends a session description of the type "answer". Returns what [method leave_lobby] returns.
    #[func]
    fn send_answer(&mut self, member: GString, sdp: GString) -> Error {
        self.say(&member, Signal::Answer { sdp: sdp.to_string() })
    }

    /// Sends an ICE candidate: the arguments of [signal
    /// WebRTCPeerConnection.ice_candidate_created]. Returns what [method leave_lobby] returns, or
    /// [constant ERR_INVALID_PARAMETER] for a negative index.
    #[func]
    fn send_candidate(&mut self, member: GString, mid: GString, index: i64, sdp: GString) -> Error {
        let Ok(index) = index.try_into() else { return Error::ERR_INVALID_PARAMETER };
        let (mid, sdp) = (mid.to_string(), sdp.to_string());
        self.say(&member, Signal::Candidate { mid, index, sdp })
    }
}

impl CloudLinkClient {
    /// Lets go of the session, which leaves the lobby and closes the connection.
    pub(super) fn forget_session(&mut self) {
        self.epoch += 1;
        (self.session, self.place, self.me, self.entering) = (None, None, None, None);
        self.cancel(&trouble::of(Failure::Cancelled));
    }

    /// Nothing that was asked for will be answered any more.
    pub(super) fn cancel(&mut self, trouble: &Trouble) {
        for request in std::mem::take(&mut self.asked).into_values() {
            SignalingRequest::complete_later(&request, Outcome::failed(trouble.clone()));
        }
    }

    fn connect_session(&mut self) -> Result<(), Misuse> {
        if self.turns.is_none() {
            return Err(Misuse::new(Error::ERR_UNCONFIGURED, "The node is outside the tree."));
        }
        if self.game.is_empty() {
            return Err(Misuse::invalid("`game` is empty."));
        }
        let session = Session::connect(self.version, self.introduction())?;
        self.forget_session();
        (self.spoken, self.state) = (self.version, State::Initializing);
        self.session = Some(Rc::new(RefCell::new(session)));
        Ok(())
    }

    fn introduction(&self) -> Introduction {
        let base = |url: &GString| url.to_string().trim_end_matches('/').to_owned();
        let peer_server =
            if self.peer_server_url.is_empty() { &self.url } else { &self.peer_server_url };
        Introduction {
            url: base(&self.url),
            peer_server_url: base(peer_server),
            game: self.game.clone(),
            user: self.user_name.to_string(),
            token: self.token.to_string(),
            pubkey: self.pubkey.to_string(),
        }
    }

    fn enter(&mut self, entrance: Result<Entrance, Misuse>) -> Gd<SignalingRequest> {
        let is_inside = self.place.is_some() || self.entering.is_some();
        let in_lobby = || {
            let misuse = Misuse::new(Error::ERR_ALREADY_IN_USE, "You are in a lobby already.");
            let hint = trouble::hint(Failure::InLobby);
            Misuse { failure: Failure::InLobby, hint, ..misuse }
        };
        let entrance = if is_inside { Err(in_lobby()) } else { entrance };
        let request = self.ask(entrance.map(|entrance| {
            move |session: &mut Session, ticket| session.enter(ticket, entrance).is_ok()
        }));
        if request.bind().is_waiting() {
            self.entering = Some(self.tickets);
        }
        request
    }

    /// What is spoken, or would be.
    fn version_now(&self) -> Version {
        if self.session.is_some() { self.spoken } else { self.version }
    }

    fn ask_five(&mut self, ask: Result<Ask, Misuse>) -> Gd<SignalingRequest> {
        let unknown = || {
            let misuse = Misuse::new(Error::ERR_UNAVAILABLE, "Only CloudLink 5 can do that.");
            let hint = trouble::hint(Failure::NeedsExtended);
            Misuse { failure: Failure::NeedsExtended, hint, ..misuse }
        };
        let ask = if self.version_now().is_mesh() { ask } else { Err(unknown()) };
        self.ask(ask.map(|ask| move |session: &mut Session, ticket| session.ask(ticket, ask)))
    }

    /// Asks for something, which is said with its ticket. Connects first, if need be.
    fn ask(
        &mut self,
        say: Result<impl FnOnce(&mut Session, u64) -> bool, Misuse>,
    ) -> Gd<SignalingRequest> {
        let asked = say.and_then(|say| {
            if self.session.is_none() {
                self.connect_session()?;
            }
            let ticket = self.tickets + 1;
            let session = self.session.as_ref().filter(|it| say(&mut it.borrow_mut(), ticket));
            session.map(|_| ticket).ok_or_else(Misuse::busy)
        });
        match asked {
            Ok(ticket) => {
                self.tickets = ticket;
                self.asked.entry(ticket).or_insert_with(SignalingRequest::begin).clone()
            }
            Err(misuse) => SignalingRequest::refused(misuse),
        }
    }

    fn say(&self, member: &GString, signal: Signal) -> Error {
        self.tell(|session| session.signal(&member.to_string(), signal).is_ok())
    }

    fn tell(&self, say: impl FnOnce(&Session) -> bool) -> Error {
        match &self.session {
            Some(session) if say(&session.borrow()) => Error::OK,
            Some(_) => Error::ERR_BUSY,
            None => Error::ERR_UNCONFIGURED,
        }
    }
}
