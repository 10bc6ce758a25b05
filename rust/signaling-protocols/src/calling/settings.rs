//! Every timer and limit of the server.

use std::time::Duration;

use signaling_core::rate::Rate;

/// Timers and limits. What goes beyond a limit is refused with `Limit reached`, unless said
/// otherwise.
///
/// A change of a user's status is told in all its rooms and in all their namespaces at once. However
/// many those are, [`announcements`](Self::announcements) bounds what one hears who hears it all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What the server calls itself. Default `godot-signaling`.
    pub server_name: String,
    /// Users at any time; one more is told `Limit reached` and closed with 1013. Default 4096.
    pub max_users: usize,
    /// Rooms at any time. For one more, the empty room that would live the shortest goes; if none
    /// is empty, it is refused. Default 4096.
    pub max_rooms: usize,
    /// Peers of a room, with those who are invited. Default 32.
    pub max_room_peers: usize,
    /// Namespaces at any time. Default 4096.
    pub max_namespaces: usize,
    /// Subscribers of a namespace, users announced there, and rooms announced there: as many of
    /// each. Default 1024.
    pub max_namespace_entries: usize,
    /// Namespaces that one room is announced in. Default 4.
    pub max_room_namespaces: usize,
    /// Rooms, subscriptions and registrations of one user, together. Rooms that it is only invited
    /// to do not count, because others choose them. Default 32.
    pub max_user_places: usize,
    /// Invitations that one user has sent and that have no answer yet, and as many that it has
    /// received. Default 32.
    pub max_user_invitations: usize,
    /// What may go with an invitation, in bytes of JSON: it comes from anybody. Default 8192.
    pub max_invitation_bytes: usize,
    /// The names of rooms and namespaces, in bytes of JSON. Default 256.
    pub max_name_bytes: usize,
    /// What a status of a user, of a peer or of a room may take, in bytes of JSON. Default 1024.
    pub max_status_bytes: usize,
    /// How many bytes one user may cause another to be told of itself and of its rooms, in one place
    /// or in many; what it sends to a peer does not count. What is more is refused. Default 128 KiB at
    /// once and 32 KiB a second.
    pub announcements: Rate,
    /// The longest list of a namespace for who subscribes to it, in bytes. Default 262 144.
    pub max_list_bytes: usize,
    /// How long a room without peers keeps its status; zero: not at all. Default 600 s.
    pub empty_room_time: Duration,
    /// After which times of silence a connection is pinged, in order. Default 30, 45 and 55 s.
    pub pings: Vec<Duration>,
    /// After which silence it is closed with 1001. Default 55 s; `None`: never.
    pub silence_limit: Option<Duration>,
    /// The shortest time of `remote_ping` and `remote_timeout`; shorter ones are raised to it.
    /// Default 100 ms.
    pub min_remote_time: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: "godot-signaling".into(),
            max_users: 4096,
            max_rooms: 4096,
            max_room_peers: 32,
            max_namespaces: 4096,
            max_namespace_entries: 1024,
            max_room_namespaces: 4,
            max_user_places: 32,
            max_user_invitations: 32,
            max_invitation_bytes: 8192,
            max_name_bytes: 256,
            max_status_bytes: 1024,
            announcements: Rate { interval: Duration::from_nanos(30_518), burst: 128 << 10 },
            max_list_bytes: Self::MAX_MESSAGE_BYTES,
            empty_room_time: Duration::from_secs(600),
            pings: [30, 45, 55].map(Duration::from_secs).into(),
            silence_limit: Some(Duration::from_secs(55)),
            min_remote_time: Duration::from_millis(100),
        }
    }
}

impl Settings {
    /// The largest inbound message, in bytes.
    pub const MAX_MESSAGE_BYTES: usize = 262_144;
}
