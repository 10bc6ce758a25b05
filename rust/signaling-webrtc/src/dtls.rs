//! Encryption, and the proof that the other side owns the certificate it announced (DTLS 1.2 and
//! 1.3; RFC 8827, section 6.5). A seat for the `dimpl` crate.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dimpl::{Config, Error, Output, UnexpectedMessageError};

use crate::certificate::{Certificate, Fingerprint};

/// How long an unanswered flight of the handshake waits before it is sent again; doubled each
/// time.
const FLIGHT_RETRY: Duration = Duration::from_millis(100);
const FLIGHT_RETRIES: usize = 8;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// One end of a DTLS connection.
pub(crate) struct Dtls {
    inner: dimpl::Dtls,
    expected: Vec<Fingerprint>,
    is_verified: bool,
    state: State,
    buffer: Vec<u8>,
    now: Instant,
    timeout: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Failed, and not told yet.
    Failed(DtlsFailure),
    Over,
}

/// Who begins the handshake. The client's channels have even stream ids (RFC 8832, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What comes out of a [`Dtls`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DtlsEvent {
    /// Send this datagram.
    Transmit(Vec<u8>),
    /// The other side is who it claimed to be, and both can send.
    Connected,
    /// The other side sent this.
    Data(Vec<u8>),
    /// The other side has closed the connection. Nothing follows.
    Closed,
    /// It is of no more use. Nothing follows.
    Failed(DtlsFailure),
}

/// Why encryption is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DtlsFailure {
    /// The other side is somebody else.
    WrongCertificate,
    /// The handshake failed, or the other side broke the protocol.
    Protocol,
}

/// Prepares what all handshakes share. The first call costs about ten milliseconds.
pub(crate) fn warm_up() {
    config();
}

fn config() -> Arc<Config> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let config = Config::builder()
            // ICE has shown already that the address is not forged.
            .use_server_cookie(false)
            .flight_start_rto(FLIGHT_RETRY)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            // A full queue is fatal. The sending one holds a handshake flight or one packet; the
            // receiving one also what overtakes the last flight.
            .max_queue_tx(64)
            .max_queue_rx(128)
            .build()
            .expect("the limits are in range and the crate brings its cryptography");
        Arc::new(config)
    });
    Arc::clone(config)
}

impl Dtls {
    /// An end that accepts the certificate of one of these fingerprints and no other.
    pub(crate) fn new(
        now: Instant,
        role: Role,
        certificate: &Certificate,
        expected: Vec<Fingerprint>,
    ) -> Self {
        let mut inner = dimpl::Dtls::new_auto(config(), certificate.der().clone(), now);
        inner.set_active(role == Role::Client);
        Self {
            inner,
            expected,
            is_verified: false,
            state: State::Running,
            buffer: vec![0; 2048],
            now,
            timeout: Some(now),
        }
    }

    /// Takes a datagram.
    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) {
        self.now = now;
        self.attempt(|inner| {
            inner.handle_timeout(now)?;
            match inner.handle_packet(datagram) {
                // It overtook the server's first message, and will be sent again.
                Err(Error::UnexpectedMessage(
                    UnexpectedMessageError::UnrecognizedAutoServerResponse,
                )) => Ok(()),
                result => result,
            }
        });
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = now;
        if self.timeout.is_some_and(|due| due <= now) {
            self.attempt(|inner| inner.handle_timeout(now));
        }
    }

    /// Sends this to the other side. Only after [`DtlsEvent::Connected`]; call [`Dtls::poll`]
    /// after each, the queue below is short.
    pub(crate) fn send(&mut self, data: &[u8]) {
        self.attempt(|inner| inner.send_application_data(data).map(drop));
    }

    /// Tells the other side that the connection is over; nothing can be sent any more.
    pub(crate) fn close(&mut self) {
        self.attempt(dimpl::Dtls::close);
    }

    /// The next thing that happened, in order.
    pub(crate) fn poll(&mut self) -> Option<DtlsEvent> {
        while self.state == State::Running {
            match self.inner.poll_output(&mut self.buffer) {
                Output::Packet(datagram) => return Some(DtlsEvent::Transmit(datagram.to_vec())),
                Output::ApplicationData(data) if self.is_verified => {
                    return Some(DtlsEvent::Data(data.to_vec()));
                }
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::PeerCert(certificate) => {
                    self.is_verified = self.expected.contains(&Fingerprint::of(certificate));
                    if !self.is_verified {
                        self.state = State::Failed(DtlsFailure::WrongCertificate);
                    }
                }
                Output::Connected if self.is_verified => return Some(DtlsEvent::Connected),
                // Without a certificate nobody has been proved to be there.
                Output::Connected | Output::ApplicationData(_) => {
                    self.state = State::Failed(DtlsFailure::WrongCertificate);
                }
                Output::CloseNotify => {
                    self.state = State::Over;
                    return Some(DtlsEvent::Closed);
                }
                Output::Timeout(due) => {
                    // While a part of the handshake is missing, DTLS 1.3 here wants to say so
                    // again and again, without a pause.
                    let is_overdue = due <= self.now;
                    self.timeout = Some(if is_overdue { self.now + LEAST_PAUSE } else { due });
                    return None;
                }
                // Keys for SRTP, which is not spoken here.
                _ => {}
            }
        }
        let State::Failed(failure) = self.state else { return None };
        self.state = State::Over;
        Some(DtlsEvent::Failed(failure))
    }

    /// When to call [`Dtls::advance`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timeout.filter(|_| self.state == State::Running)
    }

    fn attempt(&mut self, act: impl FnOnce(&mut dimpl::Dtls) -> Result<(), Error>) {
        if self.state == State::Running
            && let Err(error) = act(&mut self.inner)
        {
            tracing::debug!(%error, "DTLS failed");
            self.state = State::Failed(DtlsFailure::Protocol);
        }
    }
}
