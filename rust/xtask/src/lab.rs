//! Lets two peers meet in networks that no test on loopback has: lossy ones, behind routers that
//! translate addresses, with nothing but a relay between them. Linux only, as root.

mod games;
mod network;
mod turn;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Result, ensure};

use crate::report::{Echo, Report};
use crate::run::{self, Running};
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;
use games::Games;
use network::Network;
use turn::TurnServer;

/// How long building may take on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// How long two peers may take; they give up by themselves before.
const LIMIT: Duration = Duration::from_secs(60);

/// When one peer calls the other disconnected, and then failed, once that one was killed: 1.8 s and
/// 6 s after it last heard of it, and what a busy machine adds.
const DISCONNECTED: Range<Duration> = Duration::from_millis(1000)..Duration::from_millis(2300);
const FAILED: Range<Duration> = Duration::from_millis(5200)..Duration::from_millis(6500);

/// Two peers in a network, and what is to come of it.
struct Case {
    name: &'static str,
    network: fn() -> Result<Network>,
    /// What both peers are told besides where to meet.
    arguments: &'static [&'static str],
    /// What happens to the network once they are connected.
    accident: Option<fn(&Network) -> Result<()>>,
    /// Whether the one that answers is killed once they are connected, which the other one has to
    /// notice.
    is_fatal: bool,
    /// What both say at the end, and on the way there.
    said: &'static [&'static str],
}

/// A case in which all goes well without a server.
const PLAIN: Case = Case {
    name: "",
    network: cable,
    arguments: &[],
    accident: None,
    is_fatal: false,
    said: &["done"],
};

/// A case in which all goes through a relay.
const RELAYED: Case = Case { network: || homes("masquerade"), said: &["relayed", "done"], ..PLAIN };

const CASES: [Case; 12] = [
    Case {
        name: "one datagram of ten is lost",
        network: lossy_cable,
        arguments: &["--messages", "400"],
        ..PLAIN
    },
    Case { name: "there is IPv6 alone", network: cable_v6, ..PLAIN },
    Case {
        name: "routers that keep ports, and a STUN server",
        network: || homes("masquerade"),
        arguments: &["--server", STUN],
        ..PLAIN
    },
    Case {
        name: "routers that change ports, and no relay",
        network: || homes("masquerade fully-random"),
        arguments: &["--server", STUN],
        said: &["failed"],
        ..PLAIN
    },
    Case {
        name: "routers that change ports, and a relay",
        network: || homes("masquerade fully-random"),
        arguments: &["--server", STUN, "--server", TURN],
        said: &["relayed", "done"],
        ..PLAIN
    },
    Case {
        name: "a relay alone, over UDP",
        arguments: &["--relay-only", "--server", TURN],
        ..RELAYED
    },
    Case {
        name: "a relay alone, over TCP",
        arguments: &["--relay-only", "--server", TURN_TCP],
        ..RELAYED
    },
    Case {
        name: "a relay alone, over TLS",
        arguments: &["--relay-only", "--server", TURNS, "--authority", turn::CERTIFICATE],
        ..RELAYED
    },
    Case {
        name: "a relay alone, and a wrong password",
        arguments: &["--relay-only", "--server", "turn:198.51.100.1 player wrong"],
        said: &["server failed: turn:198.51.100.1 401", "failed"],
        ..RELAYED
    },
    Case {
        name: "one of two cables is cut",
        network: two_cables,
        arguments: &["--messages", "600"],
        accident: Some(|network| network.ip("a", &["link", "delete", "eth0"])),
        ..PLAIN
    },
    Case {
        name: "the only cable is replaced",
        network: cable,
        arguments: &["--messages", "600"],
        accident: Some(|network| {
            network.ip("a", &["link", "delete", "eth0"])?;
            network.wire(("a", "eth1", "198.51.100.1/24"), ("b", "eth1", "198.51.100.2/24"))
        }),
        ..PLAIN
    },
    Case { name: "one of the two is killed", is_fatal: true, ..PLAIN },
];

