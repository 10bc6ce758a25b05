//! Games that are told of a TURN server, and given passwords for it, by a signaling server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::network::Network;
use super::turn::{self, TurnServer};
use crate::extension::{self, Profile};
use crate::godot::Godot;
use crate::project;
use crate::report::Echo;
use crate::run::Running;
use crate::test::SENTINEL;
use crate::workspace::Workspace;

/// How long two games may take; each of their steps has a limit of its own.
const LIMIT: Duration = Duration::from_secs(120);

/// Two games and two servers.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What the signaling server takes for the secret of the TURN server.
    secret: &'static str,
    /// What both games are told besides where to meet.
    arguments: &'static [&'static str],
}

pub(super) const CASES: [Case; 2] = [
    Case {
        name: "games that are told of a relay and given passwords",
        secret: turn::SECRET,
        arguments: &[],
    },
    Case {
        name: "games that are given passwords by a wrong secret",
        secret: "wrong",
        arguments: &["--is-refused"],
    },
];

/// What the cases are played with.
pub(super) struct Games {
    godot: Godot,
    project: PathBuf,
    signaling_server: PathBuf,
}

impl Games {
    /// `signaling_server` is the program.
    pub(super) fn prepare(workspace: &Workspace, signaling_server: PathBuf) -> Result<Self> {
        let godot = Godot::find(workspace)?;
        extension::build(workspace, Profile::Debug)?;
        let project = project::scratch(workspace, &godot)?;
        Ok(Self { godot, project, signaling_server })
    }

    /// The servers are in the namespace `net`, the players in `a` and `b`.
    pub(super) fn play(&self, case: &Case, network: &Network, folder: &Path) -> Result<()> {
        let _turn_server = TurnServer::start(network, folder, &turn::SHARED_SECRET)?;
        let mut server = self.serve(case, network)?;
        let url = format!("--url=ws://{}", server.wait_for("listening on ")?);
        let mut host = self.start(case, network, "a", &[&url])?;
        let lobby = format!("--lobby={}", host.wait_for("lobby ")?);
        let guest = self.start(case, network, "b", &[&url, &lobby])?;
        // Where one failed, the other one's words help to see why.
        let judged = [host.finish()?, guest.finish()?].map(|report| report.judge(Some(SENTINEL)));
        judged.into_iter().collect()
    }

    fn serve(&self, case: &Case, network: &Network) -> Result<Running> {
        let mut command = network.command("net", &self.signaling_server);
        command.args([format!("--bind={}", turn::ADDRESS), "--port=0".to_owned()]);
        command.arg(format!("--turn-url=turn:{}", turn::ADDRESS));
        command.arg(format!("--turn-secret={}", case.secret));
        Running::start("signaling-server", command, LIMIT, Echo::OnFailure)
    }

    fn start(
        &self,
        case: &Case,
        network: &Network,
        space: &str,
        arguments: &[&str],
    ) -> Result<Running> {
        let mut command = network.inside(space, &self.godot.headless(&self.project));
        command.args(["res://tests/runner.tscn", "--", "--case=lab/relayed.gd"]);
        command.args(arguments).args(case.arguments);
        Running::start(space, command, LIMIT, Echo::OnFailure)
    }
}
