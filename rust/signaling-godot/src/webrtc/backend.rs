//! Whether the engine's `WebRTCPeerConnection` is ours.

use godot::classes::{ClassDb, ProjectSettings, WebRtcPeerConnection};
use godot::global::godot_warn;
use godot::prelude::*;
use godot::register::info::PropertyHint;

use super::peer_connection::WebRtcNativePeerConnection;

/// A project setting: who stands behind `WebRTCPeerConnection`.
const SETTING: &str = "signaling/webrtc/backend";
/// What the official plugin registers.
const EXTERNAL_CLASS: &str = "WebRTCLibPeerConnection";

/// What the project asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// Another library when one is installed, else ours.
    Auto,
    /// Ours.
    Builtin,
    /// Another library's.
    External,
}

/// Makes `WebRTCPeerConnection.new()` return our class, unless another library is installed and
/// the project setting `signaling/webrtc/backend` leaves it the place. To be called once the
/// classes of all extensions are registered.
pub(crate) fn install_default_extension() {
    let backend = Backend::from_project_settings();
    let has_external = ClassDb::singleton().class_exists(EXTERNAL_CLASS);
    if backend.is_ours(has_external) {
        let class = WebRtcNativePeerConnection::class_id().to_string_name();
        WebRtcPeerConnection::set_default_extension(&class);
    } else if !has_external {
        godot_warn!(
            "The project setting \"{SETTING}\" is \"external\", but there is no other WebRTC \
            library: install one, or choose \"auto\"."
        );
    }
}

impl Backend {
    fn from_project_settings() -> Self {
        let default = "auto".to_variant();
        let mut settings = ProjectSettings::singleton();
        if !settings.has_setting(SETTING) {
            settings.set_setting(SETTING, &default);
        }
        settings.set_initial_value(SETTING, &default);
        settings.set_as_basic(SETTING, true);
        let info = vdict! {
            "name" => SETTING,
            "type" => VariantType::STRING.ord(),
            "hint" => PropertyHint::ENUM.ord(),
            "hint_string" => "auto,builtin,external",
        };
        settings.add_property_info(&info.upcast_any_dictionary());
        Self::parse(&settings.get_setting(SETTING).to_string())
    }

    fn parse(name: &str) -> Self {
        match name {
            "auto" => Self::Auto,
            "builtin" => Self::Builtin,
            "external" => Self::External,
            _ => {
                godot_warn!(
                    "The project setting \"{SETTING}\" is \"{name}\", which is none of \"auto\", \
                    \"builtin\" and \"external\": \"auto\" is assumed."
                );
                Self::Auto
            }
        }
    }

    fn is_ours(self, has_external: bool) -> bool {
        match self {
            Self::Auto => !has_external,
            Self::Builtin => true,
            Self::External => false,
        }
    }
}
