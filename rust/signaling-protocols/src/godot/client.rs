//! One client's session on one connection.
//!
//! ```text
//!   connecting ─ opened ─► open ─ JOIN from the server ─► joined
//!        └───────────────── closed ──┴────────────────────► over
//! ```

use std::collections::VecDeque;
use std::time::Instant;

use signaling_core::{Close, Frame, PeerId, Session, SessionInput, SessionOutput};

use super::Topology;
use super::wire::{self, ClientMessage, RelayKind, ServerMessage};

/// Which lobby to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The name of the lobby; an empty one creates a lobby.
    pub lobby: String,
    /// The topology of a lobby that is created.
    pub topology: Topology,
}

/// What the game may ask for. Ignored while the connection is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientRequest {
    /// Create or join a lobby.
    Join(Join),
    /// Seal the lobby; the host's right alone.
    Seal,
    /// Send a session description or a candidate to another member.
    Relay {
        /// What it is.
        kind: RelayKind,
        /// The addressee.
        to: PeerId,
        /// The payload; for a candidate see [`candidate_payload`].
        data: String,
    },
    /// Close the connection.
    Close,
}

/// What the game is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The connection stands.
    Opened,
    /// The server gave us our id; comes before every [`ClientEvent::PeerConnected`].
    Identified {
        /// 1 when we created the lobby.
        id: PeerId,
        /// The topology of the lobby, whatever we asked for.
        topology: Topology,
    },
    /// We are in a lobby.
    LobbyJoined {
        /// Its name.
        lobby: String,
    },
    /// The lobby was sealed; the server will close the connection soon.
    Sealed,
    /// Another peer is in the lobby. Whoever has the higher id makes the offer.
    PeerConnected {
        /// Its id.
        id: PeerId,
    },
    /// Another peer has left the lobby.
    PeerDisconnected {
        /// Its id.
        id: PeerId,
    },
    /// Another peer sent an offer.
    Offer {
        /// The sender.
        from: PeerId,
        /// The session description.
        sdp: String,
    },
    /// Another peer sent an answer.
    Answer {
        /// The sender.
        from: PeerId,
        /// The session description.
        sdp: String,
    },
    /// Another peer sent a candidate.
    Candidate {
        /// The sender.
        from: PeerId,
        /// Which media section it belongs to, by name.
        mid: String,
        /// Which media section it belongs to, by index.
        index: i32,
        /// The candidate line.
        sdp: String,
    },
    /// The server sent something that means nothing; it was ignored.
    Malformed {
        /// How many bytes it had: what strangers send is not repeated.
        bytes: usize,
    },
    /// The connection has ended or never came about; nothing follows.
    Disconnected {
        /// The close code; 1006 when there was no close frame.
        code: u16,
        /// The reason, as the server gave it or as the network reported it.
        reason: String,
    },
}

/// The client side of the protocol.
#[derive(Debug)]
pub struct GodotSession {
    state: State,
    auto_join: Option<Join>,
    outputs: VecDeque<SessionOutput<ClientEvent>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Over,
}

impl GodotSession {
    /// A session whose connection is being made. With `auto_join` it joins as soon as the
    /// connection stands.
    pub fn new(auto_join: Option<Join>) -> Self {
        Self { state: State::Connecting, auto_join, outputs: VecDeque::new() }
    }
}

impl Session for GodotSession {
    type Request = ClientRequest;
    type Event = ClientEvent;

