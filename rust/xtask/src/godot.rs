//! Finds an engine that is new enough, and starts it away from the user's own settings.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::provision;
use crate::report::Echo;
use crate::run;
use crate::tools::{self, find_on_path};
use crate::workspace::Workspace;

/// The environment variable that names the engine to use.
const VARIABLE: &str = "GODOT4_BIN";
/// The oldest engine the addon runs in: its `compatibility_minimum`.
const MINIMUM: (u32, u32) = (4, 5);
/// How long the engine may take to say which version it is.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// An engine that can open, run and export the project.
pub(crate) struct Godot {
    binary: PathBuf,
    /// The number and the kind of release: "4.6.3.stable".
    version: String,
    /// What serves as the user's folder in runs that are ours alone.
    home: PathBuf,
}

/// The programs that an export puts beside the exported game.
pub(crate) struct Templates {
    pub(crate) release: PathBuf,
    pub(crate) debug: PathBuf,
}

impl Godot {
    /// Takes the engine from `GODOT4_BIN`, else from the PATH, else from Debian's archive.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let home = workspace.target.join("godot-home");
        if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
            return Self::at(PathBuf::from(named), home);
        }
        let on_path = ["godot4", "godot"].iter().filter_map(|name| find_on_path(name));
        let new_enough = on_path.filter_map(|binary| Self::at(binary, home.clone()).ok()).next();
        match new_enough {
            Some(godot) => Ok(godot),
            None => Self::provision(workspace),
        }
    }

    /// The engine from Debian's archive, with its templates.
    fn provision(workspace: &Workspace) -> Result<Self> {
        let (major, minor) = MINIMUM;
        let binary = provision::godot(&workspace.target.join("godot")).with_context(|| {
            format!("install Godot {major}.{minor} or later and set {VARIABLE} to its program")
        })?;
        Self::at(binary, workspace.target.join("godot-home"))
    }

    fn at(binary: PathBuf, home: PathBuf) -> Result<Self> {
        let version = version_of(&binary)?;
        let (major, minor) = MINIMUM;
        ensure!(
            is_new_enough(&version),
            "{} is Godot {version}; set {VARIABLE} to Godot {major}.{minor} or later",
            binary.display(),
        );
        Ok(Self { binary, version, home })
    }

    /// A run of `project` without a window.
    pub(crate) fn headless(&self, project: &Path) -> Command {
        let mut command = self.alone(&self.binary);
        command.arg("--headless").arg("--path").arg(project);
        command
    }

    /// A run of `project` in a window on a virtual display, drawn by the processor.
    pub(crate) fn on_virtual_display(&self, project: &Path) -> Result<Command> {
        tools::debian(&["xvfb-run", "xauth"])?;
        let mut command = self.alone(Path::new("xvfb-run"));
        command.args(["--auto-servernum", "--server-args=-screen 0 1152x648x24"]);
        command.arg(&self.binary).arg("--path").arg(project);
        command.args(["--rendering-driver", "opengl3", "--audio-driver", "Dummy"]);
        Ok(command)
    }

    /// A run of `project` in a window for the user, with the user's own settings.
    pub(crate) fn on_screen(&self, project: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--path").arg(project);
        command
    }

    /// A program that finds no settings of the user, and leaves none.
    pub(crate) fn alone(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (variable, folder) in [
            ("HOME", ""),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("APPDATA", "config"),
            ("LOCALAPPDATA", "data"),
        ] {
            command.env(variable, self.home.join(folder));
        }
        // Debian's engine comes with settings for fonts, which a machine without a desktop lacks.
        let fonts = self.binary.ancestors().nth(3).map(|root| root.join("etc/fonts"));
        if let Some(fonts) = fonts.filter(|fonts| fonts.is_dir()) {
            command.env("FONTCONFIG_PATH", fonts);
        }
        command
    }

    /// The export templates for Linux of this very version.
    pub(crate) fn templates(&self, workspace: &Workspace) -> Result<Templates> {
        let installed = [self.debian_templates(), self.downloaded_templates()?];
        if let Some(templates) = installed.into_iter().find(Templates::exist) {
            return Ok(templates);
        }
        let provisioned = Self::provision(workspace).with_context(|| {
            format!("install the export templates of Godot {} with its editor", self.version)
        })?;
        ensure!(
            provisioned.version == self.version,
            "install the export templates of Godot {} with its editor: Debian's are for {}",
            self.version,
            provisioned.version,
        );
        Ok(provisioned.debian_templates())
    }

    /// Where Debian's packages put them.
    fn debian_templates(&self) -> Templates {
        Templates {
            release: self.binary.with_file_name("godot-template-release"),
            debug: self.binary.with_file_name("godot-template-debug"),
        }
    }

    /// Where the editor puts them.
    fn downloaded_templates(&self) -> Result<Templates> {
        let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
        let data = data.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
        let folder = data.context("there is no home folder")?.join("godot/export_templates");
        let folder = folder.join(&self.version);
        let template = |kind| folder.join(format!("linux_{kind}.{}", architecture()));
        Ok(Templates { release: template("release"), debug: template("debug") })
    }
}

impl Templates {
    fn exist(&self) -> bool {
        self.release.is_file() && self.debug.is_file()
    }
}

/// The engine's name for the processor this runs on.
pub(crate) fn architecture() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "arm64",
        "x86" => "x86_32",
        other => other,
    }
}

/// "4.6.3.stable" of "4.6.3.stable.official.7d41c59c4".
fn version_of(binary: &Path) -> Result<String> {
    let mut command = Command::new(binary);
    command.arg("--version");
    let report = run::run("godot --version", command, VERSION_LIMIT, Echo::OnFailure)?;
    let line = report.lines.last().map_or("", String::as_str);
    let is_number = |part: &&str| part.parse::<u32>().is_ok();
    let numbers = line.split('.').take_while(is_number).count();
    let parts: Vec<&str> = line.split('.').take(numbers + 1).collect();
    if numbers == 0 {
        bail!("{} does not say which Godot it is: \"{line}\"", binary.display());
    }
    Ok(parts.join("."))
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= MINIMUM
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn versions_compare_as_numbers() {
        for version in ["4.5.stable", "4.6.3.stable", "4.10.stable", "5.0.dev"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["4.4.1.stable", "3.6.stable", "stable", ""] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
