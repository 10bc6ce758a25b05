//! The STUN and TURN servers that players are told of.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;
use signaling_protocols::godot::TurnSecret;
use signaling_protocols::godot::extended::Json;
use ureq::http::uri::Authority;

#[derive(Debug, Args)]
#[command(next_help_heading = "STUN and TURN servers that players are told of")]
pub(crate) struct IceOptions {
    /// A STUN server, for example stun:stun.example.com; may be given several times
    #[arg(long = "ice-server", env = "SIGNALING_ICE_SERVERS", value_name = "URL")]
    #[arg(value_delimiter = ',', value_parser = stun_url)]
    stun: Vec<String>,

    /// A TURN server that shares a secret with us, for example turn:turn.example.com?transport=udp;
    /// may be given several times
    #[arg(long = "turn-url", env = "SIGNALING_TURN_URLS", value_name = "URL")]
    #[arg(value_delimiter = ',', value_parser = turn_url)]
    #[arg(requires = "key")]
    turn: Vec<String>,

    /// The secret: what coturn calls static-auth-secret, with use-auth-secret
    #[arg(long, env = "SIGNALING_TURN_SECRET", hide_env_values = true, value_name = "SECRET")]
    #[arg(group = "key")]
    turn_secret: Option<String>,

    /// A file with the secret alone
    #[arg(long, env = "SIGNALING_TURN_SECRET_FILE", value_name = "FILE", group = "key")]
    turn_secret_file: Option<PathBuf>,

    /// How long the password is good that a player is given
    #[arg(long, env = "SIGNALING_TURN_LIFETIME_S", value_name = "SECONDS")]
    #[arg(default_value_t = TurnSecret::LIFETIME.as_secs() as u32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    turn_lifetime_s: u32,
}

impl IceOptions {
    /// The URLs of the servers that need no password.
    pub(crate) fn urls(&self) -> &[String] {
        &self.stun
    }

    /// The same in the form of the W3C's `iceServers`.
    pub(crate) fn servers(&self) -> Json {
        let list = (!self.stun.is_empty()).then(|| json!([{"urls": self.stun}]).to_string());
        list.and_then(|list| Json::parse(&list)).unwrap_or_default()
    }

    /// The servers that share a secret with us.
    pub(crate) fn turn(&self) -> Result<Option<TurnSecret>, String> {
        let secret = match (&self.turn_secret, &self.turn_secret_file) {
            _ if self.turn.is_empty() => return Ok(None),
            (Some(secret), _) => secret.clone(),
            (None, Some(file)) => fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?
                .trim()
                .to_owned(),
            (None, None) => return Ok(None),
        };
        let lifetime = Duration::from_secs(self.turn_lifetime_s.into());
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = (Instant::now(), since_1970);
        Ok(Some(TurnSecret::new(self.turn.clone(), secret, lifetime, clock)))
    }
}

/// Takes the URLs of STUN servers (RFC 7064).
fn stun_url(url: &str) -> Result<String, String> {
    let rest = after_scheme(url, ["stun:", "stuns:"])?;
    check_authority(rest)?;
    Ok(url.to_owned())
}

/// Takes the URLs of TURN servers (RFC 7065).
fn turn_url(url: &str) -> Result<String, String> {
    let rest = after_scheme(url, ["turn:", "turns:"])?;
    let (authority, transport) = rest.split_once('?').unwrap_or((rest, "transport=tcp"));
    if transport != "transport=tcp" && (transport != "transport=udp" || url.starts_with("turns:")) {
        return Err("only ?transport=tcp can follow, and without TLS ?transport=udp".to_owned());
    }
    check_authority(authority)?;
    Ok(url.to_owned())
}

fn after_scheme<'a>(url: &'a str, schemes: [&str; 2]) -> Result<&'a str, String> {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.ok_or_else(|| format!("a URL that begins with {} or {} is needed", schemes[0], schemes[1]))
}

/// Whether this is a host, with a port or without, and nothing else.
fn check_authority(text: &str) -> Result<(), String> {
    let parsed: Authority = text.parse().map_err(|error| format!("{error}"))?;
    let port = parsed.port().map_or(String::new(), |port| format!(":{port}"));
    let is_all = !parsed.host().is_empty() && text == format!("{}{port}", parsed.host());
    is_all.then_some(()).ok_or_else(|| "a host, or a host and a port, is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_clients_understand() {
        for url in ["stun:stun.example.com", "stun:[2001:db8::1]:3479", "stuns:192.0.2.1:5349"] {
            assert_eq!(stun_url(url).as_deref(), Ok(url));
        }
        for url in ["turn:turn.example.com:80?transport=udp", "turns:[2001:db8::1]?transport=tcp"] {
            assert_eq!(turn_url(url).as_deref(), Ok(url));
        }
    }

    #[test]
    fn urls_that_no_client_understands() {
        for rest in ["", "//example.com", "exa mple.com", "me@example.com", "example.com:65536"] {
            assert!(stun_url(&format!("stun:{rest}")).is_err(), "{rest}");
            assert!(turn_url(&format!("turn:{rest}")).is_err(), "{rest}");
        }
        assert!(stun_url("turn:example.com").is_err());
        assert!(stun_url("stun:example.com?transport=udp").is_err());
        assert!(turn_url("example.com").is_err());
        assert!(turn_url("turn:example.com?transport=sctp").is_err());
        assert!(turn_url("turns:example.com?transport=udp").is_err());
    }
}
