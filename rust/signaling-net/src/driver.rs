//! What drives a client's session, through all its connections.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use signaling_core::{Cause, Close, Frame, Session, SessionInput, SessionOutput};
use tokio::sync::mpsc;
use tokio::time::{Sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Endpoint;
use crate::config::ClientConfig;
use crate::dial::{ClientWire, Target, Unmade, dial};
use crate::events::EventQueue;
use crate::mailbox::Mailbox;
use crate::wire::Ended;

/// What the connection may tell the session before other tasks get their turn.
const STEPS_PER_TURN: usize = 8;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Connects the session, and drives it through all its connections until its handle is dropped.
pub(crate) async fn run<C: Session>(
    endpoint: Endpoint,
    session: C,
    requests: mpsc::Receiver<C::Request>,
    events: Arc<EventQueue<C::Event>>,
    config: ClientConfig,
) {
    let target = Arc::new(Target { endpoint, config });
    let link = Link::Dialling(Box::pin(dial(Arc::clone(&target))));
    let mut driver = Driver { target, session, requests, events, link, parting: None, alarm: None };
    poll_fn(|cx| driver.poll(cx)).await;
    driver.leave().await;
}

struct Driver<C: Session> {
    target: Arc<Target>,
    session: C,
    requests: mpsc::Receiver<C::Request>,
    events: Arc<EventQueue<C::Event>>,
    link: Link,
    /// The farewell of the last connection that was closed: the session does not wait for it.
    parting: Option<BoxFuture<()>>,
    /// When to hand the session a timeout; made when it first asks for one.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// What there is of a connection.
enum Link {
    /// Nothing, until the session asks for it.
    Absent,
    /// It is being made.
    Dialling(BoxFuture<Result<ClientWire, Unmade>>),
    /// It stands.
    Standing(Box<Line>),
}

/// A connection that stands, and what waits to be written to it.
struct Line {
    wire: ClientWire,
    mailbox: Mailbox,
}

impl<C: Session> Driver<C> {
    /// Listens to the game and to the connection; neither waits for the other. Ready when the
    /// handle is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..STEPS_PER_TURN {
            self.poll_parting(cx);
            if self.poll_session(cx).is_ready() {
                return Poll::Ready(());
            }
            ready!(self.poll_link(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_parting(&mut self, cx: &mut Context<'_>) {
        if self.parting.as_mut().is_some_and(|parting| parting.as_mut().poll(cx).is_ready()) {
            self.parting = None;
        }
    }

    /// Hands the session its requests and timeouts. Ready when the handle is gone.
    fn poll_session(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Poll::Ready(request) = self.requests.poll_recv(cx) {
                let Some(request) = request else { return Poll::Ready(()) };
                self.input(SessionInput::Request(request));
                continue;
            }
            ready!(self.poll_alarm(cx));
            self.input(SessionInput::Timeout);
        }
    }

    /// Ready when the session's deadline has come.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.session.poll_timeout() else { return Poll::Pending };
        let sleep = || Box::pin(tokio::time::sleep_until(deadline.into()));
        let alarm = self.alarm.get_or_insert_with(sleep);
        if alarm.deadline() != deadline.into() {
            alarm.as_mut().reset(deadline.into());
        }
        alarm.as_mut().poll(cx)
    }

    /// Ready when the connection has come about, brought a message or gone.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            Link::Absent => return Poll::Pending,
            Link::Dialling(dial) => {
                ready!(self.events.poll_room(cx));
                match ready!(dial.as_mut().poll(cx)) {
                    Ok(wire) => self.open(wire),
                    Err(unmade) => self.fail(unmade),
                }
            }
            Link::Standing(line) => match ready!(line.poll(cx, &self.events)) {
                Ok(Message::Text(text)) => self.input(SessionInput::Frame(Frame::Text(&text))),
                Ok(Message::Binary(data)) => self.input(SessionInput::Frame(Frame::Binary(&data))),
                Ok(_) => {}
                Err(ended) => self.end(&ended),
            },
        }
        Poll::Ready(())
    }

    fn open(&mut self, wire: ClientWire) {
        let mailbox = Mailbox::new(self.target.config.outbox_bytes);
        self.link = Link::Standing(Box::new(Line { wire, mailbox }));
        self.input(SessionInput::Opened);
    }

    fn fail(&mut self, Unmade { close, cause }: Unmade) {
        self.link = Link::Absent;
        self.input(SessionInput::Closed { close, cause });
    }

    fn end(&mut self, ended: &Ended) {
        self.part(ended);
        let (close, cause) = match ended {
            Ended::ByUs(close) | Ended::ByPeer(close) => (close.clone(), Cause::Closed),
            Ended::Lost(reason) => (Close::abnormal(reason), Cause::Lost),
        };
        self.input(SessionInput::Closed { close, cause });
    }

    /// Lets go of the connection; one that did not break off takes its leave.
    fn part(&mut self, ended: &Ended) {
        let link = std::mem::replace(&mut self.link, Link::Absent);
        if let (Link::Standing(line), Ended::ByUs(_) | Ended::ByPeer(_)) = (link, ended) {
            self.parting = Some(Box::pin(farewell(line, ended.owed(), Arc::clone(&self.target))));
        }
    }

    /// The handle is gone, and nobody is left to be told anything.
    async fn leave(mut self) {
        if let Link::Standing(line) = &self.link {
            let close = line.mailbox.closing().unwrap_or_else(Close::normal);
            self.part(&Ended::ByUs(close));
        }
        if let Some(parting) = self.parting {
            parting.await;
        }
    }

    fn input(&mut self, input: SessionInput<'_, C::Request>) {
        self.session.handle_input(Instant::now(), input);
        while let Some(output) = self.session.poll_output() {
            match output {
                SessionOutput::Send(text) => self.send(text),
                SessionOutput::Close(close) => self.close(close),
                SessionOutput::Connect => {
                    self.link = Link::Dialling(Box::pin(dial(Arc::clone(&self.target))));
                }
                SessionOutput::Event(event) => self.events.push(event),
            }
        }
    }

    fn send(&self, text: Arc<str>) {
        if let Link::Standing(line) = &self.link {
            // On overflow the mailbox closes itself, which ends the connection.
            let _ = line.mailbox.push(text);
        }
    }

    fn close(&mut self, close: Close) {
        match &mut self.link {
            Link::Absent => {}
            Link::Dialling(dial) => {
                *dial = Box::pin(ready(Err(Unmade { close, cause: Cause::Closed })));
            }
            Link::Standing(line) => line.mailbox.close(close),
        }
    }
}

impl Line {
    /// Writes what waits and reads the next message, while there is room for what it leads to.
    fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        events: &EventQueue<E>,
    ) -> Poll<Result<Message, Ended>> {
        if let Poll::Ready(ended) = self.wire.poll_write(cx, &self.mailbox) {
            return Poll::Ready(Err(ended));
        }
        ready!(events.poll_room(cx));
        self.wire.poll_read(cx)
    }
}

async fn farewell(line: Box<Line>, owed: Option<Close>, target: Arc<Target>) {
    let Line { wire, mailbox } = *line;
    let _ = timeout(target.config.close_timeout, wire.farewell(&mailbox, owed)).await;
}
