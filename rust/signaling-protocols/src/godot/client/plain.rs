//! A session of the plain protocol: one connection, and one lobby at most.

use signaling_core::{Cause, Close, Frame, PeerId, SessionInput};

use super::MAX_UNANSWERED;
use super::event::{Answer, ClientEvent, Refusal, of_message};
use super::outputs::Outputs;
use super::request::ClientRequest;
use super::state::ClientState;
use super::told::Told;
use crate::godot::Topology;
use crate::godot::extended::{
    HostPolicy, LobbyEntry, LobbyOptions, LobbyView, Object, Problem, Request, limits,
};
use crate::godot::refusal;
use crate::godot::wire::{self, ClientMessage, ServerMessage};
use crate::json::length;

/// ```text
///   connecting ─ opened ─► open
///        └──── closed ──────┴───► over
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Connecting,
    Open,
    Over,
}

#[derive(Debug)]
pub(super) struct Plain {
    pub(super) out: Outputs,
    line: Line,
    /// What was asked before the connection stood; at most [`MAX_UNANSWERED`].
    early: Vec<(u64, Box<Request>)>,
    /// The ticket that waits for the lobby.
    joining: Option<u64>,
    /// Our id, once there is one, and the lobby's topology.
    me: Option<(PeerId, Topology)>,
    told: Told,
    /// Whether the server was asked to let us in.
    has_joined: bool,
}

impl Plain {
    /// A session whose connection is being made.
    pub(super) fn new(out: Outputs) -> Self {
        let (line, early) = (Line::Connecting, Vec::new());
        let (joining, me, told, has_joined) = (None, None, Told::default(), false);
        Self { out, line, early, joining, me, told, has_joined }
    }

