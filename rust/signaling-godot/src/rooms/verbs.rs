//! The verbs of `RoomClient`.

use std::rc::Rc;
use std::time::Duration;

use godot::global::Error;
use godot::prelude::*;
use rand::rngs::StdRng;
use signaling_core::ids;
use signaling_net::ClientConfig;
use signaling_protocols::rooms::wire::Kind;
use signaling_protocols::rooms::{
    Channel, MAX_FRAME_BYTES, MAX_ID_BYTES, MAX_MESSAGE_BYTES, Media, Participant, Profile,
    Recipient, RoomOptions, RoomRequest, RoomSession,
};

use super::state::State;
use super::{RoomClient, trouble};
use crate::client::failure::Failure;
use crate::client::request::{Misuse, Outcome, SignalingRequest};
use crate::line;

/// Characters of a session's text that is drawn: more than 128 bits.
const DRAWN_ID_LENGTH: usize = 22;

#[godot_api(secondary)]
impl RoomClient {
    /// Joins a room that there is; an empty `room` means [member room]. Two at most can be in a
    /// call, both of them publish; whoever joins another kind of room watches.
    ///
    /// The request's `value` is our role ([String]), see [method get_role]; [signal room_joined] is
    /// emitted before it is completed. It fails with [constant SignalingClient.FAILURE_IN_LOBBY]
    /// where [method leave] has to come first, [constant SignalingClient.FAILURE_NOT_FOUND] if there
    /// is no such room, [constant SignalingClient.FAILURE_FULL], [constant
    /// SignalingClient.FAILURE_INVALID] if the room is of another [member channel] or a property
    /// makes no sense, and if the server has not answered within 30 seconds. A server that cannot
    /// be reached is tried for as long, while [signal reconnecting] tells of it.
    #[func]
    fn join(&mut self, #[opt(default = "")] room: GString) -> Gd<SignalingRequest> {
        self.enter(&room, false)
    }

    /// Creates a room and joins it as its owner; the rest is like [method join]. If there is such
    /// a room already, it fails with [constant SignalingClient.FAILURE_REJECTED].
    #[func]
    fn create(&mut self, #[opt(default = "")] room: GString) -> Gd<SignalingRequest> {
        self.enter(&room, true)
    }

    /// Leaves the room, and closes the connections to the other players. [signal room_left]
    /// follows; on the way into the room, once we are in it.
    ///
    /// Returns [constant OK], [constant ERR_UNCONFIGURED] if we are in no room and not on the way
    /// into one, or [constant ERR_BUSY] if too much waits already.
    #[func]
    fn leave(&mut self) -> Error {
        self.say(Kind::Leave)
    }

    /// Tells the others what we send from now on, and sets [member video] and [member audio]. Only
    /// for those who publish. While the connection is lost it is kept, as all that is said in the
    /// room: at most 64 signals and 256 KiB.
    ///
    /// Returns what [method leave] returns.
    #[func]
    fn update(&mut self, video: bool, audio: bool) -> Error {
        (self.video, self.audio) = (video, audio);
        self.say(Kind::Update(Media { video, audio }))
    }

    /// Removes a session from the room, or without `session_id` all sessions of a user. In group
    /// chats every publisher may, in a broadcast whoever publishes; in a call nobody.
    ///
    /// Returns what [method leave] returns, or [constant ERR_INVALID_PARAMETER] if `user_id` is
    /// empty. [signal refused] tells if the server does not do it.
    #[func]
    fn kick(&mut self, user_id: GString, #[opt(default = "")] session_id: GString) -> Error {
        self.say_to(&user_id, &session_id, |to| Kind::Kick { to })
    }

    /// Asks the owner of a group chat to let us publish, with a word to go with it. [signal
    /// publish_accepted] or [signal publish_rejected] follows when the owner has decided.
    ///
    /// Returns what [method leave] returns.
    #[func]
    fn request_publish(&mut self, #[opt(default = "")] message: GString) -> Error {
        let media = self.media();
        let message = Some(message.to_string()).filter(|message| !message.is_empty());
        self.say(Kind::RequestPublish { media, message })
    }

