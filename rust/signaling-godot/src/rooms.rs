//! The node `RoomClient`.
//!
//! Reading order:
//! - `state`: how it stands towards its room.
//! - `verbs`: what a game may ask for.
//! - `place`: what is known of the room while we are in it.
//! - `neighbours`: the WebRTC connections to those who publish in it.
//! - `tries`: when one of these is offered again.
//! - `telling`: the node's turn, once a frame.
//! - `trouble`: why something failed.

mod neighbours;
mod place;
mod state;
mod telling;
mod tries;
mod trouble;
mod verbs;

use std::rc::Rc;

use godot::classes::notify::NodeNotification;
use godot::classes::{Node, WebRtcMultiplayerPeer};
use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::rooms::{Channel, Participant, RoomSession};

use crate::class_enum;
use crate::client::argument::Keys;
use crate::client::failure::{Failure, Trouble};
use crate::client::request::SignalingRequest;
use crate::client_node;
use crate::json;
use neighbours::Neighbours;
use place::Place;
use state::State;

/// Joins a room on a signaling server that speaks rooms, and connects to those who publish there.
///
/// Rooms are for calls between two, group chats and broadcasts; games, apps and pages meet in
/// them. Who is in a room with which rights is told by [method get_publishers]. The node says
/// regularly that it is there, makes a lost connection again, and keeps what is said meanwhile.
///
/// ```gdscript
/// @onready var client: RoomClient = $RoomClient
///
/// func _ready() -> void:
///     client.room = "lounge"
///     multiplayer.peer_connected.connect(func(id): print("Player ", id, " is here"))
///
/// func call_friend() -> void:
///     var request := client.create()
///     if not await request.completed:
///         status.text = request.message
///
/// func answer_friend() -> void:
///     var request := client.join()
///     if not await request.completed:
///         status.text = request.message
/// ```
///
/// The node makes a [WebRTCMultiplayerPeer] and connects it to everybody who publishes in the room,
/// each to each, as long as we publish too: in a call both do, in a group chat whoever created the
/// room, and those whom the owner lets with [method accept_publish]. Of two publishers, the one
/// that is later in the list makes the offer: in a call that is who joined. A connection that has
/// failed is made anew, see [signal peer_failed]. In a broadcast connections are not made through
/// the server at all.
///
/// A session, that is one user's place in one room, has the peer id that [method get_peer_id]
/// tells; it is the same for everybody. Nobody has the id 1.
///
/// With [member assign_multiplayer_peer] off the node only signals: [signal offer_received], [method
/// send_offer] and the like carry the session descriptions and candidates between the others and
/// connections of the game's own. With it on these signals are emitted too, and nothing is to be
/// done about them.
///
/// The server has to speak rooms: [member SignalingServer.protocols] has to have [constant
/// SignalingServer.PROTOCOL_ROOMS].
///
/// The signals are emitted on the main thread, once a frame, also while the tree is paused. The
/// node works while it is inside the tree; leaving the tree is like calling [method stop].
#[derive(GodotClass)]
#[class(init, base = Node)]
pub(crate) struct RoomClient {
    /// The address of the signaling server, with the path at which it speaks rooms.
    ///
    /// Read by [method join] and [method create], as all others are unless they say otherwise.
    #[export]
    #[init(val = GString::from("ws://127.0.0.1:9080/room"))]
    url: GString,

    /// The room to join or create: any text of at most 128 bytes.
    #[export_group(name = "Room")]
    #[export]
    room: GString,

    /// What kind of room it is: "p2p" is a call between two, "m2m" a group chat of up to nine who
    /// publish and others who watch, "a2m" the same without video, "p2m" a broadcast of one to all
    /// others. It has to be what the room was created with.
    #[export(enum = (p2p, m2m, a2m, p2m))]
    #[init(val = GString::from("p2p"))]
    channel: GString,

    /// How long to wait in a call, in seconds, while nobody else is in it; then it has failed. 0:
    /// for ever.
    #[export(range = (0.0, 600.0, or_greater, suffix = "s"))]
    #[init(val = 30.0)]
    callee_timeout: f64,

    /// Who we are: any text of at most 128 bytes. Empty: what stands for the session.
    #[export_group(name = "User")]
    #[export]
    user_id: GString,

    /// Which of the user's sessions this is: any text of at most 128 bytes. Whoever knows both
    /// texts can take our place; others in the room do while we publish. Empty: one that nobody
    /// else can guess, another one each time; [method get_me] tells it.
    #[export]
    session_id: GString,

    /// Whether we send pictures; others are told so. Changed by [method update].
    #[export]
    video: bool,

    /// Whether we send sound; others are told so. Changed by [method update].
    #[export]
    audio: bool,

