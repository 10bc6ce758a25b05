//! One served protocol, whichever it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use signaling_core::overview::{LobbyNotice, LobbyView, Overview};
use signaling_net::{Entrance, Notices, ServerHandle};
use signaling_protocols::routing::Protocol;

/// A served protocol that tells of its lobbies in the common way.
pub trait Tongue: Send + Sync {
    /// Which protocol.
    fn protocol(&self) -> Protocol;

    /// The way in.
    fn entrance(&self) -> Arc<dyn Entrance>;

    /// How many connections it has at the moment. Never blocks.
    fn connection_count(&self) -> usize;

    /// What has happened since the last call. Never waits for the machine.
    fn take_notices(&self) -> Notices<LobbyNotice>;

    /// Waits until there may be something in [`Tongue::take_notices`]; for one waiter at a time.
    fn noticed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Drops the notices that wait and reads all lobbies, so that the next notice follows exactly
    /// what was read.
    fn resync(&self) -> Vec<LobbyView>;

    /// Closes every connection with 1001 and lets nobody in any more.
    fn shutdown(&self);

    /// Waits until everything has ended after a [`Tongue::shutdown`].
    fn closed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A machine and its protocol.
pub(crate) struct Spoken<S: Overview> {
    pub(crate) protocol: Protocol,
    pub(crate) server: ServerHandle<S>,
}

impl<S: Overview> Tongue for Spoken<S> {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn entrance(&self) -> Arc<dyn Entrance> {
        self.server.entrance()
    }

    fn connection_count(&self) -> usize {
        self.server.connection_count()
    }

    fn take_notices(&self) -> Notices<LobbyNotice> {
        self.server.take_notices()
    }

    fn noticed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.server.noticed())
    }

    fn resync(&self) -> Vec<LobbyView> {
        self.server.resync(S::lobbies)
    }

    fn shutdown(&self) {
        self.server.shutdown();
    }

    fn closed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.server.closed())
    }
}
