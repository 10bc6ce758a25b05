//! The node `CallingClient`.
//!
//! Reading order:
//! - `state`: how it stands towards its server.
//! - `verbs`: what a game may ask for.
//! - `asked`: what waits for an answer.
//! - `places`: what is known of the rooms that we are in, or invited to.
//! - `neighbours`: the WebRTC connections to the members of one room.
//! - `telling`: the node's turn, once a frame.
//! - `trouble`: why something failed.
//! - `value`: what is said, between the engine's values and the protocol's.

mod asked;
mod neighbours;
mod places;
mod state;
mod telling;
mod trouble;
mod value;
mod verbs;

use std::rc::Rc;

use godot::classes::notify::NodeNotification;
use godot::classes::{Node, WebRtcMultiplayerPeer};
use godot::global::Error;
use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_net::{ClientConfig, ClientHandle};
use signaling_protocols::calling::client::SessionOptions;
use signaling_protocols::calling::{CallingSession, ClientRequest};

use crate::class_enum;
use crate::client::argument::Keys;
use crate::client::failure::Failure;
use crate::client::request::Misuse;
use crate::client_node;
use crate::{json, line};
use asked::Asked;
use neighbours::Neighbours;
use places::Places;
use state::State;

/// Meets others on a signaling server that speaks calling: in rooms, by invitations, and in
/// namespaces, where users and rooms are announced to those who subscribe.
///
/// Everything that can be asked for returns a [SignalingRequest]; what others do is told by
/// signals.
///
/// ```gdscript
/// @onready var client: CallingClient = $CallingClient
///
/// func _ready() -> void:
///     multiplayer.peer_connected.connect(func(id): print("Player ", id, " is here"))
///     client.start()
///     var request := client.join_room("lounge", {name = "Ann"})
///     if not await request.completed:
///         status.text = request.message
/// ```
///
/// A user has an id that the server gives it, [method get_user], and a status, a dictionary that
/// others see: [method set_status]. One can be in many rooms, with a status of its own in each,
/// which is laid over the other one. An empty room keeps its own status for ten minutes unless the
/// server says otherwise.
///
/// The node makes a [WebRTCMultiplayerPeer] for the first room that we enter and connects it to all
/// who are in it, each to each, until we leave it: then the next room that we enter can have one.
/// Of two members, the one that was in the room first makes the offer. Who is only invited is not
/// connected yet.
///
/// The peer id of a member is what [method get_peer_id] makes of its user id; it is the same for
/// everybody. Nobody has the id 1.
///
/// With [member assign_multiplayer_peer] off the node only signals: [signal offer_received],
/// [method send_offer] and the like carry the session descriptions and candidates between the
/// others and connections of the game's own, in the form that the clients of the library `rtc-lib`
/// know. With it on these signals are emitted too, and nothing is to be done about them.
///
/// A lost connection is told by [signal disconnected] and not made again: the server has forgotten
/// us by then. Call [method start], and join again.
///
/// The server has to speak calling: [member SignalingServer.protocols] has to have [constant
/// SignalingServer.PROTOCOL_CALLING].
///
/// The signals are emitted on the main thread, once a frame, also while the tree is paused. The
/// node works while it is inside the tree; leaving the tree is like calling [method stop].
#[derive(GodotClass)]
#[class(init, base = Node)]
pub(crate) struct CallingClient {
    /// The address of the signaling server, with the path at which it speaks calling.
    ///
    /// Read by [method start].
    #[export]
    #[init(val = GString::from("ws://127.0.0.1:9080/calling"))]
    url: GString,

    /// If `true`, the client connects to the other members of a room by WebRTC and sets
    /// `multiplayer.multiplayer_peer` for its branch of the tree. If `false`, it only signals.
    ///
    /// Read when a room is entered.
    #[export_group(name = "WebRTC")]
    #[export]
    #[init(val = true)]
    assign_multiplayer_peer: bool,

    /// The STUN and TURN servers to use, see [member SignalingClient.ice_servers].
    ///
    /// Read when a room is entered.
    #[export]
    ice_servers: Array<VarDictionary>,

    /// More of what [method WebRTCPeerConnection.initialize] takes, see [member
    /// SignalingClient.rtc_configuration].
    ///
    /// Read when a room is entered.
    #[export]
    #[init(val = Keys::none())]
    rtc_configuration: Keys,

