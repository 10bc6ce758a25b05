//! Our WebRTC connections to those who publish in the room.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use godot::classes::{MultiplayerApi, WebRtcMultiplayerPeer};
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_net::ClientHandle;
use signaling_protocols::rooms::wire::Kind;
use signaling_protocols::rooms::{
    Channel, Participant, Publisher, Recipient, RoomRequest, RoomSession,
};

use crate::peers::{LinkEvent, NamedMesh, Role, Signal};

/// A multiplayer peer, connected to the other publishers of one room.
pub(super) struct Neighbours {
    me: Participant,
    mesh: NamedMesh,
    known: Rc<RefCell<Known>>,
}

/// Who is there, by the texts that stand for them. As many as publish.
type Known = BTreeMap<String, Neighbour>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Neighbour {
    who: Participant,
    /// Whether it is upon us to make the offer.
    we_offer: bool,
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
            let to = addresses.borrow().get(name).map(|neighbour| neighbour.who.clone());
            if let (Some(to), Some(session)) = (to, session.upgrade()) {
                // A queue this full belongs to a server that does not read.
                let _ = session.request(RoomRequest::Say(kind(channel, to, signal)));
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
        let now = neighbours(&self.me, publishers);
        let before = self.known.replace(now.clone());
        for name in before.keys().filter(|name| !now.contains_key(*name)) {
            self.mesh.remove(name);
        }
        for (name, neighbour) in &now {
            if before.get(name) != Some(neighbour) {
                self.meet(name, neighbour);
            }
        }
    }

    fn meet(&self, name: &str, neighbour: &Neighbour) {
        let id = neighbour.who.peer_id();
        if !self.mesh.renew(id, name, neighbour.we_offer) {
            godot_warn!("RoomClient cannot connect to \"{name}\": its peer id {id} is taken.");
        }
    }

    /// Takes in what another publisher told.
    pub(super) fn hear(&self, from: &Participant, signal: &Signal) {
        self.mesh.handle(&from.to_string(), signal);
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

/// With whom we are to be connected; those who only watch, with nobody. Of two publishers, whoever
/// is later in the list offers: in a call that is who was called. When the order of two has changed,
/// one of them has been away, and they begin anew.
fn neighbours(me: &Participant, publishers: &[Publisher]) -> Known {
    let mut we_offer = true;
    let mut others = Known::new();
    for Publisher { participant, .. } in publishers {
        if participant == me {
            we_offer = false;
        } else {
            let neighbour = Neighbour { who: participant.clone(), we_offer };
            others.insert(participant.to_string(), neighbour);
        }
    }
    if we_offer { Known::new() } else { others }
}

/// The signal of the protocol. In a call there is only one other, and nobody need be named.
fn kind(channel: Channel, to: Participant, signal: Signal) -> Kind {
    let to = channel.is_group().then(|| Recipient::from(to));
    match signal {
        Signal::Offer(sdp) => Kind::Offer { to, sdp, is_restart: false },
        Signal::Answer(sdp) => Kind::Answer { to, sdp },
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
        let known = neighbours(&someone(me), &publishers);
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
}
