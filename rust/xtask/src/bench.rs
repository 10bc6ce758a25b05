//! Measures our connections beside those of libdatachannel, which is built for it alone.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::report::Echo;
use crate::workspace::Workspace;
use crate::{run, tools};

/// How long building may take on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// How long measuring may take: a round takes two minutes.
const LIMIT: Duration = Duration::from_secs(3600);

/// Passes the arguments on to the benchmark.
pub(crate) fn webrtc(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    tools::debian(&["cmake", "clang", "c++"])?;
    if !Path::new("/usr/include/openssl/ssl.h").exists() {
        tools::install(&["libssl-dev"])?;
    }
    let folder = workspace.root.join("tests/benches/webrtc");
    // So that our side is measured with the dependencies that it is shipped with.
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("copying Cargo.lock")?;
    let target = workspace.target.join("webrtc-bench");
    let mut build = workspace.cargo(["build", "--release", "--target-dir"]);
    build.arg(&target).current_dir(&folder);
    run::run("cargo build", build, BUILD_LIMIT, Echo::Live)?;
    let mut bench = std::process::Command::new(target.join("release/webrtc-bench"));
    bench.args(arguments);
    run::run("webrtc-bench", bench, LIMIT, Echo::Live)?;
    Ok(())
}