    #[init(val = State::Idle)]
    state: State,
    /// What [signal state_changed] has told last.
    #[init(val = State::Idle)]
    told_state: State,
    /// Our id; empty before the server has told it.
    user: String,
    session: Option<Rc<ClientHandle<CallingSession>>>,
    /// Counts sessions, so that what an old one still has to tell is not told.
    epoch: u64,
    asked: Asked,
    places: Places,
    neighbours: Option<Rc<Neighbours>>,
    turns: Option<ConnectHandle>,
    base: Base<Node>,
}

/// Makes the enum of the class known to the engine.
pub(crate) fn register_enums() {
    class_enum::register::<State>();
}

#[godot_api]
impl CallingClient {
    /// Emitted when the server has let us in: `user` is our id, and `server` what the server calls
    /// itself.
    #[signal]
    fn connected(user: GString, server: GString);

    /// Emitted when the connection to the server has ended or never came about, unless [method
    /// stop] ended it; [signal failed] has told why. We are in no room any more. Connected players
    /// stay connected until [method start] or [method stop].
    #[signal]
    fn disconnected(code: i64, reason: GString);

    /// Emitted when [method get_state] has changed, before the signal of what has changed it.
    #[signal]
    fn state_changed(old: State, new: State);

    /// Emitted when we are in a room: we have joined it, or accepted an invitation. If it is the
    /// first one, the multiplayer peer exists by now.
    #[signal]
    fn room_joined(room: GString);

    /// Emitted when we have left a room. The multiplayer peer is gone, if it was that of this room.
    #[signal]
    fn room_left(room: GString);

    /// Emitted when somebody else has changed the status of a room that we are in or invited to.
    #[signal]
    fn room_changed(room: GString, status: VarDictionary);

    /// Emitted when somebody came into a room that we are in or invited to, or was invited to it:
    /// then `pending` is `true`, and [signal member_accepted] or [signal member_left] follows.
    #[signal]
    fn member_joined(room: GString, user: GString, status: VarDictionary, pending: bool);

    /// Emitted when a member of a room has another status.
    #[signal]
    fn member_changed(room: GString, user: GString, status: VarDictionary);

    /// Emitted when somebody has accepted the invitation to a room.
    #[signal]
    fn member_accepted(room: GString, user: GString);

    /// Emitted when somebody is out of a room, or not invited any more, whatever the cause.
    #[signal]
    fn member_left(room: GString, user: GString);

    /// Emitted when a member of a room has sent something with [method send_to], unless it is told
    /// by the three signals that follow. `event` says what it is, `data` is a [Dictionary], an
    /// [Array] or `null`. Clients of `rtc-lib` send `"ice_candidate"` with `null` after their last
    /// candidate.
    #[signal]
    fn message_received(room: GString, user: GString, event: GString, data: Variant);

    /// Emitted when a member of a room has sent a session description of the type "offer".
    #[signal]
    fn offer_received(room: GString, user: GString, sdp: GString);

    /// Emitted when a member of a room has sent a session description of the type "answer".
    #[signal]
    fn answer_received(room: GString, user: GString, sdp: GString);

    /// Emitted when a member of a room has sent an ICE candidate. [param mid], [param index] and
    /// [param sdp] are for [method WebRTCPeerConnection.add_ice_candidate].
    #[signal]
    fn candidate_received(room: GString, user: GString, mid: GString, index: i64, sdp: GString);

    /// Emitted when `user` invites us to a room: see [method accept_invite] and [method
    /// deny_invite], which take the number `invite`. `status` is that of the user, `data`
    /// what else it said. Until then [method get_members] tells of the room, and the signals of
    /// members too.
    #[signal]
    fn invited(invite: i64, room: GString, user: GString, status: VarDictionary, data: Variant);

    /// Emitted when an invitation that [method invite] made is accepted or denied.
    #[signal]
    fn invite_answered(invite: i64, accepted: bool);

    /// Emitted when an invitation for us is over: it was taken back, or who made it is gone.
    #[signal]
    fn invite_cancelled(invite: i64);

    /// Emitted when a user is announced in a namespace that we have subscribed to. Our own
    /// announcements are told too, as in all signals of namespaces.
    #[signal]
    fn namespace_user_added(namespace: GString, user: GString, status: VarDictionary);

