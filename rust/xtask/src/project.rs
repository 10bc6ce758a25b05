//! Scratch copies of the demo project, with the addon in it and ready to run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::extension::{self, Profile};
use crate::files;
use crate::godot::Godot;
use crate::report::Echo;
use crate::run;
use crate::workspace::Workspace;

/// The demo, relative to the checkout.
const DEMO: &str = "godot_project";
/// The Godot tests, relative to the checkout.
const TESTS: &str = "tests/godot";
/// The project for the tests in an editor, relative to the checkout.
const EDITOR: &str = "tests/editor";
/// How long a scan and import of the project may take on a slow machine.
const IMPORT_LIMIT: Duration = Duration::from_secs(300);

/// The demo as the user sees it, in the checkout itself.
pub(crate) fn demo(workspace: &Workspace, godot: &Godot) -> Result<PathBuf> {
    let project = workspace.root.join(DEMO);
    extension::install(workspace, &project, Profile::Debug)?;
    import(godot, &project)?;
    Ok(project)
}

/// A copy of the demo with the Godot tests in `res://tests`.
pub(crate) fn scratch(workspace: &Workspace, godot: &Godot) -> Result<PathBuf> {
    let project = copy(workspace, "godot-tests")?;
    files::mirror(&workspace.root.join(TESTS), &project.join("tests"), &[])?;
    extension::install(workspace, &project, Profile::Debug)?;
    import(godot, &project)?;
    Ok(project)
}

/// A copy of the project for the tests in an editor, with the addon in it; that editor imports it.
pub(crate) fn editor(workspace: &Workspace) -> Result<PathBuf> {
    let project = workspace.target.join("godot-editor");
    files::mirror(&workspace.root.join(EDITOR), &project, &[".godot", "addons"])?;
    files::mirror(
        &workspace.root.join(EDITOR).join("addons"),
        &project.join("addons"),
        &["signaling"],
    )?;
    extension::install(workspace, &project, Profile::Debug)?;
    Ok(project)
}

/// A copy of the demo with both libraries, to export it from: the editor loads the one for
/// debugging, the exported game the other.
pub(crate) fn to_export(workspace: &Workspace, godot: &Godot) -> Result<PathBuf> {
    let project = copy(workspace, "godot-export")?;
    extension::install(workspace, &project, Profile::Debug)?;
    extension::install(workspace, &project, Profile::Release)?;
    import(godot, &project)?;
    Ok(project)
}

/// What the engine and we make ourselves stays, so that only what changed is imported again.
fn copy(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let project = workspace.target.join(name);
    files::mirror(&workspace.root.join(DEMO), &project, &[".godot", "addons", "tests"])?;
    Ok(project)
}

/// Scans and imports the project, as the editor does when it is opened for the first time.
fn import(godot: &Godot, project: &Path) -> Result<()> {
    let mut command = godot.headless(project);
    command.arg("--import");
    run::run("import", command, IMPORT_LIMIT, Echo::OnFailure)?.judge(None)
}
