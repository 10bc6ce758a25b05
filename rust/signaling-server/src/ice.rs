//! The STUN and TURN servers that players are told of.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;
use signaling_protocols::godot::TurnSecret;
use signaling_protocols::godot::extended::Json;

#[derive(Debug, Args)]
#[command(next_help_heading = "STUN and TURN servers that players are told of")]
pub(crate) struct IceOptions {
    /// A STUN server, for example stun:stun.example.com; may be given several times
    #[arg(long = "ice-server", env = "SIGNALING_ICE_SERVERS", value_name = "URL")]
    #[arg(value_delimiter = ',', value_parser = |url: &str| with_scheme(url, ["stun:", "stuns:"]))]
    stun: Vec<String>,

    /// A TURN server that shares a secret with us, for example turn:turn.example.com?transport=udp;
    /// may be given several times
    #[arg(long = "turn-url", env = "SIGNALING_TURN_URLS", value_name = "URL")]
    #[arg(value_delimiter = ',', value_parser = |url: &str| with_scheme(url, ["turn:", "turns:"]))]
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
    /// The servers that need no password, in the form of the W3C's `iceServers`.
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

fn with_scheme(url: &str, schemes: [&str; 2]) -> Result<String, String> {
    if schemes.iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme)) {
        Ok(url.to_owned())
    } else {
        Err(format!("a URL that begins with {} or {} is needed", schemes[0], schemes[1]))
    }
}
