//! Networks made of namespaces of the Linux kernel.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// What the names of all our namespaces start with; the id of our process follows.
const PREFIX: &str = "signaling-lab-";

/// How long an interface may take to come up.
const UP_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether it is up.
const LOOK: Duration = Duration::from_millis(10);

/// Some namespaces and the wires between them. Dropping it removes them all.
pub(crate) struct Network {
    spaces: Vec<&'static str>,
}

impl Network {
    /// Namespaces with nothing but a loopback interface.
    pub(crate) fn new(spaces: &[&'static str]) -> Result<Self> {
        let mut network = Self { spaces: Vec::new() };
        for space in spaces {
            ip(&["netns", "add", &full_name(space)])?;
            network.spaces.push(space);
            network.ip(space, &["link", "set", "lo", "up"])?;
        }
        Ok(network)
    }

    /// Lays a wire with an interface in each of two namespaces: `(namespace, interface, address)`.
    pub(crate) fn wire(&self, a: (&str, &str, &str), b: (&str, &str, &str)) -> Result<()> {
        let spaces = (full_name(a.0), full_name(b.0));
        ip(&[
            "link", "add", a.1, "netns", &spaces.0, "type", "veth", "peer", "name", b.1, "netns",
            &spaces.1,
        ])?;
        for (space, interface, address) in [a, b] {
            let mut add = vec!["address", "add", address, "dev", interface];
            if address.contains(':') {
                // Nobody else can have it.
                add.push("nodad");
            }
            self.ip(space, &add)?;
            self.ip(space, &["link", "set", interface, "up"])?;
        }
        [a, b].iter().try_for_each(|(space, interface, _)| self.wait_until_up(space, interface))
    }

    /// The kernel notices in its own time that there is a signal on the wire.
    fn wait_until_up(&self, space: &str, interface: &str) -> Result<()> {
        let deadline = Instant::now() + UP_LIMIT;
        loop {
            let mut command = self.command(space, Path::new("ip"));
            let output = command.args(["link", "show", "dev", interface]).output()?;
            if String::from_utf8_lossy(&output.stdout).contains("state UP") {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{interface} in {space} does not come up");
            thread::sleep(LOOK);
        }
    }

    /// Sends everything for elsewhere to `gateway`.
    pub(crate) fn route(&self, space: &str, gateway: &str) -> Result<()> {
        self.ip(space, &["route", "add", "default", "via", gateway])
    }

    /// Has a namespace pass on what is not for itself.
    pub(crate) fn forward(&self, space: &str) -> Result<()> {
        self.run(space, &["sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1"], "")
    }

    /// Adds rules of nftables.
    pub(crate) fn rules(&self, space: &str, rules: &str) -> Result<()> {
        self.run(space, &["nft", "--file", "-"], rules)
    }

    /// Runs `ip` in a namespace.
    pub(crate) fn ip(&self, space: &str, arguments: &[&str]) -> Result<()> {
        self.run(space, &[&["ip"], arguments].concat(), "")
    }

    /// A command that runs a program in a namespace.
    pub(crate) fn command(&self, space: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &full_name(space)]).arg(program);
        command
    }

    /// This command in a namespace.
    pub(crate) fn inside(&self, space: &str, command: &Command) -> Command {
        let mut inside = self.command(space, Path::new(command.get_program()));
        inside.args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }

    fn run(&self, space: &str, words: &[&str], input: &str) -> Result<()> {
        let mut command = self.command(space, Path::new(words[0]));
        command.args(&words[1..]);
        run(command, input).with_context(|| format!("in {space}: {}", words.join(" ")))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in &self.spaces {
            // What is left is removed by the next one that comes.
            let _ = ip(&["netns", "delete", &full_name(space)]);
        }
    }
}

/// Removes what was left by one of us that was killed.
pub(crate) fn remove_leftovers() -> Result<()> {
    let Ok(spaces) = fs::read_dir("/run/netns") else { return Ok(()) };
    for space in spaces {
        let name = space?.file_name().to_string_lossy().into_owned();
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
        if maker.is_some_and(|(id, _)| !Path::new("/proc").join(id).exists()) {
            ip(&["netns", "delete", &name])?;
        }
    }
    Ok(())
}

fn full_name(space: &str) -> String {
    format!("{PREFIX}{}-{space}", process::id())
}

fn ip(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments);
    run(command, "").with_context(|| format!("ip {}", arguments.join(" ")))
}

fn run(mut command: Command, input: &str) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("it was piped")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, complaint.trim());
    Ok(())
}