    /// Lets a viewer publish, as the owner of the room, whether it has asked for it or not. Nine can
    /// publish at a time. Without `session_id`, all sessions of the user are meant.
    ///
    /// Returns what [method kick] returns.
    #[func]
    fn accept_publish(
        &mut self,
        user_id: GString,
        #[opt(default = "")] session_id: GString,
    ) -> Error {
        self.say_to(&user_id, &session_id, |to| Kind::AcceptPublish { to })
    }

    /// Tells a viewer that it may not publish, as the owner of the room. Returns what [method kick]
    /// returns.
    #[func]
    fn reject_publish(
        &mut self,
        user_id: GString,
        #[opt(default = "")] session_id: GString,
    ) -> Error {
        self.say_to(&user_id, &session_id, |to| Kind::RejectPublish { to })
    }

    /// Sends a session description of the type "offer". In a call the other one is meant; in a
    /// group chat somebody has to be named, and only those who publish can offer. `restart` tells
    /// that it is about a connection that stands. Not needed with [member assign_multiplayer_peer].
    ///
    /// In a group chat an offer has to be answered within 10 seconds; otherwise the room is joined
    /// anew, as by [method recover]. The fourth offer to the same one without an answer ends the
    /// session.
    ///
    /// Returns what [method leave] returns.
    #[func]
    fn send_offer(
        &mut self,
        sdp: GString,
        #[opt(default = "")] user_id: GString,
        #[opt(default = "")] session_id: GString,
        #[opt(default = false)] restart: bool,
    ) -> Error {
        let to = recipient(&user_id, &session_id);
        self.say(Kind::Offer { to, sdp: sdp.to_string(), is_restart: restart })
    }

    /// Sends a session description of the type "answer". Returns what [method leave] returns.
    #[func]
    fn send_answer(
        &mut self,
        sdp: GString,
        #[opt(default = "")] user_id: GString,
        #[opt(default = "")] session_id: GString,
    ) -> Error {
        let to = recipient(&user_id, &session_id);
        self.say(Kind::Answer { to, sdp: sdp.to_string() })
    }

    /// Sends an ICE candidate: the last argument of [signal
    /// WebRTCPeerConnection.ice_candidate_created]. Returns what [method leave] returns.
    #[func]
    fn send_candidate(
        &mut self,
        sdp: GString,
        #[opt(default = "")] user_id: GString,
        #[opt(default = "")] session_id: GString,
    ) -> Error {
        let to = recipient(&user_id, &session_id);
        self.say(Kind::Candidate { to, sdp: sdp.to_string() })
    }

    /// Joins the room anew because a connection to another player has failed, for games that make
    /// these themselves. [signal resumed] follows; after three times without an offer or answer of
    /// anybody the session has failed.
    ///
    /// Returns what [method leave] returns.
    #[func]
    fn recover(&mut self) -> Error {
        self.request(RoomRequest::Recover)
    }
}

impl RoomClient {
    /// Lets go of the session, which leaves the room and closes the connection.
    pub(super) fn forget_session(&mut self) {
        self.epoch += 1;
        if let Some(session) = self.session.take() {
            // What finds no room is found out by the server, which hears no heartbeats.
            let _ = session.request(RoomRequest::Say(Kind::Leave));
        }
        (self.place, self.loss, self.ending) = (None, None, Failure::None);
        if let Some(request) = self.asked.take() {
            let cancelled = Outcome::failed(trouble::of(Failure::Cancelled));
            SignalingRequest::complete_later(&request, cancelled);
        }
    }

    fn enter(&mut self, room: &GString, is_creating: bool) -> Gd<SignalingRequest> {
        match self.begin(room, is_creating) {
            Ok(()) => self.asked.insert(SignalingRequest::begin()).clone(),
            Err(misuse) => SignalingRequest::refused(misuse),
        }
    }

    fn begin(&mut self, room: &GString, is_creating: bool) -> Result<(), Misuse> {
        self.check_can_begin()?;
        let endpoint = line::endpoint(&self.url)?;
        let mut options = self.options(room)?;
        let (room, channel) = (GString::from(&options.room), options.channel);
        let (mut me, media) = (Participant::default(), self.media());
        let machine = |mut rng: StdRng| {
            options.me = self.draw_me(&mut rng);
            me = options.me.clone();
            RoomSession::new(options, rng)
        };
        let session = line::connect(endpoint, machine, connection())?;
        self.forget_session();
        self.state = State::Initializing;
        (self.me, self.joined_room, self.joined_channel) = (me, room, channel);
        self.session = Some(Rc::new(session));
        match self.say(Kind::Join { media, is_creating }) {
            Error::OK => Ok(()),
            _ => Err(Misuse::busy()),
        }
    }

