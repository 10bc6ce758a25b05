//! How large everything may be. Strings and JSON are counted in bytes of UTF-8; JSON without blanks.

/// A player's name.
pub const NAME: usize = 64;
/// The id of a game, its build, and a namespace of statuses.
pub const GAME: usize = 64;
/// An auth token.
pub const TOKEN: usize = 4096;
/// A password of a lobby.
pub const PASSWORD: usize = 64;
/// The code of a lobby, as it is typed.
pub const CODE: usize = 64;
/// A lobby's metadata. A server may allow less: 2048 by default.
pub const LOBBY_METADATA: usize = 16_384;
/// A member's metadata.
pub const MEMBER_METADATA: usize = 1024;
/// A message to the lobby.
pub const MESSAGE: usize = 4096;
/// The key of a lobby's value.
pub const KEY: usize = 64;
/// A lobby's value.
pub const VALUE: usize = 1024;
/// The values of one lobby.
pub const VALUES: usize = 64;
/// A published status, and what goes with an invitation.
pub const STATUS: usize = 1024;
/// A user's id.
pub const USER: usize = 64;
/// Why somebody is removed or a lobby closed.
pub const REASON: usize = 120;
/// Conditions of a filter.
pub const CONDITIONS: usize = 16;
/// A filter.
pub const FILTER: usize = 4096;
/// Lobbies of one answer to LIST.
pub const PAGE: u64 = 100;
/// Members of a lobby: so many that a newcomer can be told of all of them at once, in less than 1 MiB.
pub const PLAYERS: u64 = 256;
/// The longest grace for a host that has to return, in seconds.
pub const GRACE: f64 = 600.0;
