//! The verbs of `CallingClient`.

use godot::global::Error;
use godot::prelude::*;
use signaling_protocols::Signal;
use signaling_protocols::calling::{ClientRequest, Expected, Request};

use super::{CallingClient, neighbours, trouble, value};
use crate::client::argument::{Anything, Keys};
use crate::client::failure::Failure;
use crate::client::request::{Misuse, SignalingRequest};

#[godot_api(secondary)]
impl CallingClient {
    /// Replaces our status, which the subscribers of the namespaces where we are registered see,
    /// and the members of our rooms where [method set_peer_status] says nothing else. At most 1 KiB
    /// as JSON, as every status.
    ///
    /// All requests of this node fail with [constant SignalingClient.FAILURE_NOT_CONNECTED] before
    /// [method start], as the connection does if it cannot be made, with [constant
    /// SignalingClient.FAILURE_INVALID] if an argument makes no sense, and with [constant
    /// SignalingClient.FAILURE_SERVER_FULL] at a limit of the server. In the request's `details`,
    /// `reason` ([String]) is what the server said.
    #[func]
    fn set_status(&mut self, status: AnyDictionary) -> Gd<SignalingRequest> {
        self.ask(value::status(&status).map(|status| Request::Status { status }))
    }

    /// Asks for the users and rooms that are announced in a namespace, and to be told of them from
    /// now on by [signal namespace_user_added], [signal namespace_room_added] and the like.
    ///
    /// The request's `value` is a dictionary: `users` has the status ([Dictionary]) of each by its
    /// user id, and `rooms` for each room a dictionary with the keys `status` and `members`, which
    /// is in the form of [method get_members].
    #[func]
    fn subscribe(&mut self, namespace: GString) -> Gd<SignalingRequest> {
        self.ask(Ok(Request::Subscribe { namespace: namespace.to_string() }))
    }

    /// Ends [method subscribe].
    #[func]
    fn unsubscribe(&mut self, namespace: GString) -> Gd<SignalingRequest> {
        self.ask(Ok(Request::Unsubscribe { namespace: namespace.to_string() }))
    }

    /// Announces us to the subscribers of a namespace.
    #[func]
    fn register_user(&mut self, namespace: GString) -> Gd<SignalingRequest> {
        self.ask(Ok(Request::RegisterUser { namespace: namespace.to_string() }))
    }

    /// Ends [method register_user].
    #[func]
    fn unregister_user(&mut self, namespace: GString) -> Gd<SignalingRequest> {
        self.ask(Ok(Request::UnregisterUser { namespace: namespace.to_string() }))
    }

    /// Announces a room to the subscribers of a namespace. Everybody may do that, whether in the
    /// room or not. It ends when nobody is in the room any more.
    #[func]
    fn register_room(&mut self, namespace: GString, room: GString) -> Gd<SignalingRequest> {
        let (namespace, room) = (namespace.to_string(), room.to_string());
        self.ask(Ok(Request::RegisterRoom { namespace, room }))
    }

    /// Ends [method register_room]. Everybody may do that.
    #[func]
    fn unregister_room(&mut self, namespace: GString, room: GString) -> Gd<SignalingRequest> {
        let (namespace, room) = (namespace.to_string(), room.to_string());
        self.ask(Ok(Request::UnregisterRoom { namespace, room }))
    }

    /// Joins a room, which is created if there is none of this name; with an empty `room`, a new
    /// one with a name that the server draws. `status` is ours in this room, see [method
    /// set_peer_status].
    ///
    /// The request's `value` is the name of the room ([String]); [signal room_joined] is emitted
    /// before it is completed. It fails with [constant SignalingClient.FAILURE_IN_LOBBY] if we are
    /// in the room, or invited to it.
    #[func]
    fn join_room(
        &mut self,
        #[opt(default = "")] room: GString,
        #[opt(default = Keys::none())] status: Keys,
    ) -> Gd<SignalingRequest> {
        let room = Some(room.to_string()).filter(|room| !room.is_empty());
        self.ask(value::status(status.dictionary()).map(|status| Request::Join { room, status }))
    }

    /// Leaves a room; the connections to its members are closed if the multiplayer peer is that of
    /// this room. [signal room_left] is emitted before the request is completed.
    #[func]
    fn leave_room(&mut self, room: GString) -> Gd<SignalingRequest> {
        self.ask(Ok(Request::Leave { room: room.to_string() }))
    }

