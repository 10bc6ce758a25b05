//! The engine's view of a connection.

use godot::classes::web_rtc_peer_connection::{
    ConnectionState as GodotConnectionState, GatheringState as GodotGatheringState,
    SignalingState as GodotSignalingState,
};
use godot::classes::{
    IWebRtcPeerConnectionExtension, WebRtcDataChannel, WebRtcPeerConnectionExtension,
};
use godot::global::Error;
use godot::prelude::*;
use signaling_webrtc::{
    CommandError, ConnectionState, GatheringState, PeerEvent, PeerHandle, PeerOptions, SdpKind,
    SignalingState, WrongState,
};

use super::TRANSPORT;
use super::data_channel::WebRtcNativeDataChannel;
use super::options::{channel_init, hides_interruptions, peer_options};
use super::statistics;

/// The native implementation of [WebRTCPeerConnection], built into this addon.
///
/// You rarely name this class: [code]WebRTCPeerConnection.new()[/code] returns one, unless another
/// WebRTC library is installed. The project setting [code]signaling/webrtc/backend[/code] decides
/// then: [code]auto[/code] leaves the place to the other library, [code]builtin[/code] always
/// takes this class, [code]external[/code] never does.
///
/// It behaves as [WebRTCPeerConnection] and the web promise. All connections of the game share one
/// thread, which starts with the first of them. Signals are emitted by
/// [method WebRTCPeerConnection.poll] only, so call it each frame; a [WebRTCMultiplayerPeer] does
/// that for its connections. States and packets are up to date without it.
///
/// - [method WebRTCPeerConnection.initialize] understands [code]iceServers[/code], with
///   [code]urls[/code] as text or as an array: [code]stun:[/code] tells the public address of the
///   player, [code]turn:[/code] (over UDP, or with [code]?transport=tcp[/code] over TCP) and
///   [code]turns:[/code] (over TLS) relay where no direct path leads to the other side; they need a
///   [code]username[/code] and a [code]credential[/code]. [code]stuns:[/code] is accepted and not
///   asked: what it could tell is of no use. At most eight TURN servers are used at once.
///   [signal ice_server_failed] tells of those that are of no use; none of them holds up the others.
///   [constant ERR_INVALID_PARAMETER] tells that the dictionary is malformed.
/// - With [code]iceTransportPolicy[/code] [code]"relay"[/code] nothing but TURN servers is used, and
///   the other side learns no address of the player; [code]"all"[/code] is the default.
/// - Keys of [method WebRTCPeerConnection.initialize] that the web does not have:
///   [br][code]caCertificate[/code], beside the [code]urls[/code] of a [code]turns:[/code] server: one
///   or more certificates in PEM form that vouch for it, beside those that browsers trust; an
///   authority's or the server's own, for local networks and tests.
///   [br][code]bindAddress[/code]: the IP address to use, or an array of them, in place of every
///   address of this machine.
///   [br][code]portRangeBegin[/code], [code]portRangeEnd[/code]: the UDP ports to use, for example to
///   open them in a firewall; each connection takes one for each address. Either may be left out:
///   1024 to 65535.
///   [br][code]udpMux[/code]: one UDP port, on each address, for all connections of the game that are
///   made with it, in place of a range: what a dedicated server in a container needs. Two
///   connections to the same port of the same machine do not go together: the older one fails.
///   [br][code]publicAddress[/code]: the IP address under which others reach this machine, or an
///   array of them, told to them in place of its own of the same family. The port stays as it is:
///   for a one-to-one NAT, or a container whose ports are published unchanged.
///   [br][code]hideLocalAddresses[/code]: [code]true[/code] has others be told a random name in
///   [code].local[/code] in place of each address of this machine, as browsers do; it can be looked
///   up (mDNS) on the local network only. By default [code]false[/code]: local addresses are told.
///   [br][code]mtu[/code]: the largest IP packet in bytes that every path to the other side carries,
///   from 1200 to 9000, by default 1280. Larger ones carry bulk data with less effort, and nothing
///   at all where a path is narrower.
///   [br][code]disconnectedTimeout[/code]: after so many milliseconds without hearing anything from
///   the other side the link is unstable; 1800 unless set, at least 200.
///   [br][code]failedTimeout[/code]: after so many milliseconds the connection has failed; 6000
///   unless set, not below the other. Above 30000 it changes little: what is sent must be answered
///   once in 30 seconds.
///   [br][code]hideInterruptions[/code]: if [code]true[/code], which is the default,
///   [method WebRTCPeerConnection.get_connection_state] stays at
///   [constant WebRTCPeerConnection.STATE_CONNECTED] while the link is unstable, because
///   [WebRTCMultiplayerPeer] drops a peer whose connection is in
///   [constant WebRTCPeerConnection.STATE_DISCONNECTED]; [signal link_unstable] and
///   [signal link_recovered] tell. If [code]false[/code], the state tells too, as in browsers.
/// - [method WebRTCPeerConnection.create_data_channel] may be called at any time before the
///   connection is closed. It returns [code]null[/code] for options that contradict each other, or
///   an id that is in use. The key [code]maxPacketLifetime[/code] that [WebRTCMultiplayerPeer]
///   sends with value 1 is taken as [code]maxRetransmits: 0[/code]: unreliable packets are sent
///   once, and never again.
/// - [method WebRTCPeerConnection.create_offer] needs a channel, else it returns
///   [constant ERR_UNCONFIGURED]. Once the two have connected it restarts ICE: when the other side
///   has answered, a new path is looked for, also after
///   [constant WebRTCPeerConnection.STATE_FAILED] by silence. Channels and packets live on, and the
///   old path is used until there is a new one. If both sides offer at once, the one that made the
///   first offer of all refuses the other's with [constant ERR_UNAVAILABLE], and the other one's
///   own offer is dropped when it sets the remote one.
/// - What does not fit the signaling state returns [constant ERR_UNAVAILABLE]; a description or a
///   candidate that cannot be read, or a local description that is not the one created last,
///   [constant ERR_INVALID_PARAMETER]; anything after [method WebRTCPeerConnection.close],
///   [constant ERR_UNCONFIGURED].
#[derive(GodotClass)]
#[class(tool, init, base = WebRtcPeerConnectionExtension, rename = WebRTCNativePeerConnection)]
pub struct WebRtcNativePeerConnection {
    link: Link,
    has_channels: bool,
    /// Whether the state shown stays connected while nothing is heard.
    #[init(val = true)]
    hides_interruptions: bool,
    /// Counts what makes events of before obsolete: closing, and starting anew.
    era: u64,
    base: Base<WebRtcPeerConnectionExtension>,
}

