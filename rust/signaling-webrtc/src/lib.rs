//! The wire between two peers: WebRTC data channels over ICE, DTLS and SCTP. It never knows who
//! the peers are to each other, nor how their descriptions travel: those are strings here.
//!
//! Every module but the last is a state machine without sockets, threads or a clock of its own.
//!
//! Reading order:
//! - [`config`]: sizes and timers.
//! - [`signaling_state`]: who may set which description when.
//! - [`sdp`] and [`candidate`]: what is written to the other side, parsed into types.
//! - `ice_server`: who helps to find a path.
//! - [`certificate`]: the identity that a connection proves.
//! - [`channels`]: what a data channel is.
//! - `stun_message`, `stun`, `turn`: what is said to servers, and `relays`: those that relay.
//! - `demux`, `ice`, `dtls`, `sctp`: the layers below, none of which knows another. The last three
//!   are seats for the crates that do the work.
//! - [`statistics`]: what they tell of themselves.
//! - `mdns`: names in `.local` that addresses hide behind.
//! - `dcep`, `message`, `channel_table`: what makes channels of SCTP streams.
//! - [`peer`]: one connection, composed of all these.
//! - [`driver`]: the thread that gives connections sockets and time, and the handles to them.

pub mod candidate;
pub mod certificate;
mod channel_table;
pub mod channels;
pub mod config;
mod dcep;
mod demux;
pub mod driver;
mod dtls;
mod ice;
mod ice_server;
mod mdns;
mod message;
pub mod peer;
mod relays;
mod sctp;
pub mod sdp;
#[cfg(test)]
mod seeds;
pub mod signaling_state;
pub mod statistics;
mod stun;
mod stun_message;
mod turn;

pub use candidate::{Advertised, CandidateError, RemoteCandidate};
pub use certificate::{Certificate, Fingerprint};
pub use channels::{Amount, ChannelError, ChannelInit, ChannelKey, Reliability};
pub use config::{IcePolicy, PeerConfig};
pub use driver::{
    ChannelHandle, ChannelState, CommandError, MAX_BUFFERED, Message, PeerEvent, PeerHandle,
    PeerOptions, Ports, PutError, SocketOptions, SocketOptionsError, Transport,
};
pub use ice_server::{IceServer, IceServerError};
pub use peer::{
    ConnectionState, DescriptionError, Event, Failure, GatheringState, Input, LinkEvent, LinkKey,
    LinkRequest, Output, PeerConnection,
};
pub use sdp::{Description, SdpError, SdpKind};
pub use signaling_state::{Side, SignalingState, WrongState};
pub use statistics::Statistics;
