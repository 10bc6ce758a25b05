//! The STUN and TURN servers that clients are told of.

use std::fmt;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use super::Settings;
use crate::godot::extended::Json;

/// TURN servers that give passwords out for a limited time, by a secret that they share with us:
/// coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00). Every session is given a password
/// of its own when it begins and when it is resumed.
#[derive(Clone)]
pub struct TurnSecret {
    urls: Vec<String>,
    secret: String,
    lifetime: Duration,
    /// A moment, and how long after 1970 it was.
    clock: (Instant, Duration),
}

impl TurnSecret {
    /// A day.
    pub const LIFETIME: Duration = Duration::from_secs(86_400);

    /// The servers at `urls`, whose `static-auth-secret` is `secret`. Passwords are good for
    /// `lifetime`; longer than a session lasts, usually [`TurnSecret::LIFETIME`].
    ///
    /// The machine knows no calendar: `clock` is the present moment, and how long after 1970 it is.
    /// What happens to the system's clock later is not noticed.
    pub fn new(
        urls: Vec<String>,
        secret: String,
        lifetime: Duration,
        clock: (Instant, Duration),
    ) -> Self {
        Self { urls, secret, lifetime, clock }
    }

    /// An entry of `iceServers` for this user.
    fn entry(&self, now: Instant, user: &str) -> Value {
        let (start, since_1970) = self.clock;
        let now = since_1970.saturating_add(now.saturating_duration_since(start));
        let expiry = now.saturating_add(self.lifetime);
        let username = format!("{}:{user}", expiry.as_secs());
        let credential = self.password(&username);
        json!({"urls": self.urls, "username": username, "credential": credential})
    }

    fn password(&self, username: &str) -> String {
        let mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes());
        let mac = mac.expect("a key of any length will do").chain_update(username);
        BASE64.encode(&mac.finalize().into_bytes())
    }
}

/// Without the secret.
impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { urls, lifetime, .. } = self;
        f.debug_struct("TurnSecret").field("urls", urls).field("lifetime", lifetime).finish()
    }
}

impl Settings {
    /// What a user is told of.
    pub(super) fn ice_servers(&self, now: Instant, user: &str) -> Json {
        let mut servers = self.ice_servers.value().as_array().cloned().unwrap_or_default();
        servers.extend(self.turn.as_ref().map(|turn| turn.entry(now, user)));
        Json::from_value(&Value::Array(servers)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn north() -> (TurnSecret, Instant) {
        let start = Instant::now();
        let urls = vec!["turn:turn.example.com".to_owned()];
        let clock = (start, Duration::from_millis(1_699_996_400_900));
        (TurnSecret::new(urls, "north".to_owned(), Duration::from_secs(3600), clock), start)
    }

    #[test]
    fn passwords_are_those_of_coturn() {
        let (north, start) = north();
        // printf 1700000000:u1 | openssl dgst -sha1 -hmac north -binary | base64
        let expected = json!({
            "urls": ["turn:turn.example.com"],
            "username": "1700000000:u1",
            "credential": "V5T4+SMzwlCncdLd960W+gxser0=",
        });
        assert_eq!(north.entry(start, "u1"), expected);
        let later = north.entry(start + Duration::from_secs(60), "u1");
        assert_eq!(later["username"], "1700000060:u1");
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", north().0).contains("north"));
    }

    #[test]
    fn a_user_is_told_of_servers_with_and_without_passwords() {
        let (north, start) = north();
        let mut settings = Settings::default();
        assert_eq!(settings.ice_servers(start, "u1").to_string(), "[]");
        settings.ice_servers = Json::parse(r#"[{"urls":["stun:stun.example.com"]}]"#).unwrap();
        settings.turn = Some(north);
        let told = settings.ice_servers(start, "u1");
        let told = told.value();
        let urls: Vec<_> = told.as_array().unwrap().iter().map(|it| &it["urls"]).collect();
        assert_eq!(urls, [&json!(["stun:stun.example.com"]), &json!(["turn:turn.example.com"])]);
    }
}
