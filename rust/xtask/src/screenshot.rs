//! Takes pictures of the demo on a virtual display.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::demo::{Party, Server};
use crate::extension::{self, Profile};
use crate::godot::Godot;
use crate::project;
use crate::report::Echo;
use crate::run;
use crate::workspace::Workspace;

/// How long a picture may take; the processor draws it.
const LIMIT: Duration = Duration::from_secs(120);

/// Saves pictures of the lab and of the game under `target/screenshots`.
pub(crate) fn take(workspace: &Workspace) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "virtual displays are for Linux only");
    let godot = Godot::find(workspace)?;
    extension::build(workspace, Profile::Debug)?;
    let project = project::scratch(workspace, &godot)?;
    let folder = workspace.fresh_folder("screenshots")?;
    let (lab, game) = (folder.join("lab.png"), folder.join("game.png"));
    take_lab(&godot, &project, &lab)?;
    take_game(&godot, &project, &game)?;
    for picture in [lab, game] {
        ensure!(picture.is_file(), "the demo did not save {}", picture.display());
        println!("saved {}", picture.display());
    }
    Ok(())
}

fn take_lab(godot: &Godot, project: &Path, picture: &Path) -> Result<()> {
    let mut command = godot.on_virtual_display(project)?;
    command.args(["--", "--scene=lab", &format!("--screenshot={}", picture.display())]);
    run::run("Lab", command, LIMIT, Echo::OnFailure)?.judge(None)
}

fn take_game(godot: &Godot, project: &Path, picture: &Path) -> Result<()> {
    let server = Server::start(godot.headless(project))?;
    let guests = &["Fox", "Owl", "Bear"];
    let party = Party { godot, project, url: &server.url, guests, picture: Some(picture) };
    party.meet()?;
    server.stop()
}
