//! What a session does, in virtual time.

mod extended;
mod hostile;
mod losing;
mod plain;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use signaling_core::{Cause, Close, Frame, PeerId, Session, SessionInput, SessionOutput};

use super::*;
use crate::godot::Topology;
use crate::godot::extended::{
    HostPolicy, Json, LobbyEntry, LobbyOptions, LobbyView, Object, Problem, Request, ServerEvent,
    Welcome,
};
type Output = SessionOutput<ClientEvent>;

/// A session, and the time that it lives in.
struct Client {
    session: GodotSession,
    now: Instant,
}

impl Client {
    /// One whose connection is being made.
    fn new(options: SessionOptions) -> Self {
        let session = GodotSession::new(options, StdRng::seed_from_u64(1));
        Self { session, now: Instant::now() }
    }

    fn input(&mut self, input: SessionInput<'_, ClientRequest>) -> Vec<Output> {
        self.session.handle_input(self.now, input);
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    fn open(&mut self) -> Vec<Output> {
        self.input(SessionInput::Opened)
    }

    fn request(&mut self, request: ClientRequest) -> Vec<Output> {
        self.input(SessionInput::Request(request))
    }

    /// The server sends `text`.
    fn frame(&mut self, text: &str) -> Vec<Output> {
        self.input(SessionInput::Frame(Frame::Text(text)))
    }

    /// The server says something of the extended protocol.
    fn told(&mut self, event: &ServerEvent) -> Vec<Output> {
        self.frame(&event.encode())
    }

    fn ask(&mut self, ticket: u64, request: Request) -> Vec<Output> {
        self.request(ClientRequest::Ask { ticket, request: Box::new(request) })
    }

    /// The connection ends by a close frame.
    fn close(&mut self, code: u16, reason: &str) -> Vec<Output> {
        self.closed(Close::new(code, reason), Cause::Closed)
    }

    /// The connection breaks off.
    fn lose(&mut self) -> Vec<Output> {
        self.closed(Close::abnormal("gone"), Cause::Lost)
    }

    fn closed(&mut self, close: Close, cause: Cause) -> Vec<Output> {
        self.input(SessionInput::Closed { close, cause })
    }

    /// Time passes, with every deadline on its way.
    fn wait(&mut self, time: Duration) -> Vec<Output> {
        let until = self.now + time;
        let mut outputs = Vec::new();
        while let Some(deadline) = self.session.poll_timeout().filter(|due| *due <= until) {
            assert!(outputs.len() < 10_000, "a deadline that never passes");
            self.now = self.now.max(deadline);
            outputs.extend(self.input(SessionInput::Timeout));
        }
        self.now = until;
        outputs
    }

    /// One that the server has welcomed.
    fn talking() -> Self {
        let mut client = Self::new(SessionOptions::default());
        client.open();
        client.told(&welcome(None));
        client
    }

    /// One in a mesh of its own, created with the options.
    fn hosting(options: LobbyOptions) -> Self {
        let mut client = Self::talking();
        let host_policy = options.host_policy;
        client.ask(1, Request::Create { options, me: Object::default() });
        client.frame(r#"{"type":1,"id":1,"data":"true"}"#);
        let view = LobbyView { host_policy, ..view(1, 1) };
        client.told(&ServerEvent::Done { request: 1, result: view.to_object() });
        client
    }

    /// One in a mesh, where it is not the host.
    fn joined() -> Self {
        let mut client = Self::talking();
        client.ask(1, enter("K7RF2"));
        client.frame(r#"{"type":1,"id":7,"data":"true"}"#);
        client.told(&ServerEvent::Done { request: 1, result: view(7, 1).to_object() });
        client
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// What answers HELLO: PING every 5 s, and a place is kept for 30 s.
fn welcome(resumed: Option<u64>) -> ServerEvent {
    ServerEvent::Welcome(Box::new(Welcome {
        version: 1,
        user: "u1".into(),
        token: "Xy".into(),
        resumed,
        problem: None,
        resume_timeout: 30 * SECOND,
        ping_interval: 5 * SECOND,
        ice_servers: Json::default(),
    }))
}

fn entry() -> LobbyEntry {
    LobbyEntry {
        code: "K7RF2".into(),
        topology: Topology::Mesh,
        players: 2,
        max_players: 8,
        is_public: true,
        is_locked: false,
        is_sealed: false,
        has_password: false,
        host_name: "Owl".into(),
        metadata: Object::default(),
    }
}

fn view(me: u64, epoch: u64) -> LobbyView {
    let host_policy = HostPolicy::Migrate;
    LobbyView { entry: entry(), me: id(me), host: PeerId::HOST, epoch, host_policy }
}

fn enter(code: &str) -> Request {
    let (code, password) = (code.into(), String::new());
    Request::Enter { code, password, invite: None, me: Object::default() }
}

fn close_output() -> Output {
    SessionOutput::Close(Close::new(1000, ""))
}

/// The frames among what a session wants done.
fn frames(outputs: &[Output]) -> Vec<Arc<str>> {
    let frame = |output: &Output| match output {
        SessionOutput::Send(text) => Some(text.clone()),
        _ => None,
    };
    outputs.iter().filter_map(frame).collect()
}

/// The events among what a session wants done.
fn events(outputs: Vec<Output>) -> Vec<ClientEvent> {
    let event = |output| match output {
        SessionOutput::Event(event) => Some(event),
        _ => None,
    };
    outputs.into_iter().filter_map(event).collect()
}

fn event(event: ClientEvent) -> Output {
    SessionOutput::Event(event)
}

fn sent(text: &str) -> Output {
    SessionOutput::Send(text.into())
}

fn changed(old: ClientState, new: ClientState) -> Output {
    event(ClientEvent::StateChanged { old, new })
}

fn id(number: u64) -> PeerId {
    PeerId::new(number).unwrap()
}
