//! What the verbs of the clients' nodes return.

use godot::classes::object::ConnectFlags;
use godot::classes::{Engine, SceneTree};
use godot::global::Error;
use godot::prelude::*;

use super::failure::{Failure, Trouble};

/// A wish of the game that a client sees to, such as [SignalingClient] or [RoomClient], and what
/// comes of it.
///
/// Wait for [signal completed], and read the rest then:
///
/// ```gdscript
/// var request := client.join_lobby(code, {password = "secret"})
/// if await request.completed:
///     print("In the lobby ", request.value)
/// elif request.failure == SignalingClient.FAILURE_PASSWORD:
///     ask_for_the_password()
/// else:
///     status.text = request.message
/// ```
///
/// It does not have to be kept: the client keeps it until it is completed.
#[derive(GodotClass)]
#[class(no_init, base = RefCounted)]
pub(crate) struct SignalingRequest {
    /// [constant OK] if the request could be made, and otherwise how the method was misused:
    /// [constant ERR_INVALID_PARAMETER] if an argument makes no sense, [constant ERR_UNCONFIGURED]
    /// if there is no lobby or no server for it or the client is outside the tree, [constant
    /// ERR_UNAVAILABLE] for a `wss://` address or what the protocol does not know, [constant
    /// ERR_ALREADY_IN_USE] if we are in a lobby or room already, [constant ERR_BUSY] if too many
    /// requests wait already, or [constant ERR_CANT_CREATE] if the system grants no thread. [member
    /// message] says more. It can be read at once; [signal completed] follows in the next frame.
    #[var(no_set)]
    error: Error,

    /// Why it failed; [constant SignalingClient.FAILURE_NONE] before it is completed and if it
    /// succeeded.
    #[var(no_set)]
    failure: Failure,

    /// Why it failed, in a sentence that a player can read. Empty before it is completed and if it
    /// succeeded.
    #[var(no_set)]
    message: GString,

    /// What was asked for: see the method that made the request. `null` before it is completed.
    #[var(no_set)]
    value: Variant,

    /// More about [member value], or about why it failed: `hint` ([String]) tells the developer
    /// what to do about it, `name` ([String]) is the name of the failure.
    #[var(no_set)]
    details: VarDictionary,

    is_completed: bool,
    base: Base<RefCounted>,
}

/// What came of a request.
pub(crate) struct Outcome {
    trouble: Option<Trouble>,
    value: Variant,
    details: VarDictionary,
}

/// How a method was misused.
#[derive(Debug)]
pub(crate) struct Misuse {
    pub(crate) error: Error,
    pub(crate) failure: Failure,
    pub(crate) message: String,
    /// What to do about it, where the failure's own hint does not fit.
    pub(crate) hint: Option<&'static str>,
}

#[godot_api]
impl SignalingRequest {
    /// Emitted once, when it is known what came of the request, and never before the method that
    /// made it has returned: `ok` tells whether it succeeded. Not emitted when the game quits before.
    #[signal]
    fn completed(ok: bool);

    /// Returns `true` after [signal completed].
    #[func]
    fn is_completed(&self) -> bool {
        self.is_completed
    }
}

impl SignalingRequest {
    /// A request that waits for its outcome.
    pub(crate) fn begin() -> Gd<Self> {
        Gd::from_init_fn(|base| Self {
            error: Error::OK,
            failure: Failure::None,
            message: GString::new(),
            value: Variant::nil(),
            details: VarDictionary::new(),
            is_completed: false,
            base,
        })
    }

    /// Whether it was made, and its outcome is not known yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.error == Error::OK && !self.is_completed
    }

    /// A request that cannot be made; it is completed in the next frame.
    pub(crate) fn refused(misuse: Misuse) -> Gd<Self> {
        let mut request = Self::begin();
        request.bind_mut().error = misuse.error;
        request.bind_mut().message = GString::from(&misuse.message);
        let trouble = Trouble::new(misuse.failure).saying(&misuse.message).hinting(misuse.hint);
        Self::complete_later(&request, Outcome::failed(trouble));
        request
    }

    /// Tells what came of it.
    pub(crate) fn complete(this: &Gd<Self>, outcome: Outcome) {
        let ok = this.clone().bind_mut().take(outcome);
        this.signals().completed().emit(ok);
    }

    /// The same in the next frame: nobody listens before the method that made it has returned.
    pub(crate) fn complete_later(this: &Gd<Self>, outcome: Outcome) {
        let Some(main_loop) = Engine::singleton().get_main_loop() else { return };
        let Ok(tree) = main_loop.try_cast::<SceneTree>() else { return };
        let (request, mut outcome) = (this.clone(), Some(outcome));
        let mut signals = tree.signals();
        signals.process_frame().builder().flags(ConnectFlags::ONE_SHOT).connect(move || {
            if let Some(outcome) = outcome.take() {
                Self::complete(&request, outcome);
            }
        });
    }

    /// Returns whether it succeeded.
    fn take(&mut self, outcome: Outcome) -> bool {
        self.is_completed = true;
        (self.value, self.details) = (outcome.value, outcome.details);
        let Some(trouble) = outcome.trouble else { return true };
        self.failure = trouble.failure();
        self.message = trouble.message();
        self.details = trouble.details();
        false
    }
}

impl Outcome {
    pub(crate) fn done(value: Variant, details: VarDictionary) -> Self {
        Self { trouble: None, value, details }
    }

    pub(crate) fn failed(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), value: Variant::nil(), details: VarDictionary::new() }
    }

    /// The same with something to know although it failed.
    pub(crate) fn with_value(self, value: Variant) -> Self {
        Self { value, ..self }
    }
}

impl Misuse {
    pub(crate) fn new(error: Error, message: impl Into<String>) -> Self {
        Self { error, failure: Failure::Invalid, message: message.into(), hint: None }
    }

    /// As many requests wait already as can.
    pub(crate) fn busy() -> Self {
        let misuse = Self::new(Error::ERR_BUSY, "Too many requests wait already.");
        Self { failure: Failure::Overloaded, ..misuse }
    }

    /// An argument that makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Error::ERR_INVALID_PARAMETER, message)
    }
}
