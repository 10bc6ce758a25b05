//! Builds the extension and puts a copy of the addon into a project.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::files;
use crate::godot;
use crate::report::Echo;
use crate::run;
use crate::workspace::Workspace;

/// How long a build from nothing may take on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Where the addon is, in the checkout and in every project.
const ADDON: &str = "addons/signaling";
/// The file of the addon that tells the engine where the libraries are.
const MANIFEST: &str = "addons/signaling/signaling.gdextension";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Builds the library of the extension.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<()> {
    let mut cargo = workspace.cargo(["build", "--package", "signaling-godot"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    run::run("build", cargo, BUILD_LIMIT, Echo::Live)?;
    Ok(())
}

/// Copies the addon and the library that was built with `profile` into `project`.
pub(crate) fn install(workspace: &Workspace, project: &Path, profile: Profile) -> Result<()> {
    files::mirror(&workspace.root.join(ADDON), &project.join(ADDON), &["bin"])?;
    let library = project.join(library_path(workspace, profile)?);
    files::replace(&built_library(workspace, profile), &library)?;
    list(project)
}

/// Names the extension in the file where the engine notes the extensions it knows. An engine
/// without a window crashes at exit when it discovers an extension in that very run.
fn list(project: &Path) -> Result<()> {
    let folder = project.join(".godot");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("extension_list.cfg"), format!("res://{MANIFEST}\n"))?;
    Ok(())
}

fn built_library(workspace: &Workspace, profile: Profile) -> std::path::PathBuf {
    let name = format!("{}signaling_godot{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    workspace.target.join(profile.name()).join(name)
}

/// Where the engine looks for the library on this machine, relative to the project.
fn library_path(workspace: &Workspace, profile: Profile) -> Result<String> {
    let manifest = workspace.root.join(MANIFEST);
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let features = [env::consts::OS, profile.name(), godot::architecture()];
    library_for(&text, &features)
        .with_context(|| format!("{MANIFEST} names no library for {}", features.join(".")))
}

/// The path of the first library whose features are all among `features`.
fn library_for(manifest: &str, features: &[&str]) -> Option<String> {
    let (_, libraries) = manifest.split_once("[libraries]")?;
    let section = libraries.lines().take_while(|line| !line.starts_with('['));
    section.filter_map(|line| line.split_once('=')).find_map(|(key, path)| {
        let fits = key.trim().split('.').all(|feature| features.contains(&feature));
        let path = path.trim().trim_matches('"').strip_prefix("res://")?;
        fits.then(|| path.to_owned())
    })
}

impl Profile {
    /// The name of the engine's feature, which is also cargo's name of the folder.
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::library_for;

    const MANIFEST: &str = r#"
[configuration]
entry_symbol = "gdext_rust_init"

[libraries]
linux.debug.x86_64 = "res://addons/signaling/bin/debug.so"
linux.release.x86_64 = "res://addons/signaling/bin/release.so"
macos.debug = "res://addons/signaling/bin/debug.dylib"

[icons]
linux.debug.arm64 = "res://no.svg"
"#;

    #[track_caller]
    fn check(features: [&str; 3], expected: Option<&str>) {
        assert_eq!(library_for(MANIFEST, &features).as_deref(), expected);
    }

    #[test]
    fn the_library_fits_the_machine_and_the_profile() {
        check(["linux", "debug", "x86_64"], Some("addons/signaling/bin/debug.so"));
        check(["linux", "release", "x86_64"], Some("addons/signaling/bin/release.so"));
        check(["macos", "debug", "arm64"], Some("addons/signaling/bin/debug.dylib"));
        check(["linux", "debug", "arm64"], None);
    }
}
