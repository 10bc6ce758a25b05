//! Where the engine comes in.
#![allow(unsafe_code, reason = "the entry point of an extension is unsafe by declaration")]

use godot::prelude::*;

use crate::{calling, client, cloudlink, rooms, runtime, webrtc};

struct SignalingExtension;

// SAFETY: the entry point itself is generated, and `on_stage_deinit` joins our threads before the
// library can be unloaded. The exception is a name lookup that hangs in the system's resolver: it
// cannot be interrupted, and waiting for it would hang the game's exit.
#[gdextension]
unsafe impl ExtensionLibrary for SignalingExtension {
    fn on_stage_init(stage: InitStage) {
        match stage {
            InitStage::Scene => {
                client::register_enums();
                rooms::register_enums();
                calling::register_enums();
                cloudlink::register_enums();
            }
            InitStage::MainLoop => webrtc::install_default_extension(),
            _ => {}
        }
    }

    fn on_stage_deinit(stage: InitStage) {
        if stage == InitStage::MainLoop {
            runtime::shut_down();
            webrtc::shut_down();
        }
    }
}
