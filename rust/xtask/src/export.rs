//! Exports the dedicated server as a user would, and plays on what came out.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::demo::{Party, Server};
use crate::extension::{self, Profile};
use crate::godot::{self, Godot, Templates};
use crate::project;
use crate::report::Echo;
use crate::run;
use crate::workspace::Workspace;

/// The preset to export.
const PRESET: &str = "Linux Server";
/// How long an export may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Exports the server, starts it, and lets two bots meet on it.
pub(crate) fn server(workspace: &Workspace) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the exported server runs on Linux only");
    let godot = Godot::find(workspace)?;
    let templates = godot.templates(workspace)?;
    extension::build(workspace, Profile::Debug)?;
    extension::build(workspace, Profile::Release)?;
    let project = project::to_export(workspace, &godot)?;
    choose_templates(&project, &templates)?;

    let binary = workspace.fresh_folder("export")?.join("server");
    let mut command = godot.headless(&project);
    command.args(["--export-release", PRESET]).arg(&binary);
    run::run("export", command, LIMIT, Echo::OnFailure)?.judge(None)?;

    let server = Server::start(godot.alone(&binary))?;
    let party = Party {
        godot: &godot,
        project: &project,
        url: &server.url,
        guests: &["Guest"],
        picture: None,
    };
    party.meet()?;
    server.stop()
}

/// Fills in what the presets leave to the machine.
fn choose_templates(project: &Path, templates: &Templates) -> Result<()> {
    let file = project.join("export_presets.cfg");
    let presets = fs::read_to_string(&file)?;
    let presets = set(&presets, "custom_template/debug", &templates.debug.display().to_string());
    let presets =
        set(&presets, "custom_template/release", &templates.release.display().to_string());
    let presets = set(&presets, "binary_format/architecture", godot::architecture());
    fs::write(&file, presets)?;
    Ok(())
}

/// Sets an option to a string, in every preset that has it.
fn set(presets: &str, option: &str, value: &str) -> String {
    let is_option = |line: &str| line.split_once('=').is_some_and(|(name, _)| name == option);
    let line = |line: &str| match is_option(line) {
        true => format!("{option}=\"{value}\"\n"),
        false => format!("{line}\n"),
    };
    presets.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::set;

    #[test]
    fn an_option_is_set_in_every_preset() {
        let presets = "[preset.0.options]\na=\"\"\na/b=\"\"\n\n[preset.1.options]\na=\"old\"\n";
        let expected = "[preset.0.options]\na=\"new\"\na/b=\"\"\n\n[preset.1.options]\na=\"new\"\n";
        assert_eq!(set(presets, "a", "new"), expected);
    }
}