    fn handle_input(&mut self, _now: Instant, input: SessionInput<'_, ClientRequest>) {
        match (self.state, input) {
            (State::Connecting, SessionInput::Opened) => self.open(),
            (State::Open, SessionInput::Frame(frame)) => self.receive(frame),
            (State::Open, SessionInput::Request(request)) => self.request(request),
            (State::Connecting, SessionInput::Request(ClientRequest::Close)) => self.close(),
            (State::Connecting | State::Open, SessionInput::Closed { close, .. }) => {
                self.end(&close)
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<SessionOutput<ClientEvent>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

impl GodotSession {
    fn open(&mut self) {
        self.state = State::Open;
        self.tell(ClientEvent::Opened);
        if let Some(join) = self.auto_join.take() {
            self.join(join);
        }
    }

    fn request(&mut self, request: ClientRequest) {
        match request {
            ClientRequest::Join(join) => self.join(join),
            ClientRequest::Seal => self.send(&ClientMessage::Seal),
            ClientRequest::Relay { kind, to, data } => {
                let data = &wire::escape(&data);
                self.send(&ClientMessage::Relay { kind, to: Some(to), data });
            }
            ClientRequest::Close => self.close(),
        }
    }

    fn join(&mut self, Join { lobby, topology }: Join) {
        if lobby.is_empty() {
            self.send(&ClientMessage::Create { topology });
        } else {
            self.send(&ClientMessage::Join { lobby: lobby.into() });
        }
    }

    fn receive(&mut self, frame: Frame<'_>) {
        match ServerMessage::decode(frame) {
            Some(message) => event(message).into_iter().for_each(|event| self.tell(event)),
            None => self.tell(ClientEvent::Malformed { bytes: length(frame) }),
        }
    }

    fn close(&mut self) {
        self.outputs.push_back(SessionOutput::Close(Close::new(1000, "")));
    }

    fn end(&mut self, close: &Close) {
        self.state = State::Over;
        let (code, reason) = (close.code, close.reason.to_string());
        self.tell(ClientEvent::Disconnected { code, reason });
    }

    fn send(&mut self, message: &ClientMessage<'_>) {
        self.outputs.push_back(SessionOutput::Send(message.encode()));
    }

    fn tell(&mut self, event: ClientEvent) {
        self.outputs.push_back(SessionOutput::Event(event));
    }
}

/// The payload of a candidate, as existing clients write it: a line each for the media section's
/// name, its index, and the candidate, after an empty one.
pub fn candidate_payload(mid: &str, index: i32, sdp: &str) -> String {
    format!("\n{mid}\n{index}\n{sdp}")
}

/// What a message means to the game; `None` for a candidate that existing clients drop too: one
/// without three non-empty lines, such as the empty one that ends them.
fn event(message: ServerMessage<'_>) -> Option<ClientEvent> {
    Some(match message {
        ServerMessage::Joined { lobby } => ClientEvent::LobbyJoined { lobby: lobby.into_owned() },
        ServerMessage::Identified { id, topology } => ClientEvent::Identified { id, topology },
        ServerMessage::PeerConnected(id) => ClientEvent::PeerConnected { id },
        ServerMessage::PeerDisconnected(id) => ClientEvent::PeerDisconnected { id },
        ServerMessage::Sealed => ClientEvent::Sealed,
        ServerMessage::Extended(_) => return None,
        ServerMessage::Relayed { kind, from, data } => match kind {
            RelayKind::Offer => ClientEvent::Offer { from, sdp: data.into_owned() },
            RelayKind::Answer => ClientEvent::Answer { from, sdp: data.into_owned() },
            RelayKind::Candidate => {
                let mut lines = data.split('\n').filter(|line| !line.is_empty());
                let (mid, index, sdp) = (lines.next()?, lines.next()?, lines.next()?);
                let index = index.parse().ok().filter(|_| lines.next().is_none())?;
                ClientEvent::Candidate { from, mid: mid.into(), index, sdp: sdp.into() }
            }
        },
    })
}

fn length(frame: Frame<'_>) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use signaling_core::Cause;

    use super::*;

    fn step(
        session: &mut GodotSession,
        input: SessionInput<'_, ClientRequest>,
    ) -> Vec<SessionOutput<ClientEvent>> {
        session.handle_input(Instant::now(), input);
        std::iter::from_fn(|| session.poll_output()).collect()
    }

    fn opened() -> GodotSession {
        let mut session = GodotSession::new(None);
        assert_eq!(
            step(&mut session, SessionInput::Opened),
            [SessionOutput::Event(ClientEvent::Opened)]
        );
        session
    }

    fn receive(session: &mut GodotSession, text: &str) -> Vec<ClientEvent> {
        step(session, SessionInput::Frame(Frame::Text(text)))
            .into_iter()
            .map(|output| match output {
                SessionOutput::Event(event) => event,
                other => panic!("{other:?} is not an event"),
            })
            .collect()
    }

    #[test]
    fn it_joins_by_itself_when_asked_to() {
        let join = |lobby: &str, topology| Some(Join { lobby: lobby.into(), topology });
        for (join, text) in [
            (join("", Topology::Mesh), r#"{"type":0,"id":0,"data":""}"#),
            (join("", Topology::ClientServer), r#"{"type":0,"id":1,"data":""}"#),
            (join("Abc", Topology::Mesh), r#"{"type":0,"id":0,"data":"Abc"}"#),
        ] {
            let outputs = step(&mut GodotSession::new(join), SessionInput::Opened);
            assert_eq!(
                outputs,
                [SessionOutput::Event(ClientEvent::Opened), SessionOutput::Send(text.into())]
            );
        }
    }

    #[test]
    fn requests_become_frames() {
        let mut session = opened();
        let to = PeerId::HOST;
        let relay = |kind, data: &str| ClientRequest::Relay { kind, to, data: data.into() };
        for (request, text) in [
            (ClientRequest::Seal, r#"{"type":7,"id":0,"data":""}"#),
            (relay(RelayKind::Offer, "v=0\r\n"), r#"{"type":4,"id":1,"data":"v=0\r\n"}"#),
            (relay(RelayKind::Answer, "\"ü\""), r#"{"type":5,"id":1,"data":"\"ü\""}"#),
            (
                relay(RelayKind::Candidate, &candidate_payload("0", 0, "candidate:1")),
                r#"{"type":6,"id":1,"data":"\n0\n0\ncandidate:1"}"#,
            ),
        ] {
            let outputs = step(&mut session, SessionInput::Request(request));
            assert_eq!(outputs, [SessionOutput::Send(text.into())]);
        }
    }

    #[test]
    fn messages_become_events() {
        let mut session = opened();
        let from = PeerId::new(7).unwrap();
        for (text, event) in [
            (
                r#"{"type":1,"id":1,"data":"true"}"#,
                ClientEvent::Identified { id: PeerId::HOST, topology: Topology::Mesh },
            ),
            (
                r#"{"type":1,"id":7,"data":""}"#,
                ClientEvent::Identified { id: from, topology: Topology::ClientServer },
            ),
            (r#"{"type":0,"id":0,"data":"Abc"}"#, ClientEvent::LobbyJoined { lobby: "Abc".into() }),
            (r#"{"type":2,"id":7,"data":""}"#, ClientEvent::PeerConnected { id: from }),
            (r#"{"type":3,"id":7,"data":""}"#, ClientEvent::PeerDisconnected { id: from }),
            (r#"{"type":4,"id":7,"data":"o"}"#, ClientEvent::Offer { from, sdp: "o".into() }),
            (r#"{"type":5,"id":7,"data":"a"}"#, ClientEvent::Answer { from, sdp: "a".into() }),
            (
                r#"{"type":6,"id":7,"data":"\n0\n1\ncandidate:1"}"#,
                ClientEvent::Candidate {
                    from,
                    mid: "0".into(),
                    index: 1,
                    sdp: "candidate:1".into(),
                },
            ),
            (r#"{"type":7,"id":0,"data":""}"#, ClientEvent::Sealed),
        ] {
            assert_eq!(receive(&mut session, text), [event], "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_reported_and_ignored() {
        let text = r#"{"type":2,"id":0,"data":""}"#;
        assert_eq!(receive(&mut opened(), text), [ClientEvent::Malformed { bytes: text.len() }]);
    }

    #[test]
    fn a_candidate_without_three_lines_is_dropped() {
        let mut session = opened();
        for data in [r"\n0\n0\n", r"\n\n0\ncandidate:1", r"\n0\nx\nc", r"\n0\n0\nc\nmore"] {
            let text = format!(r#"{{"type":6,"id":7,"data":"{data}"}}"#);
            assert_eq!(receive(&mut session, &text), [], "{text}");
        }
    }

    #[test]
    fn the_end_of_the_connection_is_told_once() {
        let mut session = opened();
        let close = Close::new(4000, "Lobby is sealed");
        let closed = || SessionInput::Closed { close: close.clone(), cause: Cause::Closed };
        let told = SessionOutput::Event(ClientEvent::Disconnected {
            code: 4000,
            reason: "Lobby is sealed".into(),
        });
        assert_eq!(step(&mut session, closed()), [told]);
        assert_eq!(step(&mut session, closed()), []);
        assert_eq!(step(&mut session, SessionInput::Request(ClientRequest::Seal)), []);
    }

    #[test]
    fn it_can_be_closed_before_the_connection_stands() {
        let mut session = GodotSession::new(None);
        let outputs = step(&mut session, SessionInput::Request(ClientRequest::Close));
        assert_eq!(outputs, [SessionOutput::Close(Close::new(1000, ""))]);
    }
}
