//! What only real sockets show. The protocol in these tests is a plain one: whatever a connection
//! says, all others hear; in `sessions` it is the real one.

mod clients;
mod closing;
mod gateway;
mod hall;
mod handshakes;
mod keepalive;
mod local;
mod notices;
mod ports;
mod reconnects;
mod rooms;
mod sessions;
mod slow_readers;
mod support;
