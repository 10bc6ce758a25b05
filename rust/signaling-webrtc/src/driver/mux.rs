//! Sockets that connections share, so that one port serves them all.
//!
//! A datagram is for the connection
//! - whose username fragment it names, if it is a STUN request (RFC 8445, section 7.2.2);
//! - that asked, if it is an answer;
//! - whose path leads to where it came from, otherwise.
//!
//! Every table grows by what our own connections do, never by what arrives.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use is::stun::StunMessage;

use super::io_thread::PeerKey;
use super::socket::Socket;
use super::socket_options::Ports;
use crate::demux::Layer;

/// Addresses of the other side that lead to one connection; the oldest is forgotten.
const MAX_REMOTES: usize = 64;
/// Requests whose answers can be told apart; the answer to one before counts as lost.
const MAX_REQUESTS: usize = 4096;

/// The shared sockets, and who uses them for what.
pub(super) struct Mux {
    first_token: usize,
    /// In the order of their tokens.
    sockets: Vec<Option<Rc<Socket>>>,
    users: HashMap<PeerKey, User>,
    by_name: HashMap<String, PeerKey>,
    by_path: HashMap<Path, PeerKey>,
    requests: Requests,
}

/// What the tables hold of one connection.
#[derive(Default)]
struct User {
    names: Vec<String>,
    paths: VecDeque<Path>,
}

/// One of our sockets, and an address of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Path {
    local: SocketAddr,
    remote: SocketAddr,
}

/// Who sent the latest requests, oldest first.
#[derive(Default)]
struct Requests {
    order: VecDeque<TransactionId>,
    senders: HashMap<TransactionId, PeerKey>,
}

type TransactionId = [u8; 12];

/// The class of a STUN message (RFC 8489, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Request,
    Indication,
    Answer,
}

impl Mux {
    /// The sockets get this token and those that follow.
    pub(super) fn new(first_token: usize) -> Self {
        Self {
            first_token,
            sockets: Vec::new(),
            users: HashMap::new(),
            by_name: HashMap::new(),
            by_path: HashMap::new(),
            requests: Requests::default(),
        }
    }

    /// The socket of this address and port, bound when it is first asked for.
    pub(super) fn socket(
        &mut self,
        registry: &mio::Registry,
        address: IpAddr,
        port: u16,
    ) -> io::Result<Rc<Socket>> {
        let local = SocketAddr::new(address, port);
        if let Some(known) = self.sockets.iter().flatten().find(|known| known.local() == local) {
            return Ok(Rc::clone(known));
        }
        let mut socket = Socket::bind(address, Ports::Shared(port))?;
        let place = self.sockets.iter().position(Option::is_none).unwrap_or(self.sockets.len());
        socket.register(registry, mio::Token(self.first_token + place))?;
        let socket = Rc::new(socket);
        self.sockets.resize(self.sockets.len().max(place + 1), None);
        self.sockets[place] = Some(Rc::clone(&socket));
        Ok(socket)
    }

    /// The socket that this token was given to; `None` when it is not used any more.
    pub(super) fn by_token(&self, token: mio::Token) -> Option<Rc<Socket>> {
        self.sockets.get(token.0.checked_sub(self.first_token)?)?.clone()
    }

