//! The node `CloudLinkClient`.
//!
//! Reading order:
//! - `version`: which CloudLink is spoken, and how the node stands towards its lobby.
//! - `verbs`: what a game may ask for, with `options` for what goes with it; `talk`: what it says
//!   to other members over data channels.
//! - `session`: the main thread's end of a session of any version, `omega` and `five`; `event`:
//!   what they tell, in one language.
//! - `place`: what is known of the lobby while we are in it.
//! - `neighbours`: the WebRTC connections to its members; `channels` and `neighbour`: those with
//!   named channels.
//! - `telling`: the node's turn, once a frame, with `noting`: what is known after an event.
//! - `trouble`: why something failed.

mod channels;
mod event;
mod five;
mod neighbour;
mod neighbours;
mod noting;
mod omega;
mod options;
mod place;
mod session;
mod talk;
mod telling;
mod trouble;
mod verbs;
mod version;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use godot::classes::notify::NodeNotification;
use godot::classes::{Node, WebRtcMultiplayerPeer};
use godot::prelude::*;
use godot::signal::ConnectHandle;
use signaling_core::PeerId;
use signaling_protocols::cloudlink5::channels::Shared;

use crate::class_enum;
use crate::client::argument::Keys;
use crate::client::failure::Failure;
use crate::client::request::SignalingRequest;
use crate::client_node;
use crate::json;
use event::Member;
use neighbours::Neighbours;
use place::Place;
use session::Session;
use version::{State, Version};

/// Joins a lobby on a signaling server that speaks CloudLink, and connects to the others there: to
/// other games in Godot, or to the web clients of CloudLink.
///
/// [member version] has to be that of the server, and of the others. Lobbies belong to a [member
/// game] and have names.
///
/// ```gdscript
/// @onready var client: CloudLinkClient = $CloudLinkClient
///
/// func _ready() -> void:
///     client.game = "my game"
///     multiplayer.peer_connected.connect(func(id): print("Player ", id, " is here"))
///
/// func host() -> void:
///     var request := client.create_lobby("ice", {max_players = 7})
///     if not await request.completed:
///         status.text = request.message
///
/// func join() -> void:
///     var request := client.join_lobby("ice")
///     if not await request.completed:
///         status.text = request.message
/// ```
///
/// Between games in Godot, with [member assign_multiplayer_peer], the node makes a
/// [WebRTCMultiplayerPeer]. In CloudLink 5 everybody is connected to everybody, and the id of a
/// peer stands for its member's text: from 2 to 2147483647, the same for everybody, see [method
/// get_peer_id]; nobody is 1. In CloudLink Omega all are connected to the host, which is 1, and the
/// others have the ids that their texts stand for.
///
/// To share a lobby with web clients of CloudLink, turn [member assign_multiplayer_peer] off and
/// [member open_channels] on. Then a channel [code]default[/code] leads to each member, and
/// messages go over it:
///
/// ```gdscript
/// client.message_received.connect(
///     func(member, channel, message, private): print(member, " says ", message))
/// client.send_message("Hello, everybody")
/// ```
///
/// With both off the node only signals: [signal offer_received], [method send_offer] and the like
/// carry the session descriptions and candidates between the others and connections of the game's
/// own. Otherwise these signals are emitted too, and nothing is to be done about them.
///
/// A connection that is lost is not made again: CloudLink knows no way back into a lobby. Connected
/// players stay connected.
///
/// The server has to speak the version: [member SignalingServer.protocols] has to have [constant
/// SignalingServer.PROTOCOL_CLOUDLINK_OMEGA], or [constant SignalingServer.PROTOCOL_CLOUDLINK_5]
/// and [constant SignalingServer.PROTOCOL_PEER_SERVER].
///
/// The signals are emitted on the main thread, once a frame, also while the tree is paused. The
/// node works while it is inside the tree; leaving the tree is like calling [method stop].
#[derive(GodotClass)]
#[class(init, base = Node)]
pub(crate) struct CloudLinkClient {
    /// Which CloudLink to speak.
    ///
    /// Read when the client connects, as all others are unless they say otherwise.
    #[export]
    #[init(val = Version::CloudLink5)]
    version: Version,