/// What stands behind the object.
enum Link {
    /// Nothing yet: an object that is never used costs nothing.
    Unused(PeerOptions),
    /// A connection, possibly over.
    Used(PeerHandle),
    /// Closed before it was used.
    Closed,
}

impl Default for Link {
    fn default() -> Self {
        Self::Unused(PeerOptions::default())
    }
}

/// Provides a method that the trait asks for with a receiver which cannot serve: `#[godot_api]`
/// registers the one with `Gd<Self>` beside it.
macro_rules! superseded_by_gd_self {
    ($name:ident) => {
        fn $name(&mut self) -> Error {
            Error::ERR_BUG
        }
    };
}

#[godot_api]
impl IWebRtcPeerConnectionExtension for WebRtcNativePeerConnection {
    fn initialize(&mut self, p_config: VarDictionary) -> Error {
        let options = peer_options(&p_config)
            .and_then(|options| Ok((options, hides_interruptions(&p_config)?)));
        match options {
            Ok((options, hides_interruptions)) => {
                self.hides_interruptions = hides_interruptions;
                self.link = Link::Unused(options);
                self.has_channels = false;
                self.era += 1;
                Error::OK
            }
            Err(malformed) => malformed.into(),
        }
    }

    fn create_data_channel(
        &mut self,
        p_label: GString,
        p_config: VarDictionary,
    ) -> Option<Gd<WebRtcDataChannel>> {
        let init = channel_init(&p_label, &p_config).ok()?;
        let channel = self.peer().ok()?.create_channel(init).ok()?;
        self.has_channels = true;
        Some(WebRtcNativeDataChannel::from_handle(channel).upcast())
    }