    /// What kind of program we are, as others are told: any text of at most 128 bytes, in other
    /// programs one of those that the inspector suggests. Empty: not told.
    #[export_group(name = "Device")]
    #[export]
    #[var(hint = ENUM_SUGGESTION, hint_string = "iOS,iOS_EX,Android,Web,Web_Studio,Server")]
    host: GString,

    /// What we publish, as others are told: a user with two sessions may send a camera with one and
    /// a screen with the other. Any text of at most 128 bytes; empty: not told.
    #[export]
    #[var(hint = ENUM_SUGGESTION, hint_string = "stream,screenshare")]
    category: GString,

    /// On which device we are, as others are told: any text of at most 128 bytes. Empty: not told.
    #[export]
    device_id: GString,

    /// If `true`, the client connects to the other publishers by WebRTC and sets
    /// `multiplayer.multiplayer_peer` for its branch of the tree. If `false`, it only signals.
    ///
    /// Read when the room is joined.
    #[export_group(name = "WebRTC")]
    #[export]
    #[init(val = true)]
    assign_multiplayer_peer: bool,

    /// The STUN and TURN servers to use, see [member SignalingClient.ice_servers]. Those that the
    /// signaling server tells of are used too, as far as they are understood here.
    ///
    /// Read when the room is joined.
    #[export]
    ice_servers: Array<VarDictionary>,

    /// More of what [method WebRTCPeerConnection.initialize] takes, see [member
    /// SignalingClient.rtc_configuration].
    ///
    /// Read when the room is joined.
    #[export]
    #[init(val = Keys::none())]
    rtc_configuration: Keys,

    #[init(val = State::Idle)]
    state: State,
    /// What [signal state_changed] has told last.
    #[init(val = State::Idle)]
    told_state: State,
    /// The session: who we are, in which room.
    me: Participant,
    joined_room: GString,
    joined_channel: Channel,
    session: Option<Rc<ClientHandle<RoomSession>>>,
    /// Counts sessions, so that what an old one still has to tell is not told.
    epoch: u64,
    /// Waits until we are in the room.
    asked: Option<Gd<SignalingRequest>>,
    place: Option<Place>,
    /// Why the last connection to the server was lost.
    loss: Option<Trouble>,
    /// Why our stay ended that we did not end.
    #[init(val = Failure::None)]
    ending: Failure,
    neighbours: Option<Rc<Neighbours>>,
    turns: Option<ConnectHandle>,
    base: Base<Node>,
}

/// Makes the enum of the class known to the engine.
pub(crate) fn register_enums() {
    class_enum::register::<State>();
}

#[godot_api]
impl RoomClient {
    /// Emitted when we are in the room. `role` is `"admin"` for its owner, who has published there
    /// for the longest, `"publisher"`, or `"viewer"`. The multiplayer peer exists by now.
    #[signal]
    fn room_joined(room: GString, role: GString);

    /// Emitted when we are in the room again, after the connection was lost or something went
    /// wrong. What was kept is sent now.
    #[signal]
    fn resumed();

    /// Emitted when we are out of the room. `failure` is [constant SignalingClient.FAILURE_NONE] if
    /// we left it, [constant SignalingClient.FAILURE_KICKED] if a publisher removed us, [constant
    /// SignalingClient.FAILURE_CLOSED] if the last publisher has left, and otherwise what [signal
    /// failed] has told before; `message` is a sentence that a player can read.
    ///
    /// After a failure connected players stay connected; otherwise the multiplayer peer is gone, as
    /// after [method stop].
    #[signal]
    fn room_left(failure: Failure, message: GString);

    /// Emitted when others publish, or publish something else, and each time we have joined; with
    /// what [method get_publishers] returns.
    #[signal]
    fn publishers_changed(publishers: Array<VarDictionary>);

    /// Emitted when a viewer wants to publish and we own the room: see [method accept_publish] and
    /// [method reject_publish].
    #[signal]
    fn publish_requested(
        user_id: GString,
        session_id: GString,
        video: bool,
        audio: bool,
        message: GString,
    );

    /// Emitted when the owner lets us publish; [signal publishers_changed] follows.
    #[signal]
    fn publish_accepted();

    /// Emitted when the owner does not let us publish.
    #[signal]
    fn publish_rejected();

    /// Emitted when somebody has sent a session description of the type "offer". `restart` tells
    /// that it is about a connection that stands.
    #[signal]
    fn offer_received(user_id: GString, session_id: GString, sdp: GString, restart: bool);

    /// Emitted when somebody has sent a session description of the type "answer".
    #[signal]
    fn answer_received(user_id: GString, session_id: GString, sdp: GString);

