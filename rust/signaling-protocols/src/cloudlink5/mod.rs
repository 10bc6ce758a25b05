//! CloudLink 5: lobbies over one WebSocket, the WebRTC handshake over another, and messages of
//! games over data channels.
//!
//! ```text
//!   game ── lobby connection ──► lobby server    INIT, CREATE_LOBBY, JOIN_LOBBY, NEW_PEER, …
//!    │ └─── peer connection ───► PeerServer      OFFER, ANSWER, CANDIDATE by instance_id
//!    └───── data channels ─────► other games     G_MSG, P_MSG, G_VAR, P_LIST, NEW_CHAN, …
//! ```
//!
//! Each game has its own lobbies (`ugi` in the query). A lobby has a host, and members in the order
//! in which they came. Whoever is in a lobby hears of each newcomer and connects to it; the
//! newcomer itself is told of the host alone. There is no leave message: whoever leaves
//! disconnects, or enters another lobby. When the host goes, the oldest member is the next.
//!
//! Reading order:
//! - [`wire`]: frames to lobby messages and back; [`manage`]: what a host can do to its lobby.
//! - [`settings`]: limits, timers, accounts.
//! - [`server`]: all lobbies of one server, as a state machine.
//! - [`client`]: one client's session, as a state machine.
//! - [`peer_server`]: the server and the session of the WebRTC handshake.
//! - [`channels`]: what games say to each other over data channels.

pub mod channels;
pub mod client;
pub mod manage;
pub mod peer_server;
pub mod server;
pub mod settings;
pub mod wire;

pub use client::{LobbyEvent, LobbyOptions, LobbyRequest, LobbySession};
pub use manage::Manage;
pub use server::CloudLink5Server;
pub use settings::{Account, Settings};