    /// Sets one key of a room's status; `null` takes it away. [signal room_changed] is emitted for
    /// the other members.
    ///
    /// With `check` it is only set if it was `previous` at that time, where `null` means that it
    /// was not there, so that of two members that want the same slot one gets it. Otherwise the
    /// request fails with [constant SignalingClient.FAILURE_CONFLICT].
    #[func]
    fn set_room_status(
        &mut self,
        room: GString,
        key: GString,
        value: Variant,
        #[opt(default = false)] check: bool,
        #[opt(default = Anything::nothing())] previous: Anything,
    ) -> Gd<SignalingRequest> {
        let request = || {
            let (room, key) = (room.to_string(), key.to_string());
            let value = value::optional(&value)?;
            let previous = value::optional(previous.variant())?;
            let expected = match check {
                true => previous.map_or(Expected::Absent, Expected::Value),
                false => Expected::Anything,
            };
            Ok(Request::SetRoomStatus { room, key, value, expected })
        };
        self.ask(request())
    }

    /// Replaces our status in one room, whose keys hide those of [method set_status] there.
    #[func]
    fn set_peer_status(&mut self, room: GString, status: AnyDictionary) -> Gd<SignalingRequest> {
        let room = room.to_string();
        let status = value::status(&status);
        self.ask(status.map(|status| Request::SetPeerStatus { room, status }))
    }

    /// Sends something to a member of a room, for whom [signal message_received] is emitted.
    /// `event` says what it is, and `data` is a [Dictionary], an [Array] or `null`.
    #[func]
    fn send_to(
        &mut self,
        room: GString,
        user: GString,
        event: GString,
        #[opt(default = Anything::nothing())] data: Anything,
    ) -> Gd<SignalingRequest> {
        let (room, user, event) = (room.to_string(), user.to_string(), event.to_string());
        let data = value::data(data.variant());
        self.ask(data.map(|data| Request::Send { room, user, event, data }))
    }

    /// Sends a session description of the type "offer" to a member of a room. Not needed with
    /// [member assign_multiplayer_peer].
    ///
    /// `channels` are the labels of the data channels, for clients of `rtc-lib`: they use only
    /// those that both sides name. Whoever was in the room first makes the offer, and the channels.
    #[func]
    fn send_offer(
        &mut self,
        room: GString,
        user: GString,
        sdp: GString,
        #[opt(default = &PackedStringArray::new())] channels: PackedStringArray,
    ) -> Gd<SignalingRequest> {
        let sdp = sdp.to_string();
        self.ask(Ok(signal(&room, &user, &Signal::Offer { sdp }, &channels)))
    }

    /// Sends a session description of the type "answer", see [method send_offer].
    #[func]
    fn send_answer(
        &mut self,
        room: GString,
        user: GString,
        sdp: GString,
        #[opt(default = &PackedStringArray::new())] channels: PackedStringArray,
    ) -> Gd<SignalingRequest> {
        let sdp = sdp.to_string();
        self.ask(Ok(signal(&room, &user, &Signal::Answer { sdp }, &channels)))
    }

    /// Sends an ICE candidate: the arguments of [signal
    /// WebRTCPeerConnection.ice_candidate_created].
    #[func]
    fn send_candidate(
        &mut self,
        room: GString,
        user: GString,
        mid: GString,
        index: i64,
        sdp: GString,
    ) -> Gd<SignalingRequest> {
        let (mid, sdp) = (mid.to_string(), sdp.to_string());
        let candidate = u32::try_from(index).map(|index| Signal::Candidate { mid, index, sdp });
        let candidate = candidate.map_err(|_| Misuse::invalid("`index` is negative or too large."));
        let channels = PackedStringArray::new();
        self.ask(candidate.map(|candidate| signal(&room, &user, &candidate, &channels)))
    }

