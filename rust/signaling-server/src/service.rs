//! The service that decides who is let in, asked over HTTP.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signaling_protocols::godot::{Asked, Topology, Verdict, Wish};
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::queue::Queue;

/// What those are told for whom there is no turn.
const BUSY: &str = "Too many players come in at the moment";
/// The longest body that is read; of a longer one nothing is told to the player.
const MAX_BODY: u64 = 4096;

pub(crate) struct Service {
    agent: Agent,
    url: String,
    timeout: Duration,
    queue: Queue,
}

impl Service {
    /// The service at `url`; trusts the certificates in the file `authorities` if there is one, and
    /// whom browsers trust if not.
    pub(crate) fn new(
        url: String,
        authorities: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let roots = authorities.map_or(Ok(RootCerts::WebPki), read_certificates)?;
        let provider = Arc::new(rustls_graviola::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(roots)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .user_agent(concat!("signaling-server/", env!("CARGO_PKG_VERSION")))
            // The tokens of players go where the operator said, and nowhere else.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .build();
        Ok(Self { agent: config.new_agent(), url, timeout, queue: Queue::new(timeout) })
    }

    /// What the service decides; `None` when it does not. It is not asked about somebody who does
    /// not wait any more, and whoever has no turn in time is turned away: a crowd is no reason to
    /// let in whom the service may not want.
    pub(crate) async fn ask(
        &self,
        asked: &Asked,
        still_waits: impl FnOnce() -> bool,
    ) -> Option<Verdict> {
        let Some(_turn) = self.queue.turn(asked.neighbourhood()).await else {
            tracing::warn!(address = asked.address, "no turn to ask who is let in");
            return Some(Err(BUSY.to_owned()));
        };
        if !still_waits() {
            return None;
        }
        let deadline = Instant::now() + self.timeout;
        let (agent, url, body) = (self.agent.clone(), self.url.clone(), describe(asked));
        let request = move || post(&agent, &url, &body, deadline);
        let answered = tokio::task::spawn_blocking(request).await;
        let verdict = answered.map_err(|error| error.to_string());
        let verdict = verdict.and_then(|answer| answer.map_err(|error| error.to_string()));
        verdict.inspect_err(|error| tracing::warn!("nobody decides who is let in: {error}")).ok()
    }
}

/// The whole of a request, on a thread that may wait.
fn post(agent: &Agent, url: &str, body: &Value, deadline: Instant) -> Result<Verdict, ureq::Error> {
    let timeout = deadline.saturating_duration_since(Instant::now());
    let request = agent.post(url).content_type("application/json");
    let request = request.config().timeout_global(Some(timeout)).build();
    let mut response = request.send(body.to_string())?;
    match response.status().as_u16() {
        200 => Ok(Ok(())),
        401 | 403 => Ok(Err(reason(response.body_mut()))),
        status => Err(ureq::Error::StatusCode(status)),
    }
}

/// What the service is told.
fn describe(asked: &Asked) -> Value {
    let (kind, code, lobby) = match &asked.wish {
        Wish::Hello => ("hello", None, None),
        Wish::Create(lobby) => ("create", None, Some(lobby)),
        Wish::Join(lobby) => ("join", Some(&lobby.code), Some(lobby)),
    };
    json!({
        "kind": kind,
        "plain": asked.is_plain,
        "address": asked.address,
        "name": asked.name,
        "user": asked.user,
        "token": asked.token,
        "game": asked.game,
        "build": asked.build,
        "lobby": code,
        "lobby_metadata": lobby.map(|lobby| &lobby.metadata),
        "lobby_max_players": lobby.map(|lobby| lobby.max_players),
        "lobby_public": lobby.map(|lobby| lobby.is_public),
        "lobby_mesh": lobby.map(|lobby| lobby.topology == Topology::Mesh),
        "metadata": asked.metadata,
    })
}

/// The words for the player: `reason` of a JSON object, or all of a text.
fn reason(body: &mut Body) -> String {
    // A page for a browser, which something before the service has made up.
    let is_page = body.mime_type() == Some("text/html");
    let text = body.with_config().limit(MAX_BODY).lossy_utf8(true).read_to_string();
    let text = text.unwrap_or_default();
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => {
            fields.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ if is_page => String::new(),
        _ => text.trim().to_owned(),
    }
}

/// Takes URLs that a service can have.
pub(crate) fn parse_url(url: &str) -> Result<String, String> {
    let parsed: Uri = url.parse().map_err(|error| format!("{error}"))?;
    match parsed.scheme_str() {
        Some("http" | "https") if parsed.host().is_some_and(|host| !host.is_empty()) => {
            Ok(url.to_owned())
        }
        _ => Err("an http: or https: URL is needed".to_owned()),
    }
}

fn read_certificates(file: &Path) -> Result<RootCerts, String> {
    let explain = |error: String| format!("cannot read {}: {error}", file.display());
    let pem = fs::read(file).map_err(|error| explain(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item.map_err(|error| explain(error.to_string()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            _ => return Err(explain("it is to hold certificates alone".to_owned())),
        }
    }
    Ok(RootCerts::from(certificates))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpListener;

    use signaling_protocols::godot::extended::Object;

    use super::*;

    #[tokio::test]
    async fn nobody_is_asked_about_who_does_not_wait_any_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let service = Service::new(url, None, Duration::from_secs(60)).unwrap();
        assert_eq!(service.ask(&hello(), || false).await, None);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn hello() -> Asked {
        Asked {
            ticket: 1,
            wish: Wish::Hello,
            is_plain: false,
            address: "192.0.2.7".to_owned(),
            name: String::new(),
            user: String::new(),
            token: String::new(),
            game: String::new(),
            build: String::new(),
            metadata: Object::default(),
        }
    }
}
