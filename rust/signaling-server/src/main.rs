//! The machine: a headless signaling server. It reads its options, listens, and ends cleanly when
//! it is told to; everything else is in the crates that it puts together.

//!
//! Reading order:
//! - `options`: what can be set.
//! - `ice`: the STUN and TURN servers that players are told of.
//! - `cloudlink`: what concerns CloudLink 5 alone.
//! - `gate`: who is let in.
//! - `service`: the service that decides so.
//! - `queue`: when it is asked about whom.

mod cloudlink;
mod gate;
mod ice;
mod options;
mod queue;
mod service;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use futures_util::future::join_all;
use gate::Gate;
use options::Options;
use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::overview::{LobbyKey, LobbyNotice};
use signaling_gateway::{Gateway, GatewayConfig, Tongue, unique_name};
use signaling_net::{Listener, ServerHandle};
use signaling_protocols::godot::{GodotServer, ServerNotice};
use tokio::runtime::{Builder, Handle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    log_to_stderr();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "signaling-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Serves until a signal comes.
fn run(options: &Options) -> Result<(), String> {
    // A second thread would wait for the same machine, and each wake-up would cost more.
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(queue::THREADS).build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let result = runtime.block_on(serve_until_told(options));
    // What the service that was asked still answers is of no use to anybody.
    runtime.shutdown_background();
    result
}

async fn serve_until_told(options: &Options) -> Result<(), String> {
    let mut signals = Signals::catch().map_err(|error| format!("cannot start: {error}"))?;
    let gate = Gate::new(&options.gate)?;
    let server = listen(options, options.config(gate.hooks())?)
        .map_err(|error| format!("cannot listen on {}:{}: {error}", options.bind, options.port))?;
    // Whoever started us may have stopped reading; that is no reason to end.
    let _ = writeln!(io::stdout(), "listening on {}", server.local_addr());
    tokio::select! {
        () = signals.next() => {}
        () = attend(&server, &gate) => {}
        () = watch(&server) => {}
    }
    tracing::info!("shutting down");
    server.shutdown();
    server.closed().await;
    if let Some(godot) = server.godot() {
        godot.take_notices().events.iter().for_each(log_notice);
    }
    server.others().for_each(log_notices);
    Ok(())
}

fn listen(options: &Options, config: GatewayConfig) -> io::Result<Gateway> {
    let listener = Listener::bind(&options.bind, options.port)?;
    Gateway::open(&Handle::current(), listener, config, StdRng::from_rng(&mut rand::rng()))
}

/// Logs what happens in the lobbies of Godot's protocol and decides on what is asked, for ever.
async fn attend(gateway: &Gateway, gate: &Gate) {
    let Some(server) = gateway.godot() else { return std::future::pending().await };
    let mut unasked = 0;
    loop {
        server.noticed().await;
        for notice in take_notices(server, &mut unasked) {
            log_notice(&notice);
            if let ServerNotice::Asked(asked) = notice {
                gate.answer(server, asked).await;
            }
        }
    }
}

/// Logs what happens in the lobbies of the other protocols, for ever.
async fn watch(gateway: &Gateway) {
    let all = gateway.others().map(async |tongue| {
        loop {
            tongue.noticed().await;
            log_notices(tongue);
        }
    });
    join_all(all).await;
    std::future::pending().await
}

fn log_notices(tongue: &dyn Tongue) {
    let notices = tongue.take_notices();
    if notices.lost {
        tracing::warn!("too busy to log everything");
    }
    // As text in quotes, and not as it is: strangers choose names.
    let name = |lobby: &LobbyKey| unique_name(tongue.protocol(), lobby);
    for notice in notices.events {
        match notice {
            LobbyNotice::Opened(lobby) => tracing::debug!(lobby = name(&lobby), "lobby created"),
            LobbyNotice::Changed(lobby) => {
                tracing::debug!(lobby = name(&lobby.key), hosts = ?lobby.hosts, "lobby changed");
            }
            LobbyNotice::Joined { lobby, member } => {
                tracing::debug!(lobby = name(&lobby), member = &*member, "peer joined");
            }
            LobbyNotice::Left { lobby, member } => {
                tracing::debug!(lobby = name(&lobby), member = &*member, "peer left");
            }
            LobbyNotice::Closed(lobby) => tracing::debug!(lobby = name(&lobby), "lobby closed"),
        }
    }
}

/// What has happened; when some of it was lost, at least what is to be decided on. `unasked` is the
/// first ticket that we have not heard of.
fn take_notices(server: &ServerHandle<GodotServer>, unasked: &mut u64) -> Vec<ServerNotice> {
    let mut notices = server.take_notices();
    if notices.lost {
        tracing::warn!("too busy to log everything");
        notices.events = server.resync(|machine| {
            let asked = machine.asked_from(*unasked).cloned().map(Box::new);
            asked.map(ServerNotice::Asked).collect()
        });
    }
    let last = notices.events.iter().rev().find_map(ServerNotice::ticket);
    *unasked = last.map_or(*unasked, |ticket| ticket + 1);
    notices.events
}

fn log_notice(notice: &ServerNotice) {
    match notice {
        ServerNotice::LobbyCreated { info } => {
            tracing::debug!(lobby = %info.name, topology = ?info.topology, "lobby created");
        }
        ServerNotice::LobbyChanged { info } => {
            tracing::debug!(lobby = %info.name, host = %info.host, "lobby changed");
        }
        ServerNotice::PeerJoined { lobby, peer } => tracing::debug!(%lobby, %peer, "peer joined"),
        ServerNotice::PeerLeft { lobby, peer } => tracing::debug!(%lobby, %peer, "peer left"),
        ServerNotice::LobbySealed { lobby } => tracing::debug!(%lobby, "lobby sealed"),
        ServerNotice::LobbyClosed { lobby } => tracing::debug!(%lobby, "lobby closed"),
        ServerNotice::Undecided { .. } => tracing::debug!("not decided on in time"),
        ServerNotice::Asked(asked) => tracing::debug!(address = asked.address, "asked to decide"),
    }
}

/// The signals that end the program.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on they no longer end the program by themselves.
    fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signal that ends the program.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    /// From now on it no longer ends the program by itself.
    fn catch() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