    /// The username fragments of a connection, in place of those before.
    pub(super) fn set_names<'a>(&mut self, key: PeerKey, names: impl Iterator<Item = &'a str>) {
        let user = self.users.entry(key).or_default();
        for name in user.names.drain(..) {
            self.by_name.remove(&name);
        }
        user.names.extend(names.map(str::to_owned));
        self.by_name.extend(user.names.iter().map(|name| (name.clone(), key)));
    }

    /// A connection sends this; `is_chosen` tells that its data goes there.
    pub(super) fn sent(
        &mut self,
        key: PeerKey,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        is_chosen: bool,
    ) {
        match stun_header(datagram) {
            // Whoever is asked has not shown yet that there is anybody.
            Some((Class::Request, id)) => self.requests.add(id, key),
            _ => self.learn(key, Path { local, remote }, is_chosen),
        }
    }

    /// The datagrams of a path are for one connection. Another may take it over if it is newer and
    /// has the path for sure: the other side began anew from the same port. To others it belongs
    /// until the end of the connection, whatever addresses are forged.
    fn learn(&mut self, key: PeerKey, path: Path, is_chosen: bool) {
        match self.by_path.get(&path) {
            Some(holder) if !is_chosen || *holder >= key => return,
            _ => {}
        }
        let user = self.users.entry(key).or_default();
        if user.paths.len() == MAX_REMOTES
            && let Some(oldest) = user.paths.pop_front()
            && self.by_path.get(&oldest) == Some(&key)
        {
            self.by_path.remove(&oldest);
        }
        user.paths.push_back(path);
        self.by_path.insert(path, key);
    }

    /// Who this is for, if anybody.
    pub(super) fn owner(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<PeerKey> {
        let holder = self.by_path.get(&Path { local, remote }).copied();
        let addressee = match stun_header(datagram) {
            Some((Class::Request, _)) => {
                let message = StunMessage::parse(datagram).ok()?;
                self.by_name.get(message.split_username()?.0).copied()?
            }
            Some((Class::Answer, id)) => self.requests.sender(id)?,
            Some((Class::Indication, _)) | None => holder?,
        };
        // One whose path was taken over hears nothing more, and so notices.
        (holder.unwrap_or(addressee) <= addressee).then_some(addressee)
    }

    /// A connection is over. Sockets that nobody uses any more are closed.
    pub(super) fn forget(&mut self, key: PeerKey) {
        if let Some(user) = self.users.remove(&key) {
            for name in user.names {
                self.by_name.remove(&name);
            }
            for path in user.paths {
                if self.by_path.get(&path) == Some(&key) {
                    self.by_path.remove(&path);
                }
            }
        }
        for socket in &mut self.sockets {
            socket.take_if(|socket| Rc::strong_count(socket) == 1);
        }
    }
}

impl Requests {
    fn add(&mut self, id: TransactionId, sender: PeerKey) {
        if self.senders.insert(id, sender).is_some() {
            return; // Sent again.
        }
        self.order.push_back(id);
        if self.order.len() > MAX_REQUESTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.senders.remove(&oldest);
        }
    }

    fn sender(&self, id: TransactionId) -> Option<PeerKey> {
        self.senders.get(&id).copied()
    }
}

