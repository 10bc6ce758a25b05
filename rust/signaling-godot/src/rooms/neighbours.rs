//! Our WebRTC connections to those who publish in the room.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Instant;

use godot::classes::{MultiplayerApi, WebRtcMultiplayerPeer};
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::Signal;
use signaling_protocols::rooms::wire::Kind;
use signaling_protocols::rooms::{
    Channel, Participant, Publisher, Recipient, RoomRequest, RoomSession,
};

use super::tries::Tries;
use crate::peers::{LinkEvent, NamedMesh, Role};

/// A multiplayer peer, connected to the other publishers of one room.
pub(crate) struct Neighbours {
    me: Participant,
    mesh: NamedMesh,
    known: Rc<RefCell<Known>>,
}

/// Who is there, by the texts that stand for them. As many as publish.
type Known = BTreeMap<String, Neighbour>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Neighbour {
    who: Participant,
    /// Whether it is upon us to make the first offer.
    we_offer: bool,
    /// Whether it has described the connection that there is now.
    is_described: bool,
    tries: Tries,
}

impl Neighbours {
    /// Nobody is there yet. What is said to them goes through the session while there is one.
    pub(super) fn new(
        me: Participant,
        channel: Channel,
        configuration: VarDictionary,
        api: Gd<MultiplayerApi>,
        session: Weak<ClientHandle<RoomSession>>,
    ) -> Self {
        let known = Rc::new(RefCell::new(Known::new()));
        let addresses = Rc::clone(&known);
        let carry = move |name: &str, signal: Signal| {
            let kind = addresses.borrow().get(name).map(|to| kind(channel, to, signal));
            if let (Some(kind), Some(session)) = (kind, session.upgrade()) {
                // A queue this full belongs to a server that does not read.
                let _ = session.request(RoomRequest::Say(kind));
            }
        };
        let role = Role::Mesh(me.peer_id());
        let mesh = NamedMesh::new(role, configuration, api, Box::new(carry));
        Self { me, mesh, known }
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

    /// Takes in who publishes now.
    pub(super) fn note(&self, publishers: &[Publisher]) {
        let mut now = neighbours(Instant::now(), &self.me, publishers);
        let before = self.known.take();
        let mut new = Vec::new();
        for (name, neighbour) in &mut now {
            match before.get(name) {
                Some(known) if known.we_offer == neighbour.we_offer => *neighbour = known.clone(),
                _ => new.push((name.clone(), neighbour.clone())),
            }
        }
        let gone: Vec<_> = before.into_keys().filter(|name| !now.contains_key(name)).collect();
        self.known.replace(now);
        gone.iter().for_each(|name| self.mesh.remove(name));
        new.iter().for_each(|(name, neighbour)| self.meet(name, neighbour));
    }

    fn meet(&self, name: &str, neighbour: &Neighbour) {
        let id = neighbour.who.peer_id();
        self.mesh.renew(id, name, neighbour.we_offer);
    }

    /// Takes in what another publisher told.
    pub(super) fn hear(&self, from: &Participant, signal: &Signal) {
        let name = from.to_string();
        if !matches!(signal, Signal::Candidate { .. })
            && let Some(neighbour) = self.known.borrow_mut().get_mut(&name)
        {
            neighbour.is_described = true;
            neighbour.tries.note_description();
        }
        self.mesh.handle(&name, signal);
    }

    /// What has become of the connections since the last frame. Offers those again that have failed;
    /// while we are not `joined`, nobody would hear it.
    pub(super) fn turn(&self, joined: bool) -> Vec<LinkEvent> {
        let events = if joined { self.mesh.turn() } else { self.mesh.watch() };
        let now = Instant::now();
        for event in &events {
            self.note_link(now, event);
        }
        for (name, id) in self.take_due(now, joined) {
            self.mesh.renew(id, &name, true);
        }
        events
    }

    fn note_link(&self, now: Instant, event: &LinkEvent) {
        let (LinkEvent::Up(id) | LinkEvent::Failed { id, .. }) = event else { return };
        let mut known = self.known.borrow_mut();
        let neighbour = known.values_mut().find(|neighbour| neighbour.who.peer_id() == *id);
        let Some(Neighbour { tries, .. }) = neighbour else { return };
        match event {
            LinkEvent::Up(_) => tries.note_up(),
            _ => tries.note_failure(now),
        }
    }

    /// To whom a new offer is to be made.
    fn take_due(&self, now: Instant, joined: bool) -> Vec<(String, PeerId)> {
        let mut due = Vec::new();
        for (name, Neighbour { who, is_described, tries, .. }) in &mut *self.known.borrow_mut() {
            if !joined {
                tries.hold(now);
            } else if tries.take_due(now) {
                *is_described = false;
                due.push((name.clone(), who.peer_id()));
            }
        }
        due
    }

    /// Closes all connections and leaves the branch as if there had never been any.
    pub(super) fn close(&self) {
        self.mesh.close();
    }
}

/// With whom we are to be connected; those who only watch, with nobody. Of two publishers, whoever
/// is later in the list offers: in a call that is who was called. When the order of two has changed,
/// one of them has been away, and they begin anew.
fn neighbours(now: Instant, me: &Participant, publishers: &[Publisher]) -> Known {
    let mut we_offer = true;
    let mut others = Known::new();
    for Publisher { participant, .. } in publishers {
        if participant == me {
            we_offer = false;
        } else {
            let (who, tries) = (participant.clone(), Tries::begin(now, we_offer));
            let neighbour = Neighbour { who, we_offer, is_described: false, tries };
            others.insert(participant.to_string(), neighbour);
        }
    }
    if we_offer { Known::new() } else { others }
}

/// The signal of the protocol. In a call there is only one other, and nobody need be named.
fn kind(channel: Channel, to: &Neighbour, signal: Signal) -> Kind {
    // Only who has described itself can be asked for a new path.
    let is_restart = to.is_described;
    let to = channel.is_group().then(|| Recipient::from(to.who.clone()));
    match signal {
        Signal::Offer { sdp } => Kind::Offer { to, sdp, is_restart },
        Signal::Answer { sdp } => Kind::Answer { to, sdp },
        Signal::Candidate { sdp, .. } => Kind::Candidate { to, sdp },
    }
}

#[cfg(test)]
mod tests {
    use signaling_protocols::rooms::{Media, Profile, Role};