    pub(super) fn handle_input(&mut self, input: SessionInput<'_, ClientRequest>) {
        match (self.line, input) {
            (Line::Connecting, SessionInput::Opened) => self.open(),
            (Line::Open, SessionInput::Frame(frame)) => self.receive(frame),
            (_, SessionInput::Request(request)) => self.request(request),
            (Line::Connecting | Line::Open, SessionInput::Closed { close, cause }) => {
                self.end(&close, cause);
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        self.line = Line::Open;
        self.out.tell(ClientEvent::Opened);
        for (ticket, request) in std::mem::take(&mut self.early) {
            self.ask(ticket, request);
        }
    }

    fn request(&mut self, request: ClientRequest) {
        match (self.line, request) {
            (_, ClientRequest::Ask { ticket, request }) => self.ask(ticket, request),
            (Line::Connecting | Line::Open, ClientRequest::Close) => self.out.close(),
            (Line::Open, ClientRequest::Seal) => self.send(&ClientMessage::Seal),
            (Line::Open, ClientRequest::Relay { kind, to, data, .. }) => {
                let data = &wire::escape(&data);
                self.send(&ClientMessage::Relay { kind, to: Some(to), data });
            }
            _ => {}
        }
    }

    pub(super) fn ask(&mut self, ticket: u64, request: Box<Request>) {
        match self.line {
            Line::Connecting if self.early.len() < MAX_UNANSWERED => {
                self.early.push((ticket, request));
            }
            Line::Connecting => self.answer(ticket, Err(Refusal::Overloaded)),
            Line::Open => self.ask_server(ticket, *request),
            Line::Over => self.answer(ticket, Err(Refusal::NotConnected)),
        }
    }

    fn ask_server(&mut self, ticket: u64, request: Request) {
        match request {
            Request::Create { options, .. } if is_plain(&options) => {
                self.join(ticket, &ClientMessage::Create { topology: options.topology });
            }
            Request::Enter { code, password, invite: None, .. }
                if password.is_empty() && !code.is_empty() =>
            {
                self.join(ticket, &ClientMessage::Join { lobby: code.into() });
            }
            Request::Leave if self.out.state() == ClientState::Joined => {
                self.answer(ticket, Ok(Answer::Object(Object::default())));
                self.out.close();
            }
            Request::Leave => self.refuse(ticket, Problem::NotInLobby),
            _ => self.answer(ticket, Err(Refusal::NeedsExtended)),
        }
    }

    /// Joins if nobody has asked for that before: the server closes the connection of who asks
    /// twice.
    fn join(&mut self, ticket: u64, message: &ClientMessage<'_>) {
        if std::mem::replace(&mut self.has_joined, true) {
            return self.refuse(ticket, Problem::InLobby);
        }
        self.joining = Some(ticket);
        self.out.set_state(ClientState::Initializing);
        self.send(message);
    }

    fn receive(&mut self, frame: Frame<'_>) {
        let malformed = ClientEvent::Malformed { bytes: length(frame) };
        let message = ServerMessage::decode(frame);
        let Some(message) = message.filter(|message| self.told.admit(message)) else {
            return self.out.tell(malformed);
        };
        match message {
            ServerMessage::Joined { lobby } => match self.me {
                Some(me) => self.joined(lobby.into_owned(), me),
                None => self.out.tell(malformed),
            },
            ServerMessage::Identified { id, topology } => {
                self.me = Some((id, topology));
                self.out.tell(ClientEvent::Identified { id, topology, generation: GENERATION });
            }
            message => of_message(message).into_iter().for_each(|event| self.out.tell(event)),
        }
    }

    fn joined(&mut self, lobby: String, (me, topology): (PeerId, Topology)) {
        self.out.set_state(ClientState::Joined);
        self.out.tell(ClientEvent::LobbyJoined { lobby: lobby.clone(), view: None });
        if let Some(ticket) = self.joining.take() {
            let view = view(lobby, me, topology, self.told.peers() + 1);
            self.answer(ticket, Ok(Answer::Lobby(Box::new(view))));
        }
    }

    fn end(&mut self, close: &Close, cause: Cause) {
        self.line = Line::Over;
        let was_joined = self.out.state() == ClientState::Joined;
        self.out.set_state(if was_joined { ClientState::Left } else { ClientState::Failed });
        let problem = refusal::problem(close);
        let refusal = problem.map_or(Refusal::ConnectionLost, Refusal::by_problem);
        let early = std::mem::take(&mut self.early);
        for ticket in self.joining.take().into_iter().chain(early.iter().map(|(ticket, _)| *ticket))
        {
            self.answer(ticket, Err(refusal.clone()));
        }
        let (code, reason) = (close.code, close.reason.to_string());
        self.out.tell(ClientEvent::Disconnected { code, reason, cause, problem });
    }

    fn refuse(&mut self, ticket: u64, problem: Problem) {
        self.answer(ticket, Err(Refusal::by_problem(problem)));
    }

    fn answer(&mut self, ticket: u64, result: Result<Answer, Refusal>) {
        self.out.tell(ClientEvent::Answered { ticket, result });
    }

    fn send(&mut self, message: &ClientMessage<'_>) {
        self.out.send(message.encode());
    }
}

/// There is one lobby, whose connections are made once.
const GENERATION: u64 = 1;

/// Whether the plain protocol can express it. How long the code is, is not for us to say there,
/// and a lobby never outlives its host.
fn is_plain(options: &LobbyOptions) -> bool {
    let LobbyOptions { topology, code_length, host_policy, .. } = *options;
    let plain = LobbyOptions { topology, code_length, host_policy, ..LobbyOptions::default() };
    !matches!(host_policy, HostPolicy::Wait { .. }) && *options == plain
}

fn view(code: String, me: PeerId, topology: Topology, players: usize) -> LobbyView {
    let entry = LobbyEntry {
        code,
        topology,
        players,
        max_players: limits::PLAYERS as usize,
        is_public: false,
        is_locked: false,
        is_sealed: false,
        has_password: false,
        host_name: String::new(),
        metadata: Object::default(),
    };
    LobbyView { entry, me, host: PeerId::HOST, epoch: GENERATION, host_policy: HostPolicy::Close }
}
