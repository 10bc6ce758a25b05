//! One session with a server.

use std::rc::{Rc, Weak};

use godot::global::Error;
use signaling_net::{ClientConfig, ClientHandle, Endpoint};
use signaling_protocols::godot::extended::Request;
use signaling_protocols::godot::{ClientEvent, ClientRequest, GodotSession, SessionOptions};

use super::request::Misuse;
use crate::line;

/// The main thread's end of a session; the network thread has the other. Dropping it closes the
/// connection.
pub(super) struct Session {
    handle: Rc<ClientHandle<GodotSession>>,
    /// How many requests were made.
    tickets: u64,
    /// True while the request to close found no room.
    close_waits: bool,
}

impl Session {
    /// Starts to connect.
    ///
    /// # Errors
    /// `ERR_CANT_CREATE` when there is no network thread, or no randomness.
    pub(super) fn connect(endpoint: Endpoint, options: SessionOptions) -> Result<Self, Misuse> {
        let machine = |rng| GodotSession::new(options, rng);
        let handle = line::connect(endpoint, machine, ClientConfig::default())?;
        Ok(Self { handle: Rc::new(handle), tickets: 0, close_waits: false })
    }

    /// For those who send through this session as long as it lives.
    pub(super) fn handle(&self) -> Weak<ClientHandle<GodotSession>> {
        Rc::downgrade(&self.handle)
    }

    /// What the session has told since the last call.
    pub(super) fn take_events(&mut self) -> Vec<ClientEvent> {
        if self.close_waits {
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

    /// Asks for something that will be answered; returns the ticket that the answer names. What is
    /// asked before the connection stands is sent by the network thread as soon as it does, so that
    /// a busy main thread misses no deadline.
    ///
    /// # Errors
    /// When too many requests wait already.
    pub(super) fn ask(&mut self, request: Request) -> Result<u64, Misuse> {
        let (ticket, request) = (self.tickets + 1, Box::new(request));
        match self.request(ClientRequest::Ask { ticket, request }) {
            Error::OK => self.tickets = ticket,
            _ => return Err(Misuse::busy()),
        }
        Ok(ticket)
    }

    /// Leaves the lobby, and ends the session.
    pub(super) fn close(&mut self) {
        self.close_waits = self.handle.request(ClientRequest::Close).is_err();
    }
}

impl Drop for Session {
    /// What is only cut off would be waited for by the server.
    fn drop(&mut self) {
        let _ = self.handle.request(ClientRequest::Close);
    }
}
