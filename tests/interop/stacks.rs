//! Who we are tested with.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

/// The folder that `cargo xtask interop` has filled with what the counterparts need.
const HOME: &str = "INTEROP_HOME";

/// Somebody else's WebRTC.
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    /// The program, and its arguments; paths are in [`HOME`].
    command: &'static [&'static str],
    /// The largest message it takes, in bytes.
    pub(crate) max_message_bytes: usize,
    /// What it calls a channel.
    pub(crate) label: &'static str,
    /// Whether it knows restarts of ICE.
    pub(crate) restarts_ice: bool,
}

/// Most stacks are like this one: libwebrtc in a browser, where host candidates are names in
/// `.local` unless it is told otherwise.
const CHROMIUM: Stack = Stack {
    name: "chromium",
    command: &["node", "chromium.js", "profile"],
    max_message_bytes: 256 * 1024,
    label: "Grüße",
    restarts_ice: true,
};

pub(crate) const STACKS: &[Stack] = &[
    CHROMIUM,
    Stack {
        name: "chromium_without_mdns",
        command: &["node", "chromium.js", "profile_without_mdns", WITHOUT_MDNS],
        ..CHROMIUM
    },
    Stack { name: "wrtc", command: &["node", "wrtc.js"], ..CHROMIUM },
    Stack {
        name: "libdatachannel",
        command: &["node", "libdatachannel.js"],
        restarts_ice: false,
        ..CHROMIUM
    },
    Stack {
        name: "aiortc",
        command: &["python/bin/python", "aiortc_peer.py"],
        // It announces the number of characters where that of bytes belongs.
        label: "greetings",
        restarts_ice: false,
        ..CHROMIUM
    },
    Stack {
        name: "webrtc_rs",
        command: &[env!("CARGO_BIN_EXE_webrtc-rs")],
        max_message_bytes: 64 * 1024,
        ..CHROMIUM
    },
];

/// Tells Chromium not to hide its addresses.
const WITHOUT_MDNS: &str = "--disable-features=WebRtcHideLocalIpsWithMdns";

impl Stack {
    pub(crate) fn command(&self) -> Result<Command> {
        let home = home()?;
        let (program, arguments) = self.command.split_first().context("a stack has a command")?;
        // A name without a folder is looked up on the PATH.
        let program = match program.contains('/') {
            true => home.join(program),
            false => PathBuf::from(program),
        };
        let mut command = Command::new(program);
        command.current_dir(home).args(arguments);
        Ok(command)
    }
}

/// The folder with what the counterparts need.
pub(crate) fn home() -> Result<PathBuf> {
    env::var_os(HOME).map(PathBuf::from).context("run `cargo xtask interop`")
}