    fn check_can_begin(&self) -> Result<(), Misuse> {
        if self.turns.is_none() {
            return Err(Misuse::new(Error::ERR_UNCONFIGURED, "The node is outside the tree."));
        }
        if self.state.is_active() {
            let misuse = Misuse::new(Error::ERR_ALREADY_IN_USE, "You are in a room already.");
            let hint = trouble::hint(Failure::InLobby);
            return Err(Misuse { failure: Failure::InLobby, hint, ..misuse });
        }
        Ok(())
    }

    /// All but who we are.
    fn options(&self, room: &GString) -> Result<RoomOptions, Misuse> {
        let room = if room.is_empty() { self.room.to_string() } else { room.to_string() };
        if room.is_empty() {
            return Err(Misuse::invalid("`room` is empty."));
        }
        let [user, session, host, category, device] =
            [&self.user_id, &self.session_id, &self.host, &self.category, &self.device_id]
                .map(GString::to_string);
        if [&room, &user, &session, &host, &category, &device]
            .iter()
            .any(|it| it.len() > MAX_ID_BYTES)
        {
            let message = "No id, and nothing else that is told of us, has more than 128 bytes.";
            return Err(Misuse::invalid(message));
        }
        let [host, category, device] =
            [host, category, device].map(|text| Some(text).filter(|text| !text.is_empty()));
        let profile = Profile { host, category, device };
        let (channel, callee_timeout) = (self.channel()?, self.patience()?);
        Ok(RoomOptions { channel, room, profile, callee_timeout, ..RoomOptions::default() })
    }

    fn channel(&self) -> Result<Channel, Misuse> {
        let no_such = || Misuse::invalid("`channel` must be p2p, m2m, a2m or p2m.");
        Channel::from_name(&self.channel.to_string()).ok_or_else(no_such)
    }

    fn patience(&self) -> Result<Option<Duration>, Misuse> {
        let invalid = |_| Misuse::invalid("`callee_timeout` must be 0 or more seconds.");
        let timeout = Duration::try_from_secs_f64(self.callee_timeout).map_err(invalid)?;
        Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
    }

    fn draw_me(&self, rng: &mut StdRng) -> Participant {
        let session = match self.session_id.is_empty() {
            true => ids::alphanumeric(rng, DRAWN_ID_LENGTH),
            false => self.session_id.to_string(),
        };
        match self.user_id.is_empty() {
            true => Participant::new(session.as_str(), session.as_str()),
            false => Participant::new(self.user_id.to_string(), session),
        }
    }

    fn media(&self) -> Media {
        Media { video: self.video, audio: self.audio }
    }

    fn say_to(
        &self,
        user_id: &GString,
        session_id: &GString,
        kind: impl FnOnce(Recipient) -> Kind,
    ) -> Error {
        let to = recipient(user_id, session_id);
        to.map_or(Error::ERR_INVALID_PARAMETER, |to| self.say(kind(to)))
    }

    fn say(&self, kind: Kind) -> Error {
        self.request(RoomRequest::Say(kind))
    }

    fn request(&self, request: RoomRequest) -> Error {
        match &self.session {
            Some(session) if self.state.is_active() => match session.request(request) {
                Ok(()) => Error::OK,
                Err(_) => Error::ERR_BUSY,
            },
            _ => Error::ERR_UNCONFIGURED,
        }
    }
}

/// The limits of the protocol.
fn connection() -> ClientConfig {
    ClientConfig {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_frame_bytes: Some(MAX_FRAME_BYTES),
        ..ClientConfig::default()
    }
}

/// One session, or all of a user; without a user, nobody is named.
fn recipient(user_id: &GString, session_id: &GString) -> Option<Recipient> {
    let (user, session) = (user_id.to_string(), session_id.to_string());
    match (user.is_empty(), session.is_empty()) {
        (true, _) => None,
        (false, true) => Some(Recipient::User(user)),
        (false, false) => Some(Recipient::Session(Participant::new(user, session))),
    }
}