    /// Emitted when somebody has sent an ICE candidate. [param mid], [param index] and [param sdp]
    /// are for [method WebRTCPeerConnection.add_ice_candidate]; only the last one was sent, the
    /// others say that it is about the first part of the description, of which there is no other
    /// where data channels are all.
    #[signal]
    fn candidate_received(
        user_id: GString,
        session_id: GString,
        mid: GString,
        index: i64,
        sdp: GString,
    );

    /// Emitted when the server has refused something that we said in the room. `signal_name` is its
    /// name in the protocol, such as `"kick"`, `code` the server's, such as 4051 for what we may
    /// not do, and `message` a sentence for developers.
    #[signal]
    fn refused(signal_name: GString, code: i64, message: GString);

    /// Emitted when [method get_state] has changed, before the signal of what has changed it.
    #[signal]
    fn state_changed(old: State, new: State);

    /// Emitted when the connection to the server is lost, or could not be made, and another try
    /// begins in `delay` seconds. `attempt` counts from 1. The room keeps our place for 10 seconds
    /// unless the server says otherwise; connected players stay connected.
    ///
    /// A server that was started anew knows no rooms. Who had created the room creates it again;
    /// for others who come before that, [signal room_left] tells [constant
    /// SignalingClient.FAILURE_NOT_FOUND], and [method join] is theirs to call until it succeeds,
    /// which begins with a new multiplayer peer. In a group chat all others only watch then, also
    /// after [signal resumed]: [method request_publish] again.
    #[signal]
    fn reconnecting(attempt: i64, delay: f64);

    /// Emitted when something failed that no [SignalingRequest] tells of: our place in the room is
    /// lost, which [signal room_left] tells next, a connection to another player could not be made,
    /// or something could not be sent: then `details` has `signal` ([String]), its name in the
    /// protocol. `message` is a sentence that a player can read, and `details` has more for the
    /// developer: always `hint` ([String]), what can be done about it, and `name` ([String]), the
    /// name of the failure; `code` ([int]) and `reason` ([String]) if the server gave them.
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
    /// closing it, with the reason in words, see [signal SignalingClient.peer_failed]. While both
    /// publish, it is made anew, from 1 second later on: `multiplayer.peer_connected` tells when it
    /// stands. After the third failure in a row it is given up until one of the two joins again.
    #[signal]
    fn peer_failed(id: i64, reason: GString);

    /// Emitted when one of [member ice_servers] is of no use, see [signal
    /// SignalingClient.ice_server_failed].
    #[signal]
    fn ice_server_failed(url: GString, code: i32, reason: GString);

    /// Leaves the room and ends everything: closes the connection to the server and those to the
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

    /// Returns how we stand towards the room.
    #[func]
    fn get_state(&self) -> State {
        self.state
    }

    /// Returns our role in the room: `"admin"` for its owner, `"publisher"` or `"viewer"`; empty
    /// outside of it.
    #[func]
    fn get_role(&self) -> GString {
        self.place.as_ref().map(Place::role).unwrap_or_default()
    }

    /// Returns who publishes in the room, whoever has done so for the longest first, ourselves
    /// included if we do. Each is a dictionary with the keys `user_id`, `session_id`, `id` (the peer
    /// id, see [method get_peer_id]), `role` (`"admin"` for the owner of the room, otherwise
    /// `"publisher"`), `video`, `audio`, `host`, `category`, `device_id` (what it says of its
    /// device, or empty) and `is_me`.
    #[func]
    fn get_publishers(&self) -> Array<VarDictionary> {
        self.place.as_ref().map(|place| place.publishers(&self.me)).unwrap_or_default()
    }

    /// Returns who we are in the session that goes on or was the last: a dictionary with the keys
    /// `user_id`, `session_id` and `id`; empty before the first.
    #[func]
    fn get_me(&self) -> VarDictionary {
        if self.epoch == 0 { VarDictionary::new() } else { place::participant(&self.me) }
    }

    /// Returns our peer id, or 0 outside of a room.
    #[func]
    fn get_unique_id(&self) -> i64 {
        self.place.as_ref().map_or(0, |_| json::id(self.me.peer_id()))
    }

    /// Returns the peer id of a session: everybody comes to the same one, from 2 to 2147483647, by
    /// a hash of `user_id/session_id`.
    #[func]
    fn get_peer_id(user_id: GString, session_id: GString) -> i64 {
        json::id(Participant::new(user_id.to_string(), session_id.to_string()).peer_id())
    }

    /// Returns the multiplayer peer that connects us to the others, or `null` when there is none:
    /// with [member assign_multiplayer_peer] it exists from [signal room_joined] to the end of our
    /// stay, and longer if that failed. In a broadcast there is none.
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
impl INode for RoomClient {
    fn on_notification(&mut self, what: NodeNotification) {
        client_node::follow_tree(self, what);
    }
}
