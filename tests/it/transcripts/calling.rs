//! Namespaces, rooms and invitations.

use std::fs;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_protocols::calling::{CallingServer, Problem, Settings};

use super::files;
use super::player::{Subject, check};
use crate::watched::Watched;

#[test]
fn calling_says_what_its_transcripts_say() {
    for path in files("calling") {
        check(&path, Calling(Settings::default()));
    }
}

#[test]
fn the_calling_transcripts_show_every_stanza() {
    let transcripts = transcripts();
    let shows = |verb, stanza| {
        let start = format!(r#" {verb} {{"type":"{stanza}""#);
        assert!(transcripts.contains(&start), "in no transcript anybody {verb} {stanza}");
    };
    REQUESTS.iter().for_each(|request| shows("sends", request));
    EVENTS.iter().for_each(|event| shows("gets", event));
}

#[test]
fn the_calling_transcripts_show_every_problem() {
    let transcripts = transcripts();
    for problem in PROBLEMS {
        let error = format!(r#""error":"{problem}""#);
        assert!(transcripts.contains(&error), "no transcript shows {problem}");
    }
}

fn transcripts() -> String {
    files("calling").iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

const REQUESTS: [&str; 20] = [
    "status",
    "ns_subscribe",
    "ns_unsubscribe",
    "ns_user_register",
    "ns_user_unregister",
    "ns_room_register",
    "ns_room_unregister",
    "room_join",
    "room_leave",
    "room_status",
    "room_peer_status",
    "room_peer_update",
    "room_peer_to",
    "invite_send",
    "invite_cancel",
    "invite_accept",
    "invite_deny",
    "ping",
    "remote_ping",
    "remote_timeout",
];

const EVENTS: [&str; 25] = [
    "hello",
    "answer",
    "error",
    "ns_user_add",
    "ns_user_rm",
    "ns_user_update",
    "user_update",
    "ns_room_add",
    "ns_room_rm",
    "ns_room_update",
    "ns_room_peer_add",
    "ns_room_user_add",
    "ns_room_peer_rm",
    "ns_room_user_rm",
    "ns_room_peer_update",
    "ns_room_user_update",
    "room_update",
    "room_peer_add",
    "room_peer_rm",
    "room_peer_update",
    "room_peer_from",
    "invite_incoming",
    "invite_response",
    "invite_cancelled",
    "ping",
];

const PROBLEMS: [Problem; 21] = [
    Problem::MissingType,
    Problem::UnknownCommand,
    Problem::TypeMismatch,
    Problem::MissingElement,
    Problem::UnexpectedField,
    Problem::NoSuchRoom,
    Problem::NoSuchNamespace,
    Problem::AlreadyInRoom,
    Problem::NotInRoom,
    Problem::OnlyInvited,
    Problem::UnknownRecipient,
    Problem::RecipientPending,
    Problem::OtherStatus,
    Problem::AlreadySubscribed,
    Problem::NotSubscribed,
    Problem::UserAlreadyRegistered,
    Problem::UserNotRegistered,
    Problem::RoomAlreadyRegistered,
    Problem::RoomNotRegistered,
    Problem::InvalidHandle,
    Problem::LimitReached,
];

struct Calling(Settings);

impl Subject for Calling {
    type Server = Watched<CallingServer>;

    fn set(&mut self, name: &str, value: u64) -> bool {
        let settings = &mut self.0;
        let limit = match name {
            "empty_room_time" => {
                settings.empty_room_time = Duration::from_millis(value);
                return true;
            }
            "max_users" => &mut settings.max_users,
            "max_rooms" => &mut settings.max_rooms,
            "max_room_peers" => &mut settings.max_room_peers,
            "max_namespaces" => &mut settings.max_namespaces,
            "max_namespace_entries" => &mut settings.max_namespace_entries,
            "max_room_namespaces" => &mut settings.max_room_namespaces,
            "max_user_places" => &mut settings.max_user_places,
            "max_user_invitations" => &mut settings.max_user_invitations,
            "max_invitation_bytes" => &mut settings.max_invitation_bytes,
            "max_name_bytes" => &mut settings.max_name_bytes,
            "max_status_bytes" => &mut settings.max_status_bytes,
            "max_list_bytes" => &mut settings.max_list_bytes,
            _ => return false,
        };
        *limit = value as usize;
        true
    }

    fn start(&self) -> Watched<CallingServer> {
        Watched::new(CallingServer::new(self.0.clone(), StdRng::seed_from_u64(1)))
    }

    /// Users and rooms are UUIDs of version 4.
    fn can_be(_variable: &str, value: &str) -> bool {
        let groups: Vec<&str> = value.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups[2].starts_with('4')
            && groups[3].starts_with(['8', '9', 'a', 'b'])
    }
}
