//! What the nodes of all clients do alike: they live in the tree, take their turn once a frame, and
//! tell of their state, of failures and of their connections by signals of the same names.
//!
//! Handlers may call back, remove or free the node: nothing is borrowed while a signal is emitted,
//! and after each it is asked whether there is still something to tell.

use std::rc::Rc;

use godot::classes::Node;
use godot::classes::notify::NodeNotification;
use godot::obj::{WithBaseField, WithSignals};
use godot::prelude::*;
use godot::signal::ConnectHandle;

use crate::client::failure::Trouble;
use crate::frame::each_frame;
use crate::json;
use crate::peers::LinkEvent;

/// A node that is the client of a signaling server. It has the signals `state_changed`, `failed`,
/// `link_unstable`, `link_recovered`, `peer_failed` and `ice_server_failed`.
pub(crate) trait ClientNode:
    WithBaseField<Base = Node> + Inherits<Node> + WithSignals
{
    type State: Copy + PartialEq + ToGodot;
    /// What its session tells.
    type Event;
    /// Its connections to others.
    type Connections;

    /// Set while the node is inside the tree.
    fn turns(&mut self) -> &mut Option<ConnectHandle>;

    /// Counts sessions, so that what an old one still has to tell is not told.
    fn epoch(&self) -> u64;

    /// How it stands, and what was told last.
    fn states(&mut self) -> (Self::State, &mut Self::State);

    fn connections(&self) -> Option<&Rc<Self::Connections>>;

    /// What the session has told since the last call; `None` when there is no session.
    fn take_events(&mut self) -> Option<Vec<Self::Event>>;

    /// Notes and tells one event of the session.
    fn turn_event(this: &mut Gd<Self>, epoch: u64, event: Self::Event);

    /// Tells what has become of the connections to others.
    fn turn_connections(this: &mut Gd<Self>);

    /// Ends everything. No signal follows.
    fn stop(this: Gd<Self>);
}

/// Lets the node take turns while it is inside the tree.
pub(crate) fn follow_tree<C: ClientNode>(node: &mut C, what: NodeNotification) {
    match what {
        NodeNotification::ENTER_TREE => *node.turns() = Some(each_frame(&node.to_gd(), turn::<C>)),
        NodeNotification::EXIT_TREE => {
            node.turns().take().into_iter().for_each(ConnectHandle::disconnect);
            let this = node.to_gd();
            // What the multiplayer API emits meanwhile may call back.
            let _unlocked = node.base_mut();
            C::stop(this);
        }
        _ => {}
    }
}

fn turn<C: ClientNode>(mut this: Gd<C>) {
    turn_session(&mut this);
    if this.is_instance_valid() {
        C::turn_connections(&mut this);
    }
}

/// Tells what the session has to tell, unless a handler puts an end to it.
fn turn_session<C: ClientNode>(this: &mut Gd<C>) {
    tell_state(this);
    if !this.is_instance_valid() {
        return;
    }
    let (epoch, events) = {
        let mut node = this.bind_mut();
        (node.epoch(), node.take_events())
    };
    for event in events.into_iter().flatten() {
        C::turn_event(this, epoch, event);
        if !is_current(this, epoch) {
            return;
        }
    }
}

/// Whether there is still something to tell of a session.
pub(crate) fn is_current<C: ClientNode>(client: &Gd<C>, epoch: u64) -> bool {
    client.is_instance_valid() && client.bind().epoch() == epoch
}

/// Whether there is still something to tell of the connections.
pub(crate) fn has<C: ClientNode>(client: &Gd<C>, connections: &Rc<C::Connections>) -> bool {
    let is = |current: &Rc<C::Connections>| Rc::ptr_eq(current, connections);
    client.is_instance_valid() && client.bind().connections().is_some_and(is)
}

/// Tells how the node stands if that has changed.
pub(crate) fn tell_state<C: ClientNode>(this: &mut Gd<C>) {
    let (old, new) = {
        let mut node = this.bind_mut();
        let (new, told) = node.states();
        (std::mem::replace(told, new), new)
    };
    if old != new {
        emit(this, "state_changed", vslice![old, new]);
    }
}

pub(crate) fn emit_failed<C: ClientNode>(client: &Gd<C>, trouble: &Trouble) {
    let (failure, message) = (trouble.failure(), trouble.message());
    emit(client, "failed", vslice![failure, message, trouble.details()]);
}

/// Tells what has become of one of the connections.
pub(crate) fn tell_link<C: ClientNode>(
    client: &Gd<C>,
    connections: &Rc<C::Connections>,
    event: &LinkEvent,
) {
    match event {
        LinkEvent::Unstable(id) => emit(client, "link_unstable", vslice![json::id(*id)]),
        LinkEvent::Recovered(id) => emit(client, "link_recovered", vslice![json::id(*id)]),
        LinkEvent::Failed { id, reason, .. } => {
            emit(client, "peer_failed", vslice![json::id(*id), GString::from(reason)]);
        }
        LinkEvent::ServerFailed { url, code, reason } => {
            emit(client, "ice_server_failed", vslice![url.clone(), *code, reason.clone()]);
        }
        LinkEvent::Up(_) | LinkEvent::Closed(_) | LinkEvent::Impossible { .. } => {}
    }
    if let Some(trouble) = Trouble::of_link(event).filter(|_| has(client, connections)) {
        emit_failed(client, &trouble);
    }
}

fn emit<C: ClientNode>(client: &Gd<C>, signal: &str, arguments: &[Variant]) {
    client.clone().upcast::<Node>().emit_signal(signal, arguments);
}
