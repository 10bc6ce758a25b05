//! Our WebRTC connections to the members of one room.

use std::rc::{Rc, Weak};

use godot::classes::{MultiplayerApi, WebRtcMultiplayerPeer};
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::calling::wire::reply::Peers;
use signaling_protocols::calling::{
    CallingSession, ClientRequest, Event, PeerChange, PeerView, Request, Scope, handshake,
};

use super::asked::UNASKED;
use crate::peers::{LinkEvent, NamedMesh, Role};

/// A multiplayer peer, connected to the other members of one room.
pub(crate) struct Neighbours {
    room: Rc<str>,
    mesh: NamedMesh,
}

impl Neighbours {
    /// Nobody is there yet. What is said to them goes through the session while there is one.
    pub(super) fn new(
        room: &str,
        me: &str,
        configuration: VarDictionary,
        api: Gd<MultiplayerApi>,
        session: Weak<ClientHandle<CallingSession>>,
    ) -> Self {
        let room: Rc<str> = room.into();
        let place = Rc::clone(&room);
        let carry = move |user: &str, signal: Signal| {
            if let Some(session) = session.upgrade() {
                let request = Box::new(send(&place, user, &signal, &[]));
                // A queue this full belongs to a server that does not read.
                let _ = session.request(ClientRequest::Ask { ticket: UNASKED, request });
            }
        };
        let role = Role::Mesh(PeerId::of_name(me));
        Self { room, mesh: NamedMesh::new(role, configuration, api, Box::new(carry)) }
    }

    pub(super) fn room(&self) -> &str {
        &self.room
    }

    /// Makes it the multiplayer peer of its branch of the tree.
    pub(super) fn assign(&self) {
        self.mesh.assign();
    }

    pub(super) fn peer(&self) -> Gd<WebRtcMultiplayerPeer> {
        self.mesh.peer()
    }

    pub(super) fn statistics(&self, id: PeerId) -> VarDictionary {
        self.mesh.statistics(id)
    }

    /// Connects to those who were in the room before us, by their offers.
    pub(super) fn greet(&self, members: &Peers) {
        for (user, _) in members.iter().filter(|(_, member)| !member.pending) {
            self.mesh.add(PeerId::of_name(user), user, false);
        }
    }

    /// Takes in what the server tells of the room. Those who come after us get an offer.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::PeerAdded {
                scope: Scope::Room,
                room,
                user,
                peer: PeerView { pending: false, .. },
            }
            | Event::PeerUpdated { scope: Scope::Room, room, user, change: PeerChange::Accepted }
                if **room == *self.room =>
            {
                // Whoever was here before has hung up when it left.
                self.mesh.replace(PeerId::of_name(user), user, true);
            }
            Event::PeerRemoved { scope: Scope::Room, room, user } if **room == *self.room => {
                self.mesh.remove(user);
            }
            Event::Received { room, user, event, data } if **room == *self.room => {
                if let Some(signal) = handshake::decode(event, data) {
                    self.mesh.handle(user, &signal);
                }
            }
            _ => {}
        }
    }

    /// What has become of the connections since the last frame.
    pub(super) fn turn(&self) -> Vec<LinkEvent> {
        self.mesh.turn()
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(super) fn close(&self) {
        self.mesh.close();
    }
}

/// What tells a member this, in the words of existing clients.
pub(super) fn send(room: &str, user: &str, signal: &Signal, channels: &[&str]) -> Request {
    let (event, data) = handshake::encode(signal, channels);
    Request::Send { room: room.to_owned(), user: user.to_owned(), event: event.to_owned(), data }
}