    /// Invites a user to a room, which is created if there is none of this name; we need not be in
    /// it. An empty `room` is refused: [method join_room] draws names.
    ///
    /// `data` goes with the invitation: a [Dictionary] or an [Array], at most 8 KiB as JSON; `null`
    /// is sent as an empty dictionary, because clients of `rtc-lib` take no notice of an invitation
    /// without.
    ///
    /// The request's `value` is the number of the invitation ([int]), which [signal
    /// invite_answered] names. It fails with [constant SignalingClient.FAILURE_NO_SUCH_USER] if
    /// there is no such user, and with [constant SignalingClient.FAILURE_IN_LOBBY] if it is in the
    /// room, or invited to it.
    #[func]
    fn invite(
        &mut self,
        room: GString,
        user: GString,
        #[opt(default = Anything::nothing())] data: Anything,
    ) -> Gd<SignalingRequest> {
        let (room, user) = (room.to_string(), user.to_string());
        let empty = VarDictionary::new().to_variant();
        let data = value::data(if data.variant().is_nil() { &empty } else { data.variant() });
        // Nobody could join it: an empty name stands for a new room there.
        let data = if room.is_empty() { Err(Misuse::invalid("`room` is empty.")) } else { data };
        self.ask(data.map(|data| Request::Invite { room, user, data }))
    }

    /// Takes an invitation back that [method invite] made. It fails with [constant
    /// SignalingClient.FAILURE_NO_SUCH_INVITE] if it is over.
    #[func]
    fn cancel_invite(&mut self, id: i64) -> Gd<SignalingRequest> {
        let handle = value::handle(id);
        self.ask(handle.map(|handle| Request::CancelInvitation { handle }))
    }

    /// Accepts an invitation, see [signal invited]; `status` is ours in the room. [signal
    /// room_joined] is emitted before the request is completed. It fails with [constant
    /// SignalingClient.FAILURE_NO_SUCH_INVITE] if the invitation is over.
    #[func]
    fn accept_invite(
        &mut self,
        id: i64,
        #[opt(default = Keys::none())] status: Keys,
    ) -> Gd<SignalingRequest> {
        let request = || {
            let handle = value::handle(id)?;
            let status = value::status(status.dictionary())?;
            Ok(Request::AcceptInvitation { handle, status })
        };
        self.ask(request())
    }

    /// Denies an invitation, see [signal invited].
    #[func]
    fn deny_invite(&mut self, id: i64) -> Gd<SignalingRequest> {
        let handle = value::handle(id);
        self.ask(handle.map(|handle| Request::DenyInvitation { handle }))
    }

    /// Asks the server whether it is there. The node does so by itself when it has heard nothing
    /// for 40 seconds, and gives the connection up after 100.
    #[func]
    fn ping(&mut self) -> Gd<SignalingRequest> {
        self.ask(Ok(Request::Ping))
    }

    /// Asks the server to say that it is there whenever nothing was said for `after` seconds, by
    /// [signal pinged]. At least 0.1; with 0 it stops.
    #[func]
    fn remote_ping(&mut self, after: f64) -> Gd<SignalingRequest> {
        self.ask(value::time(after).map(|time| Request::RemotePing { time }))
    }

    /// Asks the server to close the connection when we say nothing for `after` seconds, so that the
    /// others know sooner that we are gone. At least 0.1; with 0 it goes by its own limit of 55
    /// seconds again, in which a pong is enough.
    #[func]
    fn remote_timeout(&mut self, after: f64) -> Gd<SignalingRequest> {
        self.ask(value::time(after).map(|time| Request::RemoteTimeout { time }))
    }
}

impl CallingClient {
    fn ask(&mut self, request: Result<Request, Misuse>) -> Gd<SignalingRequest> {
        match request.and_then(|request| self.ask_session(request)) {
            Ok(asked) => asked,
            Err(misuse) => SignalingRequest::refused(misuse),
        }
    }

    fn ask_session(&mut self, what: Request) -> Result<Gd<SignalingRequest>, Misuse> {
        let session = self.session.as_ref().ok_or_else(not_connected)?;
        let ticket = self.asked.next_ticket();
        let request = Box::new(what.clone());
        session.request(ClientRequest::Ask { ticket, request }).map_err(|_| Misuse::busy())?;
        Ok(self.asked.add(ticket, what))
    }
}

fn not_connected() -> Misuse {
    let misuse = Misuse::new(Error::ERR_UNCONFIGURED, "There is no connection: call start().");
    let hint = trouble::hint(Failure::NotConnected);
    Misuse { failure: Failure::NotConnected, hint, ..misuse }
}

fn signal(
    room: &GString,
    user: &GString,
    signal: &Signal,
    channels: &PackedStringArray,
) -> Request {
    let channels: Vec<String> = channels.as_slice().iter().map(GString::to_string).collect();
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    neighbours::send(&room.to_string(), &user.to_string(), signal, &channels)
}
