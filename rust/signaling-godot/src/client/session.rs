//! One connection to a server.

use std::rc::{Rc, Weak};

use godot::global::Error;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use signaling_net::{ClientConfig, ClientHandle, Endpoint};
use signaling_protocols::godot::{
    ClientEvent, ClientRequest, GodotSession, Join, Protocol, SessionOptions,
};

use crate::runtime;

/// The main thread's end of a connection; the network thread has the other. Dropping it closes the
/// connection.
pub(super) struct Session {
    handle: Rc<ClientHandle<GodotSession>>,
    join: Join,
    joining: Joining,
    open: bool,
    /// True while a request to close found no room.
    closing: bool,
}

/// Whether the server was asked to let us in: it refuses who asks twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joining {
    NotAsked,
    WhenOpen,
    Asked,
}

impl Session {
    /// Starts to connect. With `autojoin` the network thread joins by itself as soon as it can, so
    /// that a busy main thread does not miss the deadline.
    ///
    /// # Errors
    /// `ERR_CANT_CREATE` when there is no network thread, or no randomness.
    pub(super) fn connect(endpoint: Endpoint, join: Join, autojoin: bool) -> Result<Self, Error> {
        let runtime = runtime::handle().map_err(|_| Error::ERR_CANT_CREATE)?;
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(|_| Error::ERR_CANT_CREATE)?;
        let auto_join = autojoin.then(|| join.clone());
        let options =
            SessionOptions { protocol: Protocol::Plain, auto_join, ..SessionOptions::default() };
        let machine = GodotSession::new(options, rng);
        let handle = signaling_net::connect(&runtime, endpoint, machine, ClientConfig::default());
        let joining = if autojoin { Joining::Asked } else { Joining::NotAsked };
        Ok(Self { handle: Rc::new(handle), join, joining, open: false, closing: false })
    }

    /// For those who send through this connection as long as it lives.
    pub(super) fn handle(&self) -> Weak<ClientHandle<GodotSession>> {
        Rc::downgrade(&self.handle)
    }

    /// What the connection has told since the last call.
    pub(super) fn take_events(&mut self) -> Vec<ClientEvent> {
        if self.closing {
            self.close();
        }
        self.handle.take_events()
    }

    pub(super) fn request(&self, request: ClientRequest) -> Error {
        match self.handle.request(request) {
            Ok(()) => Error::OK,
            Err(_) => Error::ERR_BUSY,
        }
    }

    /// Joins `lobby`, or the one that was meant at first if it is empty; not before the connection
    /// stands.
    pub(super) fn join(&mut self, lobby: String) -> Error {
        if self.joining != Joining::NotAsked {
            return Error::ERR_ALREADY_IN_USE;
        }
        if !lobby.is_empty() {
            self.join.lobby = lobby;
        }
        self.joining = Joining::WhenOpen;
        self.ask_if_open()
    }

    /// The connection stands.
    pub(super) fn opened(&mut self) {
        self.open = true;
        self.ask_if_open();
    }

    pub(super) fn close(&mut self) {
        self.closing = self.handle.request(ClientRequest::Close).is_err();
    }

    fn ask_if_open(&mut self) -> Error {
        if !self.open || self.joining != Joining::WhenOpen {
            return Error::OK;
        }
        self.joining = Joining::Asked;
        self.request(ClientRequest::Join(self.join.clone()))
    }
}
