//! What only real sockets show. The protocol in these tests is a plain one: whatever a connection
//! says, all others hear.

mod clients;
mod closing;
mod hall;
mod handshakes;
mod keepalive;
mod local;
mod notices;
mod ports;
mod reconnects;
mod slow_readers;
mod support;