    /// Emitted when a user that is announced in a namespace has another status.
    #[signal]
    fn namespace_user_changed(namespace: GString, user: GString, status: VarDictionary);

    /// Emitted when a user is announced in a namespace no longer.
    #[signal]
    fn namespace_user_removed(namespace: GString, user: GString);

    /// Emitted when a room is announced in a namespace; `members` is in the form of [method
    /// get_members].
    #[signal]
    fn namespace_room_added(
        namespace: GString,
        room: GString,
        status: VarDictionary,
        members: Array<VarDictionary>,
    );

    /// Emitted when a room that is announced in a namespace has another status.
    #[signal]
    fn namespace_room_changed(namespace: GString, room: GString, status: VarDictionary);

    /// Emitted when a room is announced in a namespace no longer: somebody took it out, or nobody
    /// is in it any more.
    #[signal]
    fn namespace_room_removed(namespace: GString, room: GString);

    /// Emitted when somebody came into a room that is announced in a namespace, or was invited to
    /// it; like [signal member_joined].
    #[signal]
    fn namespace_member_joined(
        namespace: GString,
        room: GString,
        user: GString,
        status: VarDictionary,
        pending: bool,
    );

    /// Emitted when a member of a room that is announced in a namespace has another status.
    #[signal]
    fn namespace_member_changed(
        namespace: GString,
        room: GString,
        user: GString,
        status: VarDictionary,
    );

    /// Emitted when somebody has accepted the invitation to a room that is announced in a
    /// namespace.
    #[signal]
    fn namespace_member_accepted(namespace: GString, room: GString, user: GString);

    /// Emitted when somebody is out of a room that is announced in a namespace.
    #[signal]
    fn namespace_member_left(namespace: GString, room: GString, user: GString);

    /// Emitted when the server says that it is there, as [method remote_ping] has asked it to.
    #[signal]
    fn pinged();

    /// Emitted when something failed that no [SignalingRequest] tells of: the connection to the
    /// server, which [signal disconnected] tells next, or one to another player. `message` is a
    /// sentence that a player can read, and `details` has more for the developer: always `hint`
    /// ([String]), what can be done about it, and `name` ([String]), the name of the failure;
    /// `code` ([int]) and `reason` ([String]) if the server gave them.
    #[signal]
    fn failed(failure: Failure, message: GString, details: VarDictionary);

    /// Emitted when nothing is heard from a connected peer at the moment, see [signal
    /// SignalingClient.link_unstable].
    #[signal]
    fn link_unstable(id: i64);

    /// Emitted when a peer is heard again after [signal link_unstable].
    #[signal]
    fn link_recovered(id: i64);

    /// Emitted when a connection to a peer could not be made, or was lost without either side
    /// closing it, with the reason in words, see [signal SignalingClient.peer_failed].
    #[signal]
    fn peer_failed(id: i64, reason: GString);

    /// Emitted when one of [member ice_servers] is of no use, see [signal
    /// SignalingClient.ice_server_failed].
    #[signal]
    fn ice_server_failed(url: GString, code: i32, reason: GString);

    /// Connects to a server, after [method stop] for whatever went on before; an empty `url` means
    /// [member url]. What is asked for before the connection stands waits for it.
    ///
    /// Returns [constant OK] when the client connects; [signal connected], or [signal failed] and
    /// [signal disconnected], follow. Otherwise [constant ERR_UNCONFIGURED] if the node is outside
    /// the tree, [constant ERR_INVALID_PARAMETER] if the URL does not begin with `ws://`, [constant
    /// ERR_UNAVAILABLE] if it begins with `wss://`, which this version cannot do, or [constant
    /// ERR_CANT_CREATE] if the system grants no thread.
    #[func(gd_self)]
    fn start(mut this: Gd<Self>, #[opt(default = "")] url: GString) -> Error {
        Self::stop(this.clone());
        if !this.is_instance_valid() {
            return Error::ERR_UNCONFIGURED;
        }
        let begun = this.bind_mut().begin(&url);
        begun.map_or_else(|misuse| misuse.error, |()| Error::OK)
    }

    /// Leaves all rooms and ends everything: closes the connection to the server and those to the
    /// other peers, and if the multiplayer peer of this branch is ours, an [OfflineMultiplayerPeer]
    /// takes its place. No signal of this node follows.
    #[func(gd_self)]
    fn stop(mut this: Gd<Self>) {
        let neighbours = {
            let mut node = this.bind_mut();
            node.forget_session();
            (node.state, node.told_state) = (State::Idle, State::Idle);
            node.neighbours.take()
        };
        if let Some(neighbours) = neighbours {
            neighbours.close();
        }
    }