    fn create_offer(&mut self) -> Error {
        let has_channels = self.has_channels;
        self.command(|peer| {
            if has_channels {
                peer.create_offer().map_err(to_error)
            } else {
                Err(Error::ERR_UNCONFIGURED)
            }
        })
    }

    fn set_local_description(&mut self, p_type: GString, p_sdp: GString) -> Error {
        self.command(|peer| {
            let kind = sdp_kind(&p_type)?;
            peer.set_local_description(kind, &p_sdp.to_string()).map_err(to_error)
        })
    }

    fn set_remote_description(&mut self, p_type: GString, p_sdp: GString) -> Error {
        self.command(|peer| {
            let kind = sdp_kind(&p_type)?;
            peer.set_remote_description(kind, &p_sdp.to_string()).map_err(to_error)
        })
    }

    fn add_ice_candidate(
        &mut self,
        p_sdp_mid_name: GString,
        p_sdp_mline_index: i32,
        p_sdp_name: GString,
    ) -> Error {
        self.command(|peer| {
            let index =
                u32::try_from(p_sdp_mline_index).map_err(|_| Error::ERR_INVALID_PARAMETER)?;
            let (mid, candidate) = (p_sdp_mid_name.to_string(), p_sdp_name.to_string());
            peer.add_candidate(&mid, index, &candidate).map_err(to_error)
        })
    }

    /// Emits what has happened. No borrow is held meanwhile, and the object is kept alive: handlers
    /// may call any method, start anew, or let go of the last other reference.
    #[func(gd_self)]
    fn poll(mut this: Gd<Self>) -> Error {
        let (era, events) = this.bind().take_events();
        for event in events {
            if this.bind().era != era {
                break;
            }
            emit(&mut this, event);
        }
        Error::OK
    }

    superseded_by_gd_self!(poll);

    fn close(&mut self) {
        self.era += 1;
        match &self.link {
            Link::Unused(_) => self.link = Link::Closed,
            Link::Used(peer) => peer.close(),
            Link::Closed => {}
        }
    }

    fn get_connection_state(&self) -> GodotConnectionState {
        let state = match &self.link {
            Link::Unused(_) => ConnectionState::New,
            Link::Used(peer) => peer.connection_state(),
            Link::Closed => ConnectionState::Closed,
        };
        match state {
            ConnectionState::New => GodotConnectionState::NEW,
            ConnectionState::Connecting => GodotConnectionState::CONNECTING,
            ConnectionState::Connected => GodotConnectionState::CONNECTED,
            ConnectionState::Disconnected if self.hides_interruptions => {
                GodotConnectionState::CONNECTED
            }
            ConnectionState::Disconnected => GodotConnectionState::DISCONNECTED,
            ConnectionState::Failed => GodotConnectionState::FAILED,
            ConnectionState::Closed => GodotConnectionState::CLOSED,
        }
    }

    fn get_gathering_state(&self) -> GodotGatheringState {
        let state = match &self.link {
            Link::Used(peer) => peer.gathering_state(),
            Link::Unused(_) | Link::Closed => GatheringState::New,
        };
        match state {
            GatheringState::New => GodotGatheringState::NEW,
            GatheringState::Gathering => GodotGatheringState::GATHERING,
            GatheringState::Complete => GodotGatheringState::COMPLETE,
        }
    }

