//! The sockets of one connection, and the names that its addresses hide behind.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::connection::Surroundings;
use super::io_thread::MAX_SOCKETS;
use super::multicast::Multicast;
use super::socket::Socket;
use super::socket_options::{Ports, SocketOptions};
use crate::candidate::Advertised;
use crate::mdns;

/// A socket for each address, bound as the owner wants it.
pub(super) struct Sockets {
    options: SocketOptions,
    /// Those of its own have the tokens that follow [`Surroundings::first_token`], in this order;
    /// nothing is left in the place of one whose address is gone.
    places: Vec<Option<Bound>>,
}

struct Bound {
    socket: Rc<Socket>,
    /// What others are told in place of the address.
    name: Option<String>,
}

impl Sockets {
    pub(super) fn new(options: SocketOptions) -> Self {
        Self { options, places: Vec::new() }
    }

    /// Whether none was ever bound.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether they are those that other connections use as well.
    pub(super) fn are_shared(&self) -> bool {
        matches!(self.options.ports, Ports::Shared(_))
    }

    /// Whether the owner said what to bind, and so should hear when that is not possible.
    pub(super) fn are_chosen(&self) -> bool {
        self.has_chosen_addresses() || self.options.ports != Ports::Any
    }

    /// Whether the owner said which addresses to bind, whatever becomes of the network.
    pub(super) fn has_chosen_addresses(&self) -> bool {
        !self.options.bind_addresses.is_empty()
    }

    /// The addresses to bind, of those that there are.
    pub(super) fn wanted(&self, present: impl FnOnce() -> Vec<IpAddr>) -> Vec<IpAddr> {
        let mut wanted = match &*self.options.bind_addresses {
            [] => present(),
            chosen => chosen.to_vec(),
        };
        wanted.truncate(MAX_SOCKETS);
        wanted
    }

    /// Whether one more address would be bound.
    pub(super) fn lacks(&self, address: IpAddr) -> bool {
        let mut bound = self.iter();
        self.iter().count() < MAX_SOCKETS && !bound.any(|socket| socket.local().ip() == address)
    }

    /// Binds an address, and says where and what to tell of it.
    pub(super) fn open(
        &mut self,
        address: IpAddr,
        around: &Surroundings<'_>,
    ) -> io::Result<(SocketAddr, Advertised)> {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        let socket = match self.options.ports {
            Ports::Shared(port) => {
                around.mux.borrow_mut().socket(around.registry, address, port)?
            }
            ports => {
                let mut socket = Socket::bind(address, ports)?;
                socket.register(around.registry, mio::Token(around.first_token + place))?;
                Rc::new(socket)
            }
        };
        let local = socket.local();
        let advertised = self.advertise(address, around);
        let name = match &advertised {
            Advertised::Name(name) => Some(name.clone()),
            Advertised::Itself | Advertised::Publicly(_) => None,
        };
        self.places.resize_with(self.places.len().max(place + 1), || None);
        self.places[place] = Some(Bound { socket, name });
        Ok((local, advertised))
    }

    fn advertise(&self, address: IpAddr, around: &Surroundings<'_>) -> Advertised {
        match Advertised::publicly(address, &self.options.public_addresses) {
            Advertised::Itself if self.options.hide_addresses => {
                let name = mdns::random_name(rand::random());
                around.multicast.borrow_mut().mdns().publish(&name, address);
                Advertised::Name(name)
            }
            advertised => advertised,
        }
    }

    /// Closes those whose address is gone, and says which.
    pub(super) fn close_where(
        &mut self,
        is_gone: impl Fn(IpAddr) -> bool,
        multicast: &RefCell<Multicast>,
    ) -> Vec<SocketAddr> {
        let mut closed = Vec::new();
        for place in &mut self.places {
            if let Some(bound) = place.take_if(|bound| is_gone(bound.socket.local().ip())) {
                bound.withdraw(multicast);
                closed.push(bound.socket.local());
            }
        }
        closed
    }

    /// Has nobody look for them any more.
    pub(super) fn withdraw(&self, multicast: &RefCell<Multicast>) {
        self.places.iter().flatten().for_each(|bound| bound.withdraw(multicast));
    }

    /// The one with this place among the tokens.
    pub(super) fn at(&self, place: usize) -> Option<&Socket> {
        self.places.get(place)?.as_ref().map(|bound| &*bound.socket)
    }

    /// The one that is bound there.
    pub(super) fn bound_to(&self, local: SocketAddr) -> Option<&Socket> {
        self.iter().find(|socket| socket.local() == local)
    }

    fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.places.iter().flatten().map(|bound| &*bound.socket)
    }
}

impl Bound {
    fn withdraw(&self, multicast: &RefCell<Multicast>) {
        if let Some(name) = &self.name {
            multicast.borrow_mut().mdns().withdraw(name);
        }
    }
}