    /// Returns how we stand towards the server.
    #[func]
    fn get_state(&self) -> State {
        self.state
    }

    /// Returns our id, by which others send to us and invite us; empty before [signal connected].
    #[func]
    fn get_user(&self) -> GString {
        GString::from(&self.user)
    }

    /// Returns the rooms that we are in, sorted.
    #[func]
    fn get_rooms(&self) -> PackedStringArray {
        self.places.entered().map(GString::from).collect()
    }

    /// Returns who else is in a room that we are in or invited to, by user id. Each is a dictionary
    /// with the keys `user`, `id` (the peer id, see [method get_peer_id]), `status` ([Dictionary])
    /// and `pending`, which is `true` for who is invited and has not accepted yet.
    #[func]
    fn get_members(&self, room: GString) -> Array<VarDictionary> {
        let view = self.places.view(&room.to_string());
        view.map(|view| value::members(&view.peers)).unwrap_or_default()
    }

    /// Returns the status of a room that we are in or invited to.
    #[func]
    fn get_room_status(&self, room: GString) -> VarDictionary {
        let view = self.places.view(&room.to_string());
        view.map(|view| value::dictionary(&view.status)).unwrap_or_default()
    }

    /// Returns our peer id, or 0 before [signal connected].
    #[func]
    fn get_unique_id(&self) -> i64 {
        if self.user.is_empty() { 0 } else { json::id(PeerId::of_name(&self.user)) }
    }

    /// Returns the peer id of a user: everybody comes to the same one, from 2 to 2147483647, by a
    /// hash of its id.
    #[func]
    fn get_peer_id(user: GString) -> i64 {
        json::id(PeerId::of_name(&user.to_string()))
    }

    /// Returns the room whose members the multiplayer peer connects us to; empty when there is
    /// none.
    #[func]
    fn get_multiplayer_room(&self) -> GString {
        let neighbours = self.neighbours.as_ref();
        neighbours.map(|neighbours| GString::from(neighbours.room())).unwrap_or_default()
    }

    /// Returns the multiplayer peer that connects us to the others, or `null` when there is none:
    /// with [member assign_multiplayer_peer] it exists from the first [signal room_joined] until we
    /// leave that room.
    #[func]
    fn get_multiplayer_peer(&self) -> Option<Gd<WebRtcMultiplayerPeer>> {
        self.neighbours.as_ref().map(|neighbours| neighbours.peer())
    }

    /// Returns how the connection to a peer is doing, in the form of [method
    /// WebRTCNativePeerConnection.get_statistics]. Empty if there is no connection, or another
    /// WebRTC library made it.
    #[func]
    fn get_peer_statistics(&self, id: i64) -> VarDictionary {
        let id = u64::try_from(id).ok().and_then(PeerId::new);
        let neighbours = self.neighbours.as_ref();
        id.zip(neighbours).map(|(id, neighbours)| neighbours.statistics(id)).unwrap_or_default()
    }
}

#[godot_api]
impl INode for CallingClient {
    fn on_notification(&mut self, what: NodeNotification) {
        client_node::follow_tree(self, what);
    }
}

impl CallingClient {
    fn begin(&mut self, url: &GString) -> Result<(), Misuse> {
        if self.turns.is_none() {
            return Err(Misuse::new(Error::ERR_UNCONFIGURED, "The node is outside the tree."));
        }
        let endpoint = line::endpoint(if url.is_empty() { &self.url } else { url })?;
        let machine = |_| CallingSession::new(SessionOptions::default());
        let session = line::connect(endpoint, machine, ClientConfig::default())?;
        self.session = Some(Rc::new(session));
        self.state = State::Initializing;
        Ok(())
    }

    /// Lets go of the session, which closes the connection.
    fn forget_session(&mut self) {
        self.epoch += 1;
        if let Some(session) = self.session.take() {
            // What finds no room is closed without a word.
            let _ = session.request(ClientRequest::Close);
        }
        self.user = String::new();
        self.places = Places::default();
        self.asked.cancel(&trouble::of(Failure::Cancelled));
    }
}
