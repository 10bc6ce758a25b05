//! Who is let in: players who have a token, and whom a service accepts.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use signaling_net::ServerHandle;
use signaling_protocols::godot::{Asked, GodotServer, Hooks, ServerCommand, Verdict, Wish};

use crate::service::{self, Service};

#[derive(Debug, Args)]
#[command(next_help_heading = "Who is let in")]
pub(crate) struct GateOptions {
    /// A file with the auth tokens of those who are let in, one a line; lines that begin with # do
    /// not count
    #[arg(long, env = "SIGNALING_TOKENS", value_name = "FILE")]
    tokens: Option<PathBuf>,

    /// Let clients of the plain protocol in too, which cannot show a token
    #[arg(long, env = "SIGNALING_ALLOW_PLAIN", requires = "tokens")]
    allow_plain: bool,

    /// A service that is asked by POST about each session, each new lobby and each member of one:
    /// 200 accepts, 401 and 403 reject with the body's words, all else is no decision
    #[arg(long, env = "SIGNALING_AUTH_URL", hide_env_values = true, value_name = "URL")]
    #[arg(value_parser = service::parse_url)]
    auth_url: Option<String>,

    /// A PEM file with the certificates to trust for an https: URL instead of the web's
    #[arg(long, env = "SIGNALING_AUTH_CA", value_name = "FILE", requires = "auth_url")]
    auth_ca: Option<PathBuf>,

    /// How long the service may take to decide
    #[arg(long, env = "SIGNALING_AUTH_TIMEOUT_MS", default_value_t = 5000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    auth_timeout_ms: u32,

    /// Let everybody in while the service does not decide, instead of nobody
    #[arg(long, env = "SIGNALING_AUTH_FAIL_OPEN", requires = "auth_url")]
    auth_fail_open: bool,
}

/// Decides on what the server asks.
pub(crate) struct Gate {
    tokens: Option<HashSet<String>>,
    allows_plain: bool,
    service: Option<Arc<Service>>,
    /// What becomes of what the service does not decide on.
    undecided: Verdict,
    timeout: Duration,
}

impl Gate {
    /// Reads what the options name.
    pub(crate) fn new(options: &GateOptions) -> Result<Self, String> {
        let timeout = Duration::from_millis(options.auth_timeout_ms.into());
        let service = options.auth_url.as_ref();
        let service =
            service.map(|url| Service::new(url.clone(), options.auth_ca.as_deref(), timeout));
        Ok(Self {
            tokens: options.tokens.as_deref().map(read_tokens).transpose()?,
            allows_plain: options.allow_plain,
            service: service.transpose()?.map(Arc::new),
            undecided: if options.auth_fail_open { Ok(()) } else { Err(String::new()) },
            timeout,
        })
    }

    /// What the server is to ask about.
    pub(crate) fn hooks(&self) -> Hooks {
        let (has_tokens, has_service) = (self.tokens.is_some(), self.service.is_some());
        let asks_in_lobbies = has_service || (has_tokens && !self.allows_plain);
        Hooks {
            hello: has_tokens || has_service,
            create: asks_in_lobbies,
            join: asks_in_lobbies,
            // The service is asked after as long at the latest, and answers within as long.
            timeout: if has_service { 2 * self.timeout } else { self.timeout },
            accepts_undecided: self.undecided.is_ok(),
        }
    }

    /// Decides, or lets the service decide, which is not waited for here.
    pub(crate) async fn answer(&self, server: &ServerHandle<GodotServer>, asked: Box<Asked>) {
        let ticket = asked.ticket;
        match (self.check_token(&asked), &self.service) {
            (Ok(()), Some(service)) => {
                let (service, server) = (Arc::clone(service), server.clone());
                let undecided = self.undecided.clone();
                tokio::spawn(async move {
                    let still_waits = || server.read(|machine| machine.is_waiting(ticket));
                    let verdict = service.ask(&asked, still_waits).await.unwrap_or(undecided);
                    decide(&server, ticket, verdict).await;
                });
            }
            (verdict, _) => decide(server, ticket, verdict).await,
        }
    }

    /// A session has shown its token when it began; plain clients have none.
    fn check_token(&self, asked: &Asked) -> Verdict {
        match &self.tokens {
            Some(_) if asked.is_plain && self.allows_plain => Ok(()),
            Some(_) if asked.is_plain => Err("This server needs a token".to_owned()),
            Some(tokens) if asked.wish == Wish::Hello && !tokens.contains(&asked.token) => {
                Err(String::new())
            }
            _ => Ok(()),
        }
    }
}

/// Waits while too many commands do.
async fn decide(server: &ServerHandle<GodotServer>, ticket: u64, verdict: Verdict) {
    let command = ServerCommand::Decide { ticket, verdict };
    while server.command(command.clone()).is_err() {
        tokio::task::yield_now().await;
    }
}

fn read_tokens(file: &Path) -> Result<HashSet<String>, String> {
    Ok(read_lines(file)?.into_iter().collect())
}

/// The lines of a file, but for comments and empty ones.
pub(crate) fn read_lines(file: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let lines = text.lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}
