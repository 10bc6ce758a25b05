//! What a session sends and tells, at which time.

use rand::SeedableRng;
use signaling_core::{Cause, Frame};

use super::*;
use crate::rooms::model::{Channel, Participant, Profile, Recipient, Role};
use crate::rooms::wire::{Ack, Action, Code, Message, Refusal, Shape};

const SECOND: Duration = Duration::from_secs(1);

/// A session, and what it wanted since it was last looked at.
struct Client {
    session: RoomSession,
    start: Instant,
    now: Instant,
    sent: Vec<Kind>,
    events: Vec<RoomEvent>,
    connects: usize,
    closes: usize,
}

impl Client {
    /// A session whose connection stands.
    fn connected(channel: Channel) -> Self {
        Self::with(RoomOptions { channel, ..RoomOptions::default() })
    }

    fn with(options: RoomOptions) -> Self {
        let options = RoomOptions { room: "room".into(), me: me(), ..options };
        let now = Instant::now();
        let mut client = Self {
            session: RoomSession::new(options, StdRng::seed_from_u64(1)),
            start: now,
            now,
            sent: Vec::new(),
            events: Vec::new(),
            connects: 0,
            closes: 0,
        };
        client.input(SessionInput::Opened);
        client
    }

    /// A session that is in the room, with another one.
    fn joined(channel: Channel) -> Self {
        let mut client = Self::connected(channel);
        client.ask(join());
        client.admit(&[me(), other()]);
        client.sent.clear();
        client.events.clear();
        client
    }

    fn input(&mut self, input: SessionInput<'_, RoomRequest>) {
        self.session.handle_input(self.now, input);
        while let Some(output) = self.session.poll_output() {
            match output {
                SessionOutput::Send(text) => self.sent.push(kind(&text)),
                SessionOutput::Close(_) => self.closes += 1,
                SessionOutput::Connect => self.connects += 1,
                SessionOutput::Event(event) => self.events.push(event),
            }
        }
    }

    fn ask(&mut self, kind: Kind) {
        self.input(SessionInput::Request(RoomRequest::Say(kind)));
    }

    fn hear(&mut self, text: &str) {
        self.input(SessionInput::Frame(Frame::Text(text)));
    }

    fn ack(&mut self, ack: &Ack<'_>) {
        self.hear(&ack.encode(Shape::V2, None));
    }

    /// Acks the join signal.
    fn admit(&mut self, publishers: &[Participant]) {
        let publishers = &entries(publishers);
        let role = Role::Owner;
        self.ack(&Ack::Joined { room: "room", role, publishers, ice_servers: &[] });
    }

    fn refuse(&mut self, action: Action, code: Code) {
        let refusal = Refusal::new(code, "no");
        self.ack(&Ack::Refused { action, request: "{}", refusal });
    }

    fn list(&mut self, publishers: &[Participant]) {
        self.ack(&Ack::PublishersChanged { room: "room", publishers: &entries(publishers) });
    }

    fn lose_connection(&mut self) {
        let close = Close::abnormal("lost");
        self.input(SessionInput::Closed { close, cause: Cause::Lost });
    }

    /// Moves time on to so many seconds after the start.
    fn at(&mut self, seconds: u64) {
        let until = self.start + SECOND * u32::try_from(seconds).unwrap();
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.input(SessionInput::Timeout);
        }
        self.now = until;
    }

    /// The same, while the server answers every heartbeat.
    fn at_with_heartbeats(&mut self, seconds: u64, publishers: &[Participant]) {
        let first = (self.now - self.start).as_secs() + 1;
        for second in first..=seconds {
            self.at(second);
            let publishers = &entries(publishers);
            self.ack(&Ack::Heartbeat { room: "room", id: None, publishers });
        }
    }

    fn take_sent(&mut self) -> Vec<Kind> {
        std::mem::take(&mut self.sent)
    }

    fn joins(&self) -> usize {
        self.sent.iter().filter(|kind| matches!(kind, Kind::Join { .. })).count()
    }

    fn was_told(&self, event: &RoomEvent) -> bool {
        self.events.contains(event)
    }

    #[track_caller]
    fn expect_state(&self, state: RoomState) {
        assert_eq!(self.session.state(), state);
    }
}