    fn get_signaling_state(&self) -> GodotSignalingState {
        let state = match &self.link {
            Link::Unused(_) => SignalingState::Stable,
            Link::Used(peer) => peer.signaling_state(),
            Link::Closed => SignalingState::Closed,
        };
        match state {
            SignalingState::Stable => GodotSignalingState::STABLE,
            SignalingState::HaveLocalOffer => GodotSignalingState::HAVE_LOCAL_OFFER,
            SignalingState::HaveRemoteOffer => GodotSignalingState::HAVE_REMOTE_OFFER,
            SignalingState::Closed => GodotSignalingState::CLOSED,
        }
    }
}

#[godot_api]
impl WebRtcNativePeerConnection {
    /// Emitted when a STUN or TURN server is of no use, or has lost what it granted, with the
    /// [param url] it was given by. [param code] is what the server said, for example 401 for a
    /// wrong username or credential and 486 for too many users, or 701 when nothing was heard of
    /// it: its name is unknown, it does not answer, its certificate is not trusted; [param reason]
    /// tells it in words. The connection goes on with the other servers and without any.
    #[signal]
    pub(crate) fn ice_server_failed(url: GString, code: i32, reason: GString);

    /// Emitted when no socket could be bound to an [param address] of this machine that you chose
    /// with [code]bindAddress[/code], or to no port that you chose, or to no address at all;
    /// [param reason] is what the system says. The connection goes on with the other addresses; it
    /// fails at once when there are none.
    #[signal]
    fn address_failed(address: GString, reason: GString);

    /// Emitted when nothing has been heard from the other side for [code]disconnectedTimeout[/code]:
    /// a good moment to show a warning. Packets that are put meanwhile wait. What follows is [signal
    /// link_recovered], or the end: [constant WebRTCPeerConnection.STATE_FAILED].
    #[signal]
    pub(crate) fn link_unstable();

    /// Emitted when the other side is heard again after [signal link_unstable].
    #[signal]
    pub(crate) fn link_recovered();

    /// Returns how the connection is doing. The numbers are about a second old at most; what is
    /// counted is counted since the connection began. The dictionary is empty while the connection
    /// is unused. Times are in milliseconds, -1 if they are not known. The keys are:
    ///
    /// - [code]failure[/code]: why the connection has failed, in words, or an empty [String].
    /// - [code]round_trip_time[/code]: the time of a round trip on the path in use, as the latest
    ///   check measured it.
    /// - [code]message_round_trip_time[/code]: the smoothed time from sending a packet until the
    ///   other side has confirmed it, which it may do a little later.
    /// - [code]loss[/code]: an estimate of the share of our packets that were lost, from 0 to 1.
    /// - [code]bytes_sent[/code], [code]bytes_received[/code]: bytes of datagrams, without the
    ///   headers of UDP and IP.
    /// - [code]packets_sent[/code], [code]packets_received[/code]: datagrams.
    /// - [code]messages_sent[/code], [code]messages_received[/code]: packets of channels, as
    ///   [PacketPeer] puts and gets them.
    /// - [code]retransmissions[/code]: packets' worth of messages that were sent once more.
    /// - [code]channels[/code]: an [Array] with a dictionary for each channel: [code]label[/code],
    ///   [code]id[/code] (-1 if it has none yet) and [code]buffered_amount[/code], the bytes that
    ///   wait to be sent.
    /// - [code]selected_pair[/code]: the pair of addresses in use, an empty dictionary if there is
    ///   none.
    /// - [code]pairs[/code]: an [Array] with a dictionary for each pair of addresses that was tried
    ///   since the last restart of ICE: [code]local_address[/code] and [code]remote_address[/code],
    ///   with their ports; [code]local_type[/code] and [code]remote_type[/code], each
    ///   [code]"host"[/code], [code]"srflx"[/code] (seen by a STUN server), [code]"prflx"[/code]
    ///   (seen by the other side) or [code]"relay"[/code]; [code]protocol[/code], which is
    ///   [code]"udp"[/code]; [code]relayed[/code], whether a TURN server is on the way;
    ///   [code]state[/code]: [code]"waiting"[/code], [code]"checking"[/code],
    ///   [code]"succeeded"[/code] or [code]"failed"[/code]; [code]failure[/code]: why it failed, in
    ///   words; [code]round_trip_time[/code]; [code]checks_sent[/code],
    ///   [code]checks_answered[/code] and [code]checks_received[/code].
    /// - [code]local_candidates[/code], [code]remote_candidates[/code]: an [Array] with a
    ///   dictionary for each address that either side has told of: [code]address[/code] and
    ///   [code]type[/code].
    #[func]
    pub(crate) fn get_statistics(&self) -> VarDictionary {
        match &self.link {
            Link::Used(peer) => statistics::dictionary(&peer.statistics()),
            Link::Unused(_) | Link::Closed => VarDictionary::new(),
        }
    }
}