    /// The address of the signaling server, without a path.
    #[export]
    #[init(val = GString::from("ws://127.0.0.1:9080"))]
    url: GString,

    /// The address of the PeerServer, by which clients of CloudLink 5 reach each other. Empty: that
    /// of [member url].
    #[export]
    peer_server_url: GString,

    /// Which game this is (CloudLink calls it UGI): only lobbies of the same game are found. In
    /// CloudLink 5 letters and digits, with single spaces, [code]_[/code] or [code]-[/code] between
    /// them, at most 128 bytes.
    #[export]
    game: GString,

    /// The name that others see. Several may have the same.
    #[export_group(name = "User")]
    #[export]
    user_name: GString,

    /// What tells the server who we are, if it wants to know (CloudLink 5).
    #[export]
    token: GString,

    /// A key for encryption between members, told to them as it is (CloudLink 5).
    #[export]
    pubkey: GString,

    /// If `true`, the client connects to the others by WebRTC and sets
    /// `multiplayer.multiplayer_peer` for its branch of the tree. All in the lobby have to be games
    /// in Godot that do so.
    ///
    /// Read when a lobby is entered.
    #[export_group(name = "WebRTC")]
    #[export]
    #[init(val = true)]
    assign_multiplayer_peer: bool,

    /// If `true`, and [member assign_multiplayer_peer] is off, the client connects to the others by
    /// WebRTC as the web clients of CloudLink do, and messages can be sent.
    ///
    /// Read when a lobby is entered.
    #[export]
    open_channels: bool,

    /// The STUN and TURN servers to use, see [member SignalingClient.ice_servers].
    ///
    /// Read when a lobby is entered.
    #[export]
    ice_servers: Array<VarDictionary>,

    /// More of what [method WebRTCPeerConnection.initialize] takes, see [member
    /// SignalingClient.rtc_configuration].
    ///
    /// Read when a lobby is entered.
    #[export]
    #[init(val = Keys::none())]
    rtc_configuration: Keys,

    #[init(val = State::Idle)]
    state: State,
    /// What [signal state_changed] has told last.
    #[init(val = State::Idle)]
    told_state: State,
    /// What the session speaks that goes on.
    #[init(val = Version::CloudLink5)]
    spoken: Version,
    session: Option<Rc<RefCell<Session>>>,
    /// Counts sessions, so that what an old one still has to tell is not told.
    epoch: u64,
    /// How many requests were made.
    tickets: u64,
    /// What waits for an answer. The sessions refuse what is too much.
    asked: HashMap<u64, Gd<SignalingRequest>>,
    /// The request for a way into a lobby, until it is answered.
    entering: Option<u64>,
    /// Who we are, once the server has told.
    me: Option<Member>,
    place: Option<Place>,
    shared: Shared,
    neighbours: Option<Rc<Neighbours>>,
    turns: Option<ConnectHandle>,
    base: Base<Node>,
}

/// Makes the enums of the class known to the engine.
pub(crate) fn register_enums() {
    class_enum::register::<Version>();
    class_enum::register::<State>();
}

#[godot_api]
impl CloudLinkClient {
    /// Emitted when the server has let us in, with the text that others know us by.
    #[signal]
    fn connected(member: GString);

    /// Emitted when the connection to the server has ended or could not be made, with the close
    /// code and reason: 1000 after [method leave_lobby], 1006 when there was no close.
    #[signal]
    fn disconnected(code: i64, reason: GString);

    /// Emitted when a lobby was created or joined. The multiplayer peer exists by now.
    #[signal]
    fn lobby_joined(lobby: GString);

