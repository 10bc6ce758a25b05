//! Shows the demo: in a window for the user, or played by bots without one.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::extension::{self, Profile};
use crate::godot::Godot;
use crate::project;
use crate::report::Echo;
use crate::run::Running;
use crate::workspace::Workspace;

/// How long an engine may take to start or to play; bots give up by themselves after 30 s.
const LIMIT: Duration = Duration::from_secs(90);

/// Opens the demo for the user.
pub(crate) fn open(workspace: Workspace) -> Result<()> {
    let godot = Godot::find(&workspace)?;
    extension::build(&workspace, Profile::Debug)?;
    let project = project::demo(&workspace, &godot)?;
    let is_set = |variable| env::var_os(variable).is_some_and(|value| !value.is_empty());
    ensure!(
        !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"),
        "there is no display to open the demo on: try `cargo xtask demo --headless`"
    );
    // The window may stay open for hours; other commands need not wait for it.
    drop(workspace);
    let status = godot.on_screen(&project).status()?;
    ensure!(status.success(), "the demo ended with {status}");
    Ok(())
}

/// Lets three bots meet on a dedicated server, all in engines of their own.
pub(crate) fn headless(workspace: &Workspace) -> Result<()> {
    let godot = Godot::find(workspace)?;
    extension::build(workspace, Profile::Debug)?;
    let project = project::scratch(workspace, &godot)?;
    let server = Server::start(godot.headless(&project))?;
    let party = Party {
        godot: &godot,
        project: &project,
        url: &server.url,
        guests: &["Fox", "Owl"],
        picture: None,
    };
    party.meet()?;
    server.stop()
}

/// A dedicated signaling server.
pub(crate) struct Server {
    running: Running,
    /// Where it listens, on this machine.
    pub(crate) url: String,
}

impl Server {
    /// Starts it, on any free port, in the engine or the exported game that `command` runs.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command.args(["--", "--server", "--port=0"]);
        let mut running = Running::start("Server", command, LIMIT, Echo::Labelled)?;
        let port = running.wait_for("listening on port ")?;
        Ok(Self { running, url: format!("ws://127.0.0.1:{port}") })
    }

    /// Ends it; it must have run until now without a complaint.
    pub(crate) fn stop(self) -> Result<()> {
        self.running.stop()?.judge(None)
    }
}

/// Bots that meet in one lobby.
pub(crate) struct Party<'a> {
    pub(crate) godot: &'a Godot,
    pub(crate) project: &'a Path,
    /// Of the signaling server.
    pub(crate) url: &'a str,
    /// The names of those who join; one more hosts.
    pub(crate) guests: &'a [&'a str],
    /// Where the host saves a picture of its window, in which case it has one.
    pub(crate) picture: Option<&'a Path>,
}

impl Party<'_> {
    /// One bot hosts a lobby, the others join; each must see every other's avatar and hear from
    /// it, and leave content.
    pub(crate) fn meet(&self) -> Result<()> {
        let mut host = self.start_bot("Host", self.host_command()?, "--host")?;
        let lobby = host.wait_for("lobby ")?;
        let mut bots = vec![("Host", host)];
        for name in self.guests {
            let command = self.godot.headless(self.project);
            bots.push((name, self.start_bot(name, command, &format!("--join={lobby}"))?));
        }
        let mut complaints = Vec::new();
        for (name, bot) in bots {
            let verdict = bot.finish()?.judge(Some(&format!("bot {name}: done")));
            complaints.extend(verdict.err().map(|complaint| complaint.to_string()));
        }
        if !complaints.is_empty() {
            bail!("{}", complaints.join("\n"));
        }
        Ok(())
    }

    fn host_command(&self) -> Result<Command> {
        match self.picture {
            Some(_) => self.godot.on_virtual_display(self.project),
            None => Ok(self.godot.headless(self.project)),
        }
    }

    fn start_bot(&self, name: &str, mut command: Command, role: &str) -> Result<Running> {
        let players = self.guests.len() + 1;
        command.args(["--", "--bot", role]).args([
            format!("--url={}", self.url),
            format!("--name={name}"),
            format!("--players={players}"),
        ]);
        if let Some(picture) = self.picture.filter(|_| role == "--host") {
            command.arg(format!("--screenshot={}", picture.display()));
        }
        Running::start(name, command, LIMIT, Echo::Labelled)
    }
}