impl WebRtcNativePeerConnection {
    fn command(&mut self, act: impl FnOnce(&PeerHandle) -> Result<(), Error>) -> Error {
        self.peer().and_then(act).err().unwrap_or(Error::OK)
    }

    /// The connection, made when it is first needed.
    fn peer(&mut self) -> Result<&PeerHandle, Error> {
        if let Link::Unused(options) = &mut self.link {
            let options = std::mem::take(options);
            let peer = TRANSPORT.peer(options).map_err(|error| {
                godot_error!("WebRTC: cannot start the network thread: {error}");
                Error::ERR_CANT_CREATE
            })?;
            self.link = Link::Used(peer);
        }
        match &self.link {
            Link::Used(peer) => Ok(peer),
            Link::Unused(_) | Link::Closed => Err(Error::ERR_UNCONFIGURED),
        }
    }

    fn take_events(&self) -> (u64, Vec<PeerEvent>) {
        match &self.link {
            Link::Used(peer) => (self.era, peer.take_events()),
            Link::Unused(_) | Link::Closed => (self.era, Vec::new()),
        }
    }
}

fn emit(this: &mut Gd<WebRtcNativePeerConnection>, event: PeerEvent) {
    match event {
        PeerEvent::DescriptionCreated { kind, sdp } => {
            let arguments = vslice![kind_name(kind), GString::from(&sdp)];
            this.emit_signal("session_description_created", arguments);
        }
        PeerEvent::CandidateCreated { mid, index, candidate } => {
            let arguments = vslice![GString::from(&mid), index, GString::from(&candidate)];
            this.emit_signal("ice_candidate_created", arguments);
        }
        PeerEvent::AddressFailed { address, reason } => {
            this.signals().address_failed().emit(&address.to_string(), &reason);
        }
        PeerEvent::ChannelAnnounced(channel) => {
            let channel = WebRtcNativeDataChannel::from_handle(channel);
            this.emit_signal("data_channel_received", vslice![channel]);
        }
        PeerEvent::LinkUnstable => this.signals().link_unstable().emit(),
        PeerEvent::LinkRecovered => this.signals().link_recovered().emit(),
        PeerEvent::IceServerFailed { url, code, reason } => {
            this.signals().ice_server_failed().emit(&url, i32::from(code), &reason);
        }
    }
}

fn sdp_kind(name: &GString) -> Result<SdpKind, Error> {
    match name.to_string().as_str() {
        "offer" => Ok(SdpKind::Offer),
        "answer" => Ok(SdpKind::Answer),
        _ => Err(Error::ERR_INVALID_PARAMETER),
    }
}

fn kind_name(kind: SdpKind) -> &'static str {
    match kind {
        SdpKind::Offer => "offer",
        SdpKind::Answer => "answer",
    }
}

fn to_error(error: CommandError) -> Error {
    match error {
        CommandError::WrongState(WrongState(SignalingState::Closed)) => Error::ERR_UNCONFIGURED,
        CommandError::WrongState(_) => Error::ERR_UNAVAILABLE,
        CommandError::Sdp(_)
        | CommandError::Candidate(_)
        | CommandError::Description(_)
        | CommandError::Channel(_) => Error::ERR_INVALID_PARAMETER,
        CommandError::Busy => Error::ERR_BUSY,
    }
}
