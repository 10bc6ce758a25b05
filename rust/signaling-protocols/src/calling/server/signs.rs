//! Signs of life, asked for by either side.
//!
//! The server pings a silent connection and gives it up; users may ask it to say something whenever
//! nothing was said, and to give them up sooner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling_core::keepalive::{Beat, Keepalive};
use signaling_core::outputs::Outputs;
use signaling_core::overview::LobbyNotice;
use signaling_core::vigil::Vigil;
use signaling_core::{Close, ConnId, Output};

use super::CallingServer;
use crate::calling::settings::Settings;
use crate::calling::wire::event::Event;

/// Who is awaited, and by when.
#[derive(Debug)]
pub(super) struct Signs {
    pings: Arc<[Duration]>,
    silence_limit: Option<Duration>,
    min_remote_time: Duration,
    /// Anything heard counts, pongs too.
    sockets: Vigil,
    /// Messages in either direction count.
    remote_pings: Vigil,
    /// Only messages of the user count.
    remote_timeouts: Vigil,
}

impl Signs {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            pings: settings.pings.as_slice().into(),
            silence_limit: settings.silence_limit,
            min_remote_time: settings.min_remote_time,
            sockets: Vigil::default(),
            remote_pings: Vigil::default(),
            remote_timeouts: Vigil::default(),
        }
    }

    pub(super) fn watch(&mut self, now: Instant, conn: ConnId) {
        let keepalive = Keepalive::in_silence(now, self.pings.clone(), self.silence_limit);
        self.sockets.watch(conn, keepalive);
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        for vigil in [&mut self.sockets, &mut self.remote_pings, &mut self.remote_timeouts] {
            vigil.forget(conn);
        }
    }

    /// The connection answered a ping.
    pub(super) fn ponged(&mut self, now: Instant, conn: ConnId) {
        self.sockets.heard(now, conn);
    }

    /// The user sent a message.
    pub(super) fn heard(&mut self, now: Instant, conn: ConnId) {
        for vigil in [&mut self.sockets, &mut self.remote_pings, &mut self.remote_timeouts] {
            vigil.heard(now, conn);
        }
    }

    /// These messages go to users.
    pub(super) fn spoke(&mut self, now: Instant, outputs: &Outputs<LobbyNotice>) {
        for output in outputs.iter() {
            if let Output::Send { conn, .. } = output {
                self.remote_pings.heard(now, *conn);
            }
        }
    }

    pub(super) fn set_remote_ping(&mut self, now: Instant, conn: ConnId, time: Option<Duration>) {
        let Some(time) = time else { return self.remote_pings.forget(conn) };
        let after = [time.max(self.min_remote_time)].into();
        self.remote_pings.watch(conn, Keepalive::in_silence(now, after, None));
    }

    pub(super) fn set_remote_timeout(
        &mut self,
        now: Instant,
        conn: ConnId,
        time: Option<Duration>,
    ) {
        let Some(time) = time else { return self.remote_timeouts.forget(conn) };
        let limit = time.max(self.min_remote_time);
        self.remote_timeouts.watch(conn, Keepalive::new(now, None, Some(limit)));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let all = [&self.sockets, &self.remote_pings, &self.remote_timeouts];
        all.into_iter().filter_map(Vigil::poll_timeout).min()
    }
}

impl CallingServer {
    /// Gives every sign that is due, and gives up whoever gave none.
    pub(super) fn give_signs(&mut self, now: Instant) {
        while let Some((conn, beat)) = self.signs.sockets.poll(now) {
            match beat {
                Beat::Ping => self.out.ping(conn),
                Beat::Silent => self.time_out(now, conn),
            }
        }
        while let Some((conn, _)) = self.signs.remote_timeouts.poll(now) {
            self.time_out(now, conn);
        }
        while let Some((conn, _)) = self.signs.remote_pings.poll(now) {
            self.tell(conn, &Event::Ping);
        }
    }

    fn time_out(&mut self, now: Instant, conn: ConnId) {
        self.expel(now, conn, Close::new(1001, "Timed out"));
    }
}