    /// Emitted when we are out of the lobby. `failure` is [constant SignalingClient.FAILURE_NONE]
    /// if we left it, and otherwise why, for example [constant SignalingClient.FAILURE_CLOSED];
    /// `message` is a sentence that a player can read.
    ///
    /// After the connection was lost connected players stay connected; otherwise the multiplayer
    /// peer is gone, as after [method stop].
    #[signal]
    fn lobby_left(failure: Failure, message: GString);

    /// Emitted when the lobby has another host, or one that we did not know of. `member` is empty
    /// when there is none. Where all are connected to the host, the connections are made anew.
    #[signal]
    fn host_changed(member: GString, is_me: bool);

    /// Emitted when somebody is in the lobby whom we did not know of; see [method get_members]. In
    /// CloudLink 5 a newcomer hears of the host, and of the others when they connect to it.
    #[signal]
    fn member_joined(member: GString);

    /// Emitted when a member is out of the lobby. CloudLink Omega of late 2023 does not tell.
    #[signal]
    fn member_left(member: GString);

    /// Emitted when there is another lobby. It has the key `name` ([String]), and in CloudLink
    /// Omega of late 2023, the only one that tells more, `host` and `host_name` ([String]),
    /// `max_players` ([int], besides the host; -1 for any number) and `has_password` ([bool]).
    /// CloudLink 5 tells those who are in no lobby.
    ///
    /// Lobbies that were there before we connected are told by [method list_lobbies] in CloudLink
    /// 5. In CloudLink Omega nothing tells of them: players tell each other the name.
    #[signal]
    fn lobby_listed(lobby: VarDictionary);

    /// Emitted when a lobby is gone (CloudLink 5).
    #[signal]
    fn lobby_unlisted(lobby: GString);

    /// Emitted when the server has something to say for the user to read.
    #[signal]
    fn warned(message: GString);

    /// Emitted when somebody has sent a session description of the type "offer".
    #[signal]
    fn offer_received(member: GString, sdp: GString);

    /// Emitted when somebody has sent a session description of the type "answer".
    #[signal]
    fn answer_received(member: GString, sdp: GString);

    /// Emitted when somebody has sent an ICE candidate. [param mid], [param index] and [param sdp]
    /// are for [method WebRTCPeerConnection.add_ice_candidate].
    #[signal]
    fn candidate_received(member: GString, mid: GString, index: i64, sdp: GString);

    /// Emitted when somebody asks, through the server, for a further channel under a number that
    /// both sides are to use (CloudLink Omega of late 2023).
    #[signal]
    fn channel_requested(member: GString, id: i64, channel: GString, ordered: bool);

    /// Emitted when a channel to a member is open: [code]default[/code], or one that either side
    /// has opened, see [method open_channel].
    #[signal]
    fn channel_opened(member: GString, channel: GString);

    /// Emitted when a channel to a member is closed, by either side or because the connection has
    /// ended. When [signal lobby_left] or [signal host_changed] ends all connections, no channel is
    /// told of.
    #[signal]
    fn channel_closed(member: GString, channel: GString);

    /// Emitted when a member has sent a message, to all or, if it is `private`, to us alone.
    #[signal]
    fn message_received(member: GString, channel: GString, message: Variant, private: bool);

    /// Emitted when a member has changed a variable that we share, see [method share_variable].
    #[signal]
    fn variable_changed(id: GString, value: Variant, member: GString);

    /// Emitted when a member has changed a list that we share, see [method share_list].
    #[signal]
    fn list_changed(id: GString, items: VarArray, member: GString);

    /// Emitted when a member calls, as with a telephone. There is no sound in this node: [method
    /// decline_call] says so.
    #[signal]
    fn call_received(member: GString);

    /// Emitted when a member has ended a call.
    #[signal]
    fn call_ended(member: GString);

    /// Emitted when a member does not accept a call.
    #[signal]
    fn call_declined(member: GString);