    use super::*;

    fn someone(name: &str) -> Participant {
        Participant::new(name, name)
    }

    /// To whom we offer, and who offers to us.
    fn offers(me: &str, publishers: &[&str]) -> (Vec<String>, Vec<String>) {
        let publisher = |name: &&str| Publisher {
            participant: someone(name),
            role: Role::Publisher,
            media: Media::default(),
            profile: Profile::default(),
        };
        let publishers: Vec<_> = publishers.iter().map(publisher).collect();
        let known = neighbours(Instant::now(), &someone(me), &publishers);
        let user = |neighbour: &Neighbour| neighbour.who.user.to_string();
        let (ours, theirs): (Vec<_>, Vec<_>) =
            known.values().partition(|neighbour| neighbour.we_offer);
        (ours.into_iter().map(user).collect(), theirs.into_iter().map(user).collect())
    }

    #[test]
    fn of_two_publishers_the_later_one_offers() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let list = ["c", "a", "b"];
        assert_eq!(offers("c", &list), (names(&[]), names(&["a", "b"])));
        assert_eq!(offers("a", &list), (names(&["c"]), names(&["b"])));
        assert_eq!(offers("b", &list), (names(&["a", "c"]), names(&[])));
    }

    #[test]
    fn who_does_not_publish_connects_to_nobody() {
        assert_eq!(offers("viewer", &["a", "b"]), (vec![], vec![]));
    }

    #[test]
    fn only_who_has_described_itself_is_asked_for_a_new_path() {
        let (who, tries) = (someone("a"), Tries::begin(Instant::now(), true));
        for is_described in [false, true] {
            let to =
                Neighbour { who: who.clone(), we_offer: true, is_described, tries: tries.clone() };
            let offer = kind(Channel::Call, &to, Signal::Offer { sdp: String::new() });
            let expected = Kind::Offer { to: None, sdp: String::new(), is_restart: is_described };
            assert_eq!(offer, expected);
        }
    }
}
