//! What the lobbies of all protocols are told apart by.

use signaling_core::overview::LobbyKey;
use signaling_protocols::routing::Protocol;

/// A name for a lobby that no other on the server has, of whichever protocol: `rooms:name`, or
/// `omega:game/name` where games are separated. In the name of a game, `%` and `/` are `%25` and
/// `%2F`.
pub fn unique_name(protocol: Protocol, lobby: &LobbyKey) -> String {
    let LobbyKey { game, name } = lobby;
    let prefix = match protocol {
        // The numberings share nothing but what people call them.
        Protocol::OmegaLate => "omega-late",
        _ => protocol.name(),
    };
    if game.is_empty() {
        format!("{prefix}:{name}")
    } else {
        let game = game.replace('%', "%25").replace('/', "%2F");
        format!("{prefix}:{game}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lobbies_share_a_name() {
        for (protocol, game, name, expected) in [
            (Protocol::Rooms, "", "a/b", "rooms:a/b"),
            (Protocol::OmegaSeed, "a", "b/c", "omega:a/b/c"),
            (Protocol::OmegaSeed, "a/b", "c", "omega:a%2Fb/c"),
            (Protocol::OmegaSeed, "a%2Fb", "c", "omega:a%252Fb/c"),
            (Protocol::OmegaLate, "a", "b/c", "omega-late:a/b/c"),
        ] {
            let key = LobbyKey { game: game.into(), name: name.into() };
            assert_eq!(unique_name(protocol, &key), expected);
        }
    }
}