    /// Emitted when [method get_state] has changed, before the signal of what has changed it.
    #[signal]
    fn state_changed(old: State, new: State);

    /// Emitted when something failed that no [SignalingRequest] tells of: the connection to the
    /// server, or one to another player. `message` is a sentence that a player can read, and
    /// `details` has more for the developer: always `hint` ([String]), what can be done about it,
    /// and `name` ([String]), the name of the failure; `code` ([int]) and `reason` ([String]) if
    /// the server gave them.
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

    /// Leaves the lobby and ends everything: closes the connection to the server and those to the
    /// other members, and if the multiplayer peer of this branch is ours, an
    /// [OfflineMultiplayerPeer] takes its place. No signal of this node follows.
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

    /// Returns how we stand towards the lobby.
    #[func]
    fn get_state(&self) -> State {
        self.state
    }

    /// Returns the text that others know us by, or an empty one before [signal connected]. It is
    /// another one for each connection.
    #[func]
    fn get_member(&self) -> GString {
        self.me.as_ref().map(|me| GString::from(&me.id)).unwrap_or_default()
    }

    /// Returns the name of the lobby that we are in, or an empty text.
    #[func]
    fn get_lobby(&self) -> GString {
        self.place.as_ref().map(|place| GString::from(place.lobby())).unwrap_or_default()
    }

    /// Returns who is the host of the lobby, as far as it is known.
    #[func]
    fn get_host(&self) -> GString {
        self.place.as_ref().map(|place| GString::from(place.host())).unwrap_or_default()
    }

    /// Returns whether we are the host of the lobby.
    #[func]
    fn is_host(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_host)
    }

    /// Returns those in the lobby that we know of, ourselves first. Each is a dictionary with the
    /// keys `member` ([String]), `id` ([int], the peer id), `name` ([String], empty if it is not
    /// known), `pubkey` ([String]), `host` ([bool]) and `is_me` ([bool]).
    #[func]
    fn get_members(&self) -> Array<VarDictionary> {
        self.place.as_ref().map(Place::members).unwrap_or_default()
    }

    /// Returns our peer id, or 0 outside of a lobby.
    #[func]
    fn get_unique_id(&self) -> i64 {
        self.place.as_ref().map_or(0, |place| json::id(place.peer_id(place.me())))
    }

    /// Returns the peer id of a member: 1 for the host in CloudLink Omega, otherwise one from 2 to
    /// 2147483647 by a hash of the text, to which everybody comes.
    #[func]
    fn get_peer_id(&self, member: GString) -> i64 {
        let member = member.to_string();
        let by_place = self.place.as_ref().map(|place| place.peer_id(&member));
        json::id(by_place.unwrap_or_else(|| PeerId::of_name(&member)))
    }

    /// Returns the multiplayer peer that connects us to the others, or `null` when there is none:
    /// with [member assign_multiplayer_peer] it exists from [signal lobby_joined] to the end of our
    /// stay, and longer if the connection to the server was lost.
    #[func]
    fn get_multiplayer_peer(&self) -> Option<Gd<WebRtcMultiplayerPeer>> {
        self.neighbours.as_ref()?.peer()
    }

    /// Returns how the connection to a peer is doing, in the form of [method
    /// WebRTCNativePeerConnection.get_statistics]. Empty if there is no connection, or
    /// another WebRTC library made it.
    #[func]
    fn get_peer_statistics(&self, id: i64) -> VarDictionary {
        let id = u64::try_from(id).ok().and_then(PeerId::new);
        let neighbours = self.neighbours.as_ref();
        id.zip(neighbours).map(|(id, neighbours)| neighbours.statistics(id)).unwrap_or_default()
    }
}

#[godot_api]
impl INode for CloudLinkClient {
    fn on_notification(&mut self, what: NodeNotification) {
        client_node::follow_tree(self, what);
    }
}
