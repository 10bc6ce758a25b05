//! Lets games and a page in a browser meet in one lobby, each side's way to the others being what
//! players have: our nodes here, there `WebSocket` and `RTCPeerConnection`, or PeerJS.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::extension::{self, Profile};
use crate::godot::Godot;
use crate::project;
use crate::report::Echo;
use crate::run::Running;
use crate::tally::Tally;
use crate::test::SENTINEL;
use crate::workspace::Workspace;

/// How long a meeting may take, with what is still to be built for it.
const LIMIT: Duration = Duration::from_secs(180);

/// Who creates the lobby that the others join, and with it, who offers.
enum Host {
    Game,
    Page,
}

/// Who meets.
struct Plan {
    name: &'static str,
    host: Host,
    /// What the games do, below `res://tests/interop`.
    case: &'static str,
    /// What opens the page.
    page: &'static str,
}

const MESH: Plan = Plan {
    name: "mesh::a_page_joins",
    host: Host::Game,
    case: "mesh_with_page.gd",
    page: "mesh_page.js",
};
const CLOUDLINK: Plan = Plan {
    name: "cloudlink::a_page_joins",
    host: Host::Game,
    case: "lobby_with_page.gd",
    page: "lobby_page.js",
};
const PLANS: [Plan; 4] = [
    MESH,
    Plan { name: "mesh::a_page_hosts", host: Host::Page, ..MESH },
    CLOUDLINK,
    Plan { name: "cloudlink::a_page_hosts", host: Host::Page, ..CLOUDLINK },
];

/// Holds the meetings whose name contains `filter`; `home` has what the page needs.
pub(crate) fn test(workspace: &Workspace, home: &Path, filter: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let wanted: Vec<_> = PLANS.iter().filter(|plan| plan.name.contains(filter)).collect();
    if wanted.is_empty() {
        return Ok(tally);
    }
    let godot = Godot::find(workspace)?;
    extension::build(workspace, Profile::Debug)?;
    let project = project::scratch(workspace, &godot)?;
    for plan in wanted {
        let (name, meeting) = (plan.name, Meeting::open(workspace, &godot, &project, home, plan));
        let result = meeting.and_then(Meeting::hold);
        if result.is_ok() {
            println!("ok: {name}");
        }
        tally += Tally::of(name, result.map(|()| Tally::PASS));
    }
    Ok(tally)
}

/// The place to meet.
struct Meeting<'a> {
    plan: &'a Plan,
    godot: &'a Godot,
    project: &'a Path,
    home: &'a Path,
    server: Running,
    /// Of the server.
    url: String,
}

impl<'a> Meeting<'a> {
    fn open(
        workspace: &Workspace,
        godot: &'a Godot,
        project: &'a Path,
        home: &'a Path,
        plan: &'a Plan,
    ) -> Result<Self> {
        let mut command = workspace.cargo(["run", "--package", "signaling-server", "--"]);
        command.args(["--bind=127.0.0.1", "--port=0"]);
        let mut server = Running::start("server", command, LIMIT, Echo::OnFailure)?;
        let url = format!("ws://{}", server.wait_for("listening on ")?);
        Ok(Self { plan, godot, project, home, server, url })
    }

    /// The games check that the page answers each of them on every channel.
    fn hold(self) -> Result<()> {
        let (games, page) = match self.plan.host {
            Host::Game => {
                let mut games = self.games("")?;
                let page = self.page(&games.wait_for("lobby ")?)?;
                (games, page)
            }
            Host::Page => {
                let mut page = self.page("")?;
                (self.games(&page.wait_for("lobby ")?)?, page)
            }
        };
        let verdict = games.finish()?.judge(Some(SENTINEL));
        for other in [page.stop()?, self.server.stop()?] {
            if verdict.is_err() {
                other.show();
            }
        }
        verdict
    }

    /// All in one process; without a lobby, they create one.
    fn games(&self, lobby: &str) -> Result<Running> {
        let mut command = self.godot.headless(self.project);
        command.args(["res://tests/runner.tscn", "--"]);
        command.arg(format!("--case=interop/{}", self.plan.case));
        command.args([format!("--url={}", self.url), format!("--lobby={lobby}")]);
        Running::start("games", command, LIMIT, Echo::OnFailure)
    }

    /// Without a lobby, it creates one.
    fn page(&self, lobby: &str) -> Result<Running> {
        let mut command = Command::new("node");
        command.current_dir(self.home);
        command.args([self.plan.page, "profile_in_lobby", &self.url, lobby]);
        Running::start("page", command, LIMIT, Echo::OnFailure)
    }
}
