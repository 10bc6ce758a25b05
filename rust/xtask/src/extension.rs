//! Builds the extension and puts a copy of the addon into a project.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
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
        // Exported games have no use for the help pages, and the engine warns about them.
        cargo.args(["--release", "--no-default-features"]);
    }
    run::run("build", cargo, BUILD_LIMIT, Echo::Live)?;
    Ok(())
}

/// Builds the library and puts it into the addon of the checkout, which is then ready to be copied
/// into any project.
pub(crate) fn build_addon(workspace: &Workspace, profile: Profile) -> Result<()> {
    build(workspace, profile)?;
    let library = workspace.root.join(ADDON).join(library_path(workspace, profile)?);
    files::replace(&built_library(workspace, profile), &library)?;
    println!("built {}", library.display());
    Ok(())
}

/// Copies the addon and the library that was built with `profile` into `project`.
pub(crate) fn install(workspace: &Workspace, project: &Path, profile: Profile) -> Result<()> {
    files::mirror(&workspace.root.join(ADDON), &project.join(ADDON), &["bin"])?;
    let library = project.join(ADDON).join(library_path(workspace, profile)?);
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

fn built_library(workspace: &Workspace, profile: Profile) -> PathBuf {
    let name = format!("{}signaling_godot{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    workspace.target.join(profile.folder()).join(name)
}

/// Where the engine looks for the library on this machine, relative to the addon.
fn library_path(workspace: &Workspace, profile: Profile) -> Result<String> {
    let manifest = workspace.root.join(MANIFEST);
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let features = [env::consts::OS, profile.feature(), godot::architecture()];
    library_for(&text, &features)
        .with_context(|| format!("{MANIFEST} names no library for {}", features.join(".")))
}

/// The path of the first library whose features are all among `features`.
fn library_for(manifest: &str, features: &[&str]) -> Option<String> {
    let (_, libraries) = manifest.split_once("[libraries]")?;
    let section = libraries.lines().take_while(|line| !line.starts_with('['));
    section.filter_map(|line| line.split_once('=')).find_map(|(key, path)| {
        let fits = key.trim().split('.').all(|feature| features.contains(&feature));
        fits.then(|| path.trim().trim_matches('"').to_owned())
    })
}

impl Profile {
    /// The engine's name for what loads this library.
    fn feature(self) -> &'static str {
        match self {
            Self::Debug => "editor",
            Self::Release => "template",
        }
    }

    /// Cargo's name of the folder it builds into.
    fn folder(self) -> &'static str {
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

; What loads which = a remark
linux.editor.x86_64 = "bin/debug.so"
linux.template.x86_64 = "bin/release.so"
macos.editor = "bin/debug.dylib"

[icons]
linux.editor.arm64 = "no.svg"
"#;

    #[track_caller]
    fn check(features: [&str; 3], expected: Option<&str>) {
        assert_eq!(library_for(MANIFEST, &features).as_deref(), expected);
    }

    #[test]
    fn the_library_fits_the_machine_and_its_use() {
        check(["linux", "editor", "x86_64"], Some("bin/debug.so"));
        check(["linux", "template", "x86_64"], Some("bin/release.so"));
        check(["macos", "editor", "arm64"], Some("bin/debug.dylib"));
        check(["linux", "editor", "arm64"], None);
    }
}
