//! Who wants to come in, as the game is asked.

use std::cell::RefCell;
use std::rc::Rc;

use godot::prelude::*;
use signaling_protocols::godot::Topology;
use signaling_protocols::godot::server::{Asked, Verdict, Wish};

use super::to_int;
use crate::json;

/// Somebody who wants something of a [SignalingServer], and waits for the game's decision.
///
/// ```gdscript
/// func _ready() -> void:
///     server.hello_requested.connect(_on_hello_requested)
///
/// func _on_hello_requested(request: SignalingAdmission) -> void:
///     if await is_known(request.token):
///         request.accept()
///     else:
///         request.reject("Please log in again.")
/// ```
///
/// The decision may be made at once or later, but not after [member
/// SignalingServer.decision_timeout].
#[derive(GodotClass)]
#[class(no_init, base = RefCounted)]
pub(crate) struct SignalingAdmission {
    /// The address of the client, without a port; empty for one in this very game.
    #[var(no_set)]
    address: GString,

    /// The name that other players will see, see [member SignalingClient.player_name].
    #[var(no_set)]
    name: GString,

    /// The id for invitations, see [method SignalingClient.get_user]. Empty in [signal
    /// SignalingServer.hello_requested], and for clients of the plain protocol.
    #[var(no_set)]
    user: GString,

    /// What the client tells of who it is, see [member SignalingClient.auth_token].
    #[var(no_set)]
    token: GString,

    /// Its game, see [member SignalingClient.game_id].
    #[var(no_set)]
    game_id: GString,

    /// The version of its game, see [member SignalingClient.game_version].
    #[var(no_set)]
    game_version: GString,

    /// `true` for a client of the plain protocol, which tells nothing of itself.
    #[var(no_set)]
    plain: bool,

    /// What it wants others to see of it in the lobby, see [method SignalingClient.update_me].
    #[var(no_set)]
    metadata: VarDictionary,

    /// The code of the lobby that it wants to join; empty otherwise.
    #[var(no_set)]
    lobby: GString,

    /// The metadata of the lobby that it wants to join or to create.
    #[var(no_set)]
    lobby_metadata: VarDictionary,

    /// How many players may be in the lobby that it wants to join or to create; 0 in [signal
    /// SignalingServer.hello_requested].
    #[var(no_set)]
    lobby_max_players: i64,

    /// Whether the lobby that it wants to join or to create is in lists.
    #[var(no_set)]
    lobby_public: bool,

    /// Whether in the lobby that it wants to join or to create all players connect to each other,
    /// instead of to the host alone.
    #[var(no_set)]
    lobby_mesh: bool,

    ticket: u64,
    decisions: Option<Decisions>,
}

/// What was decided and is not handed over yet: at most one decision on each question, of which the
/// server has one for each client.
#[derive(Debug, Clone, Default)]
pub(super) struct Decisions(Rc<RefCell<Vec<(u64, Verdict)>>>);

#[godot_api]
impl SignalingAdmission {
    /// Lets it. Does nothing when it was decided on already, or it is too late.
    #[func]
    fn accept(&mut self) {
        self.decide(Ok(()));
    }

    /// Turns it away. `reason` is what the player is told, at most 120 bytes; if it is empty, that
    /// the server has turned it away. Does nothing when it was decided on already, or it is too late.
    #[func]
    fn reject(&mut self, #[opt(default = "")] reason: GString) {
        self.decide(Err(reason.to_string()));
    }

    /// Returns `true` after [method accept] or [method reject].
    #[func]
    fn is_decided(&self) -> bool {
        self.decisions.is_none()
    }
}

impl SignalingAdmission {
    pub(super) fn new(asked: &Asked, decisions: &Decisions) -> Gd<Self> {
        let lobby = match &asked.wish {
            Wish::Hello => None,
            Wish::Create(lobby) | Wish::Join(lobby) => Some(lobby),
        };
        Gd::from_object(Self {
            address: GString::from(&asked.address),
            name: GString::from(&asked.name),
            user: GString::from(&asked.user),
            token: GString::from(&asked.token),
            game_id: GString::from(&asked.game),
            game_version: GString::from(&asked.build),
            plain: asked.is_plain,
            metadata: json::object_to_dictionary(&asked.metadata),
            lobby: lobby.map(|lobby| GString::from(&lobby.code)).unwrap_or_default(),
            lobby_metadata: lobby
                .map(|lobby| json::object_to_dictionary(&lobby.metadata))
                .unwrap_or_default(),
            lobby_max_players: lobby.map_or(0, |lobby| to_int(lobby.max_players)),
            lobby_public: lobby.is_some_and(|lobby| lobby.is_public),
            lobby_mesh: lobby.is_some_and(|lobby| lobby.topology == Topology::Mesh),
            ticket: asked.ticket,
            decisions: Some(decisions.clone()),
        })
    }

    fn decide(&mut self, verdict: Verdict) {
        if let Some(decisions) = self.decisions.take() {
            decisions.0.borrow_mut().push((self.ticket, verdict));
        }
    }
}

impl Decisions {
    /// Hands over what is taken; the rest stays for the next time.
    pub(super) fn hand_over(&self, mut is_taken: impl FnMut(u64, &Verdict) -> bool) {
        self.0.borrow_mut().retain(|(ticket, verdict)| !is_taken(*ticket, verdict));
    }
}