/// Class and transaction of a STUN message; `None` for anything else.
fn stun_header(datagram: &[u8]) -> Option<(Class, TransactionId)> {
    if Layer::of(datagram) != Some(Layer::Stun) {
        return None;
    }
    let kind = u16::from_be_bytes(*datagram.first_chunk()?);
    let class = match kind & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        _ => Class::Answer,
    };
    Some((class, datagram.get(8..20)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use is::stun::TransId;

    use super::*;

    const LOCAL: &str = "192.0.2.1:5000";
    const REMOTE: &str = "198.51.100.7:6000";
    const DTLS: &[u8] = &[22, 254, 253];
    const REQUEST: [u8; 2] = [0x00, 0x01];
    const INDICATION: [u8; 2] = [0x00, 0x17];
    const SUCCESS: [u8; 2] = [0x01, 0x01];
    const ERROR: [u8; 2] = [0x01, 0x11];
    const OLD: PeerKey = PeerKey(1);
    const NEW: PeerKey = PeerKey(2);

    fn owner(mux: &Mux, datagram: &[u8]) -> Option<PeerKey> {
        mux.owner(LOCAL.parse().unwrap(), REMOTE.parse().unwrap(), datagram)
    }

    fn sent(mux: &mut Mux, key: PeerKey, datagram: &[u8], is_chosen: bool) {
        mux.sent(key, LOCAL.parse().unwrap(), REMOTE.parse().unwrap(), datagram, is_chosen);
    }

    fn check(username: &str) -> Vec<u8> {
        let message = StunMessage::binding_request(username, TransId::new(), true, 1, 1, false);
        let mut buffer = [0; 200];
        let size = message.to_bytes(Some(b"password"), &mut buffer, |_, _| [0; 20]).unwrap();
        buffer[..size].to_vec()
    }

    fn header(kind: [u8; 2], id: u16) -> Vec<u8> {
        [&kind[..], &[0; 16], &id.to_be_bytes()].concat()
    }

    #[test]
    fn a_check_is_for_whom_it_names() {
        let mut mux = Mux::new(0);
        mux.set_names(OLD, ["old", "older"].into_iter());
        mux.set_names(NEW, ["new"].into_iter());
        for (name, expected) in
            [("old:x", Some(OLD)), ("older:x", Some(OLD)), ("new:x", Some(NEW)), ("x:new", None)]
        {
            assert_eq!(owner(&mux, &check(name)), expected, "{name}");
        }
        mux.set_names(OLD, ["young"].into_iter());
        assert_eq!(owner(&mux, &check("old:x")), None);
        mux.forget(NEW);
        assert_eq!(owner(&mux, &check("new:x")), None);
    }

    #[test]
    fn an_answer_is_for_who_asked() {
        let mut mux = Mux::new(0);
        sent(&mut mux, OLD, &header(REQUEST, 1), false);
        sent(&mut mux, NEW, &header(REQUEST, 2), false);
        assert_eq!(owner(&mux, &header(SUCCESS, 1)), Some(OLD));
        assert_eq!(owner(&mux, &header(ERROR, 2)), Some(NEW));
        assert_eq!(owner(&mux, &header(SUCCESS, 3)), None);
        assert_eq!(owner(&mux, &header(INDICATION, 1)), None);
        assert_eq!(owner(&mux, DTLS), None, "asking is not enough for a path");
    }

    #[test]
    fn data_is_for_whose_path_it_is() {
        let mut mux = Mux::new(0);
        sent(&mut mux, OLD, &header(SUCCESS, 1), false);
        assert_eq!(owner(&mux, DTLS), Some(OLD));
        assert_eq!(owner(&mux, &header(INDICATION, 1)), Some(OLD));
        let elsewhere = "198.51.100.7:6001".parse().unwrap();
        assert_eq!(mux.owner(LOCAL.parse().unwrap(), elsewhere, DTLS), None);
        mux.forget(OLD);
        assert_eq!(owner(&mux, DTLS), None);
    }

    #[test]
    fn a_path_is_taken_over_only_by_a_newer_connection_that_uses_it() {
        let mut mux = Mux::new(0);
        mux.set_names(OLD, ["old"].into_iter());
        sent(&mut mux, OLD, DTLS, true);
        // It may be a forged address that was answered.
        sent(&mut mux, NEW, &header(SUCCESS, 1), false);
        assert_eq!(owner(&mux, DTLS), Some(OLD));
        sent(&mut mux, NEW, &header(SUCCESS, 2), true);
        assert_eq!(owner(&mux, DTLS), Some(NEW));
        sent(&mut mux, OLD, DTLS, true);
        assert_eq!(owner(&mux, DTLS), Some(NEW));
        assert_eq!(owner(&mux, &check("old:x")), None, "it should notice");
        mux.forget(OLD);
        assert_eq!(owner(&mux, DTLS), Some(NEW));
    }

    #[test]
    fn strangers_leave_no_trace_and_users_little() {
        let mut mux = Mux::new(0);
        for id in 0..10_000 {
            for kind in [REQUEST, INDICATION, SUCCESS, ERROR] {
                assert_eq!(owner(&mux, &header(kind, id)), None);
            }
            assert_eq!(owner(&mux, &[22, 0]), None);
        }
        assert!(mux.users.is_empty() && mux.by_path.is_empty() && mux.requests.order.is_empty());
        for id in 0..10_000 {
            sent(&mut mux, OLD, &header(REQUEST, id), false);
            let remote = SocketAddr::new([198, 51, 100, 7].into(), id);
            mux.sent(OLD, LOCAL.parse().unwrap(), remote, DTLS, true);
        }
        assert_eq!((mux.requests.order.len(), mux.requests.senders.len()), (4096, 4096));
        assert_eq!((mux.by_path.len(), mux.users[&OLD].paths.len()), (64, 64));
        assert_eq!(owner(&mux, &header(SUCCESS, 9_999)), Some(OLD));
    }
}