const STUN: &str = "stun:198.51.100.1";
const TURN: &str = "turn:198.51.100.1 player secret";
const TURN_TCP: &str = "turn:198.51.100.1?transport=tcp player secret";
const TURNS: &str = "turns:198.51.100.1 player secret";

/// Plays all cases, or those whose name contains `filter`.
pub(crate) fn all(workspace: &Workspace, filter: &str) -> Result<Tally> {
    if let Err(obstacle) = prepare() {
        // Whoever runs this unattended would not see that nothing was tested.
        ensure!(env::var_os("CI").is_none(), "the lab cannot be built: {obstacle:#}");
        println!("SKIPPED: the lab, because {obstacle:#}");
        return Ok(Tally::default());
    }
    build(workspace)?;
    let programs = workspace.target.join("debug");
    let folder = workspace.fresh_folder("lab")?;
    let lab = Lab { peer: programs.join("examples/lab"), folder };
    let mut tally = Tally::default();
    for case in CASES.iter().filter(|case| case.name.contains(filter)) {
        tally += timed(case.name, || lab.play(case));
    }
    let of_games: Vec<_> = games::CASES.iter().filter(|case| case.name.contains(filter)).collect();
    if !of_games.is_empty() {
        let games = Games::prepare(workspace, programs.join("signaling-server"))?;
        for case in of_games {
            let play = || games.play(case, &homes("masquerade")?, &lab.folder);
            tally += timed(case.name, play);
        }
    }
    ensure!(tally != Tally::default(), "no case of the lab has \"{filter}\" in its name");
    Ok(tally)
}

fn timed(name: &str, play: impl FnOnce() -> Result<()>) -> Tally {
    let started = Instant::now();
    let outcome = play().map(|()| Tally::PASS);
    if outcome.is_ok() {
        println!("ok: {name} in {:.1?}", started.elapsed());
    }
    Tally::of(name, outcome)
}

fn prepare() -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "namespaces are a matter of Linux");
    ensure!(tools::is_root(), "only root may make namespaces");
    tools::debian(&["ip", "nft", "openssl", "sysctl", "turnserver"])?;
    network::remove_leftovers()
}

/// Builds the program that is one peer, and the signaling server.
fn build(workspace: &Workspace) -> Result<()> {
    // With another choice of packages their features differ, and nearly everything is built anew.
    let mut command = workspace.cargo(["build", "--workspace", "--exclude=interop"]);
    command.args(["--example=lab", "--bin=signaling-server"]);
    run::run("cargo build", command, BUILD_LIMIT, Echo::Live)?;
    Ok(())
}

struct Lab {
    peer: PathBuf,
    /// Where peers meet, and what the TURN server writes down.
    folder: PathBuf,
}

impl Lab {
    fn play(&self, case: &Case) -> Result<()> {
        let network = (case.network)()?;
        let _server = match case.arguments.contains(&"--server") {
            true => Some(TurnServer::start(&network, &self.folder, &turn::ONE_USER)?),
            false => None,
        };
        remove(&self.folder.join(MEETING))?;
        let mut a = self.start(&network, case, "a", &["--offer"])?;
        a.wait_for("waiting")?;
        let b = self.start(&network, case, "b", &[])?;
        if case.is_fatal {
            return outlive(a, b);
        }
        if let Some(accident) = case.accident {
            a.wait_for("open")?;
            accident(&network)?;
        }
        let (a, b) = (a.finish()?, b.finish()?);
        for report in [a, b] {
            judge(&report, case.said)?;
        }
        Ok(())
    }

    fn start(&self, network: &Network, case: &Case, space: &str, role: &[&str]) -> Result<Running> {
        let mut command = network.command(space, &self.peer);
        // The path of a socket has to be short.
        command.current_dir(&self.folder).args(["--meeting", MEETING]).args(role);
        command.args(case.arguments);
        Running::start(space, command, LIMIT, Echo::OnFailure)
    }
}