fn me() -> Participant {
    Participant::new("me", "1")
}

fn other() -> Participant {
    Participant::new("other", "2")
}

fn entries(participants: &[Participant]) -> Vec<Publisher> {
    let entry = |participant: &Participant| Publisher {
        participant: participant.clone(),
        role: Role::Publisher,
        media: Media::default(),
        profile: Profile::default(),
    };
    participants.iter().map(entry).collect()
}

fn kind(text: &str) -> Kind {
    match Message::decode(Frame::Text(text)) {
        Message::Request(request) => request.signal.expect("a session says what makes sense").kind,
        Message::Unroutable => panic!("{text} leads nowhere"),
    }
}

fn join() -> Kind {
    Kind::Join { media: Media { video: true, audio: false }, is_creating: true }
}

fn candidate(number: usize) -> Kind {
    Kind::Candidate { to: None, sdp: number.to_string() }
}

fn offer() -> Kind {
    Kind::Offer { to: Some(other().into()), sdp: "v=0".into(), is_restart: false }
}

/// The bare signal that another one says.
fn said_by_other(channel: Channel, kind: Kind) -> String {
    let signal =
        Signal { channel, room: "room".into(), sender: other(), profile: Profile::default(), kind };
    let text = signal.encode();
    let data = text.split_once(r#""data":"#).unwrap().1;
    data[..data.len() - 1].to_owned()
}

#[test]
fn there_are_eleven_ways_from_state_to_state() {
    use RoomState::*;
    let all = [Idle, Initializing, Joined, Reinitializing, WaitingForNetwork, Left, Failed];
    let ways: Vec<_> = all
        .into_iter()
        .flat_map(|from| all.map(|to| (from, to)))
        .filter(|(from, to)| from.leads_to(*to))
        .collect();
    let expected = [
        (Idle, Initializing),
        (Initializing, Joined),
        (Initializing, Failed),
        (Joined, Reinitializing),
        (Joined, WaitingForNetwork),
        (Joined, Left),
        (Joined, Failed),
        (Reinitializing, Joined),
        (Reinitializing, Failed),
        (WaitingForNetwork, Reinitializing),
        (Left, Initializing),
    ];
    assert_eq!(ways, expected);
}

#[test]
fn a_session_joins_leaves_and_joins_again() {
    let mut client = Client::connected(Channel::Call);
    client.expect_state(RoomState::Idle);
    client.ask(join());
    client.expect_state(RoomState::Initializing);
    client.admit(&[me()]);
    client.expect_state(RoomState::Joined);
    client.ask(Kind::Leave);
    client.expect_state(RoomState::Left);
    client.ask(join());
    client.expect_state(RoomState::Initializing);
    assert_eq!(client.take_sent(), [join(), Kind::Leave, join()]);
}

#[test]
fn the_join_signal_waits_for_the_first_connection() {
    let options = RoomOptions { room: "room".into(), me: me(), ..RoomOptions::default() };
    let mut session = RoomSession::new(options, StdRng::seed_from_u64(1));
    let now = Instant::now();
    session.handle_input(now, SessionInput::Request(RoomRequest::Say(join())));
    assert!(matches!(session.poll_output(), Some(SessionOutput::Event(_))));
    assert_eq!(session.poll_output(), None);
    session.handle_input(now, SessionInput::Opened);
    let Some(SessionOutput::Send(text)) = session.poll_output() else { panic!("nothing is sent") };
    assert_eq!(kind(&text), join());
}

#[test]
fn a_join_that_is_refused_fails() {
    let mut client = Client::connected(Channel::Call);
    client.ask(join());
    client.refuse(Action::Join, Code::RoomExists);
    client.expect_state(RoomState::Failed);
    let failure = Failure::Refused { code: 4022, message: "no".into() };
    assert!(client.was_told(&RoomEvent::Failed(failure)));
    assert_eq!(client.closes, 1);
    client.ask(join());
    client.expect_state(RoomState::Failed);
    let unsent = RoomEvent::Unsent { kind: Box::new(join()), why: Unsent::NotInRoom };
    assert!(client.was_told(&unsent));
}

#[test]
fn three_joins_without_an_ack_fail() {
    let mut client = Client::connected(Channel::Call);
    client.ask(join());
    for (seconds, joins) in [(9, 1), (10, 2), (19, 2), (20, 3), (29, 3)] {
        client.at(seconds);
        assert_eq!(client.joins(), joins, "after {seconds} s");
        client.expect_state(RoomState::Initializing);
    }
    client.at(30);
    client.expect_state(RoomState::Failed);
    assert_eq!(client.joins(), 3);
    assert!(client.was_told(&RoomEvent::Failed(Failure::Unanswered)));
    assert_eq!(client.session.poll_timeout(), None);
}

#[test]
fn three_joins_without_an_ack_fail_on_the_way_back_too() {
    let mut client = Client::joined(Channel::Call);
    client.lose_connection();
    client.at(1);
    client.input(SessionInput::Opened);
    for (seconds, joins) in [(10, 1), (11, 2), (20, 2), (21, 3), (30, 3)] {
        client.at(seconds);
        assert_eq!(client.joins(), joins, "after {seconds} s");
        client.expect_state(RoomState::Reinitializing);
    }
    client.at(31);
    client.expect_state(RoomState::Failed);
    assert!(client.was_told(&RoomEvent::Failed(Failure::Unanswered)));
}

#[test]
fn a_server_that_is_away_for_long_is_waited_for() {
    let mut client = Client::joined(Channel::Call);
    client.lose_connection();
    for minute in 1..60 {
        let connects = client.connects;
        client.at(60 * minute);
        assert!(client.connects > connects, "after {minute} minutes");
        client.lose_connection();
        client.expect_state(RoomState::WaitingForNetwork);
    }
    client.at(3600);
    client.input(SessionInput::Opened);
    client.admit(&[me(), other()]);
    client.expect_state(RoomState::Joined);
}

#[test]
fn a_connection_that_is_lost_on_the_way_in_is_made_again() {
    let mut client = Client::connected(Channel::Call);
    client.ask(join());
    client.lose_connection();
    client.expect_state(RoomState::Initializing);
    client.at(1);
    assert_eq!(client.connects, 1);
    client.input(SessionInput::Opened);
    assert_eq!(client.take_sent(), [join(), join()]);
    client.admit(&[me()]);
    client.expect_state(RoomState::Joined);
}

#[test]
fn a_heartbeat_is_sent_every_three_seconds() {
    let mut client = Client::joined(Channel::Call);
    client.at(9);
    let beat = |id: &str| Kind::Heartbeat { id: Some(id.into()), wants_ack: true };
    assert_eq!(client.take_sent(), [beat("1"), beat("2"), beat("3")]);
}

#[test]
fn the_list_in_heartbeats_counts() {
    let mut client = Client::joined(Channel::Call);
    for publishers in [&[me(), other()][..], &[me()], &[me()]] {
        let publishers = &entries(publishers);
        client.ack(&Ack::Heartbeat { room: "room", id: None, publishers });
    }
    assert_eq!(client.events, [RoomEvent::PublishersChanged(entries(&[me()]))]);
}

#[test]
fn signals_made_while_the_network_is_down_are_sent_in_order_after_the_ack() {
    let mut client = Client::joined(Channel::Call);
    client.lose_connection();
    client.expect_state(RoomState::WaitingForNetwork);
    client.ask(candidate(1));
    client.at(1);
    assert_eq!((client.connects, client.joins()), (1, 0));
    client.input(SessionInput::Opened);
    client.expect_state(RoomState::Reinitializing);
    client.ask(candidate(2));
    assert_eq!(client.take_sent(), [join()]);
    client.admit(&[me(), other()]);
    client.expect_state(RoomState::Joined);
    assert_eq!(client.take_sent(), [candidate(1), candidate(2)]);
}

#[test]
fn what_is_kept_is_bounded() {
    let options = RoomOptions { max_queued: 3, max_queued_bytes: 600, ..RoomOptions::default() };
    let mut client = Client::with(options);
    client.ask(join());
    let large = Kind::Candidate { to: None, sdp: "x".repeat(500) };
    client.ask(candidate(0));
    client.ask(large.clone());
    (1..5).for_each(|number| client.ask(candidate(number)));
    let unsent = [large, candidate(3), candidate(4)]
        .map(|kind| RoomEvent::Unsent { kind: Box::new(kind), why: Unsent::QueueFull });
    assert_eq!(client.events[1..], unsent);
    client.admit(&[me()]);
    assert_eq!(client.take_sent()[1..], [candidate(0), candidate(1), candidate(2)]);
}

#[test]
fn nothing_larger_than_a_message_is_sent() {
    let mut client = Client::joined(Channel::Call);
    let large = Kind::Candidate { to: None, sdp: "x".repeat(MAX_MESSAGE_BYTES) };
    client.ask(large.clone());
    let unsent = RoomEvent::Unsent { kind: Box::new(large), why: Unsent::TooLarge };
    assert_eq!((client.events, client.sent), (vec![unsent], vec![]));
}

#[test]
fn leaving_waits_for_the_network_too() {
    let mut client = Client::joined(Channel::Call);
    client.lose_connection();
    client.ask(Kind::Leave);
    client.ask(candidate(1));
    client.at(1);
    client.input(SessionInput::Opened);
    client.admit(&[me()]);
    client.expect_state(RoomState::Left);
    assert_eq!(client.take_sent(), [join(), Kind::Leave]);
    let unsent = RoomEvent::Unsent { kind: Box::new(candidate(1)), why: Unsent::NotInRoom };
    assert!(client.was_told(&unsent));
}

#[test]
fn a_place_that_is_lost_for_good_fails() {
    let mut client = Client::joined(Channel::Call);
    client.lose_connection();
    client.at(1);
    client.input(SessionInput::Opened);
    client.refuse(Action::Join, Code::RoomNotFound);
    client.expect_state(RoomState::Failed);
}

#[test]
fn coming_back_says_what_is_published_by_then() {
    let mut client = Client::joined(Channel::Call);
    let media = Media { video: false, audio: true };
    client.ask(Kind::Update(media));
    client.input(SessionInput::Request(RoomRequest::Recover));
    client.expect_state(RoomState::Reinitializing);
    assert_eq!(client.take_sent()[1..], [Kind::Join { media, is_creating: true }]);
}

#[test]
fn a_connection_that_falls_silent_is_made_again_at_once() {
    let mut client = Client::joined(Channel::Call);
    client.at(9);
    assert_eq!(client.connects, 0);
    client.at(10);
    client.expect_state(RoomState::WaitingForNetwork);
    assert_eq!(client.connects, 1);
}

#[test]
fn tries_to_reach_the_server_come_less_and_less_often() {
    let mut client = Client::joined(Channel::Call);
    for attempt in 1..=5 {
        client.lose_connection();
        let delay = client.events.iter().rev().find_map(|event| match event {
            RoomEvent::Reconnecting { attempt: number, delay } => Some((*number, *delay)),
            _ => None,
        });
        let (number, delay) = delay.unwrap();
        let ceiling = Duration::from_millis(250) * 2_u32.pow(attempt - 1);
        assert_eq!(number, attempt);
        assert!(delay >= ceiling / 2 && delay <= ceiling, "{delay:?}");
        client.now += delay;
        client.input(SessionInput::Timeout);
        assert_eq!(client.connects, attempt as usize);
    }
    client.expect_state(RoomState::WaitingForNetwork);
}

#[test]
fn a_session_that_has_expired_joins_anew() {
    let mut client = Client::joined(Channel::Call);
    client.refuse(Action::Heartbeat, Code::RoomNotFound);
    client.expect_state(RoomState::Reinitializing);
    assert_eq!(client.take_sent(), [join()]);
}

#[test]
fn whoever_cannot_be_helped_fails() {
    let mut client = Client::joined(Channel::Call);
    for _ in 0..3 {
        client.input(SessionInput::Request(RoomRequest::Recover));
        client.expect_state(RoomState::Reinitializing);
        client.admit(&[me(), other()]);
    }
    client.input(SessionInput::Request(RoomRequest::Recover));
    client.expect_state(RoomState::Failed);
    assert!(client.was_told(&RoomEvent::Failed(Failure::Unrecovered)));
}

#[test]
fn whoever_is_helped_may_be_helped_again() {
    let mut client = Client::joined(Channel::Call);
    for _ in 0..10 {
        client.input(SessionInput::Request(RoomRequest::Recover));
        client.admit(&[me(), other()]);
        let answer = Kind::Answer { to: None, sdp: "v=0".into() };
        client.hear(&said_by_other(Channel::Call, answer));
        client.expect_state(RoomState::Joined);
    }
}

#[test]
fn an_offer_in_a_group_that_nobody_answers_makes_it_join_anew() {
    let mut client = Client::joined(Channel::Group);
    client.ask(offer());
    client.at_with_heartbeats(9, &[me(), other()]);
    client.expect_state(RoomState::Joined);
    client.at_with_heartbeats(10, &[me(), other()]);
    client.expect_state(RoomState::Reinitializing);

    let mut client = Client::joined(Channel::Group);
    client.ask(offer());
    let answer = Kind::Answer { to: Some(Recipient::User("me".into())), sdp: "v=0".into() };
    client.hear(&said_by_other(Channel::Group, answer));
    client.at_with_heartbeats(40, &[me(), other()]);
    client.expect_state(RoomState::Joined);
}

#[test]
fn whoever_does_not_answer_is_offered_to_three_times_and_others_as_often() {
    let mut client = Client::joined(Channel::Group);
    let others = ["other", "third"].map(|user| Participant::new(user, "2"));
    let everybody = [me(), others[0].clone(), others[1].clone()];
    client.list(&everybody);
    let offer = |other: &Participant| Kind::Offer {
        to: Some(other.clone().into()),
        sdp: "v=0".into(),
        is_restart: false,
    };
    let mut seconds = 0;
    for other in &others {
        for _ in 0..3 {
            client.ask(offer(other));
            seconds += 10;
            client.at_with_heartbeats(seconds, &everybody);
            client.expect_state(RoomState::Reinitializing);
            client.admit(&everybody);
        }
    }
    client.ask(offer(&others[0]));
    client.at_with_heartbeats(seconds + 9, &everybody);
    client.expect_state(RoomState::Joined);
    client.at(seconds + 10);
    client.expect_state(RoomState::Failed);
    assert!(client.was_told(&RoomEvent::Failed(Failure::Unrecovered)));
}

#[test]
fn an_offer_to_one_who_has_left_is_not_waited_for() {
    let mut client = Client::joined(Channel::Group);
    client.ask(offer());
    client.list(&[me()]);
    client.at_with_heartbeats(20, &[me()]);
    client.expect_state(RoomState::Joined);
}

#[test]
fn an_offer_that_is_refused_is_not_waited_for() {
    let mut client = Client::joined(Channel::Group);
    client.ask(offer());
    client.refuse(Action::Offer, Code::RecipientNotMember);
    client.at_with_heartbeats(20, &[me(), other()]);
    client.expect_state(RoomState::Joined);
}

#[test]
fn a_call_that_nobody_takes_fails() {
    let mut client = Client::connected(Channel::Call);
    client.ask(join());
    client.admit(&[me()]);
    client.at_with_heartbeats(29, &[me()]);
    client.expect_state(RoomState::Joined);
    client.at(30);
    client.expect_state(RoomState::Failed);
    assert!(client.was_told(&RoomEvent::Failed(Failure::Alone)));
}

#[test]
fn a_call_that_is_taken_in_time_goes_on() {
    let mut client = Client::connected(Channel::Call);
    client.ask(join());
    client.admit(&[me()]);
    client.at_with_heartbeats(29, &[me()]);
    client.list(&[me(), other()]);
    client.at_with_heartbeats(60, &[me(), other()]);
    client.expect_state(RoomState::Joined);
}

#[test]
fn who_is_kicked_is_out_of_the_room() {
    let mut client = Client::joined(Channel::Group);
    let kick = said_by_other(Channel::Group, Kind::Kick { to: me().into() });
    client.hear(&kick);
    client.expect_state(RoomState::Left);
    assert!(client.was_told(&RoomEvent::Ended(Ending::Kicked)));
    // The server cleans up, in case that it did not already.
    assert_eq!(client.take_sent(), [Kind::Leave]);
    client.refuse(Action::Leave, Code::RoomNotFound);
    client.expect_state(RoomState::Left);
}

#[test]
fn an_empty_list_means_that_the_room_is_closed() {
    let mut client = Client::joined(Channel::Broadcast);
    client.list(&[]);
    client.expect_state(RoomState::Left);
    assert!(client.was_told(&RoomEvent::Ended(Ending::Closed)));
}

#[test]
fn a_server_that_fails_and_a_game_that_gives_up_end_it() {
    for action in [Action::Update, Action::Heartbeat] {
        let mut client = Client::joined(Channel::Call);
        client.refuse(action, Code::Internal);
        client.expect_state(RoomState::Failed);
    }

    let mut client = Client::joined(Channel::Call);
    client.input(SessionInput::Request(RoomRequest::GiveUp));
    client.expect_state(RoomState::Failed);
}

#[test]
fn what_others_say_and_what_is_refused_is_told() {
    let mut client = Client::joined(Channel::Call);
    client.hear(&said_by_other(Channel::Call, candidate(7)));
    client.refuse(Action::Answer, Code::UserLeft);
    client.hear("[]");
    let [RoomEvent::Heard(signal), refused, malformed] = &client.events[..] else {
        panic!("{:?}", client.events)
    };
    assert_eq!((&signal.sender, &signal.kind), (&other(), &candidate(7)));
    let message = "no".to_owned();
    assert_eq!(*refused, RoomEvent::Refused { action: Action::Answer, code: 4024, message });
    assert_eq!(*malformed, RoomEvent::Malformed { bytes: 2 });
}

#[test]
fn a_game_that_joins_again_without_a_connection_makes_one() {
    let mut client = Client::joined(Channel::Call);
    client.ask(Kind::Leave);
    client.lose_connection();
    client.at(60);
    assert_eq!(client.connects, 0);
    client.ask(join());
    assert_eq!(client.connects, 1);
}

#[test]
fn what_cannot_be_said_now_is_told() {
    let mut client = Client::connected(Channel::Call);
    client.ask(candidate(1));
    let unsent = RoomEvent::Unsent { kind: Box::new(candidate(1)), why: Unsent::NotInRoom };
    assert!(client.was_told(&unsent));
    client.ask(join());
    client.ask(join());
    let unsent = RoomEvent::Unsent { kind: Box::new(join()), why: Unsent::AlreadyInRoom };
    assert!(client.was_told(&unsent));
}