/// Kills one peer, which handles no signal and so leaves without a word, and waits until the other
/// one has noticed and given up.
fn outlive(mut survivor: Running, victim: Running) -> Result<()> {
    survivor.wait_for("open")?;
    let began = Instant::now();
    victim.stop()?;
    for (word, due) in [("disconnected", DISCONNECTED), ("failed", FAILED)] {
        survivor.wait_for(word)?;
        let took = began.elapsed();
        ensure!(due.contains(&took), "{word} {took:.1?} after the other one was killed");
    }
    survivor.finish()?.judge(None)
}

const MEETING: &str = "meeting";

fn judge(report: &Report, said: &[&str]) -> Result<()> {
    said.iter().try_for_each(|line| report.judge(Some(line)))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.exists() { std::fs::remove_file(path) } else { Ok(()) }
}

/// Two machines on one cable.
fn cable() -> Result<Network> {
    let network = Network::new(&["a", "b"])?;
    network.wire(("a", "eth0", "192.0.2.1/24"), ("b", "eth0", "192.0.2.2/24"))?;
    Ok(network)
}

fn cable_v6() -> Result<Network> {
    let network = Network::new(&["a", "b"])?;
    network.wire(("a", "eth0", "2001:db8::1/64"), ("b", "eth0", "2001:db8::2/64"))?;
    Ok(network)
}

fn two_cables() -> Result<Network> {
    let network = cable()?;
    network.wire(("a", "eth1", "198.51.100.1/24"), ("b", "eth1", "198.51.100.2/24"))?;
    Ok(network)
}

fn lossy_cable() -> Result<Network> {
    const LOSSES: &str = "
        table inet lab {
            chain losses {
                type filter hook input priority 0;
                meta l4proto udp numgen random mod 100 < 10 drop
            }
        }";
    let network = cable()?;
    network.rules("a", LOSSES)?;
    network.rules("b", LOSSES)?;
    Ok(network)
}

/// Two machines at home, each behind a router of its own, and the internet with a server between
/// them.
fn homes(masquerade: &str) -> Result<Network> {
    let network = Network::new(&["a", "router-a", "net", "router-b", "b", "nowhere"])?;
    network.ip("net", &["address", "add", turn::ADDRESS, "dev", "lo"])?;
    network.forward("net")?;
    // What is for nobody is lost on its way, as in the internet, and is no error where it is sent.
    network.wire(("net", "rest", "192.0.2.1/24"), ("nowhere", "eth0", "192.0.2.2/24"))?;
    network.route("net", "192.0.2.2")?;
    for (home, router, number) in [("a", "router-a", 1), ("b", "router-b", 2)] {
        let inside = |host| format!("10.0.{number}.{host}");
        let outside = |host| format!("203.0.{number}.{host}");
        network.wire(
            (home, "eth0", &format!("{}/24", inside(2))),
            (router, "home", &format!("{}/24", inside(1))),
        )?;
        network.wire(
            (router, "wan", &format!("{}/24", outside(2))),
            ("net", router, &format!("{}/24", outside(1))),
        )?;
        network.route(home, &inside(1))?;
        network.route(router, &outside(1))?;
        network.forward(router)?;
        network.rules(router, &router_rules(masquerade))?;
    }
    Ok(network)
}

/// Translates addresses, and lets nobody in who was not asked.
fn router_rules(masquerade: &str) -> String {
    format!(
        "table ip lab {{
            chain outgoing {{
                type nat hook postrouting priority 100;
                oifname wan {masquerade}
            }}
            chain incoming {{
                type filter hook input priority 0;
                iifname wan drop
            }}
            chain passing {{
                type filter hook forward priority 0;
                iifname wan ct state != {{ established, related }} drop
            }}
        }}"
    )
}
