//! How much may be on its way (RFC 9260, section 7.2, counting bytes, and letting go of less
//! after a loss, as RFC 9438 does).

/// What may be on its way at the beginning, in packets (RFC 6928).
const INITIAL_PACKETS: usize = 10;
/// What may always be on its way, in packets.
const LEAST_PACKETS: usize = 4;
/// More than this only fills the queues of the network.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The congestion window of one association.
#[derive(Debug)]
pub(super) struct Congestion {
    mtu: usize,
    window: usize,
    /// Below it the window doubles with each round trip, above it it grows slowly.
    threshold: usize,
    /// Losses of packets up to this one have been answered.
    answered: u64,
}

impl Congestion {
    pub(super) fn new(mtu: usize) -> Self {
        Self { mtu, window: INITIAL_PACKETS * mtu, threshold: MOST_BYTES, answered: 0 }
    }

    /// In bytes.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// So many bytes have arrived while `in_flight` had been on their way.
    pub(super) fn acknowledged(&mut self, bytes: usize, in_flight: usize) {
        // A window that was not used says nothing about what the network can carry.
        if 2 * in_flight < self.window {
            return;
        }
        let growth = if self.window < self.threshold {
            bytes
        } else {
            (self.mtu * bytes / self.window).max(1)
        };
        self.window = (self.window + growth).min(MOST_BYTES);
    }

    /// A packet was lost; `newest` is the last that has been sent.
    pub(super) fn lost(&mut self, packet: u64, newest: u64) {
        if packet > self.answered {
            self.answered = newest;
            self.window = (self.window / 10 * 7).max(LEAST_PACKETS * self.mtu);
            self.threshold = self.window;
        }
    }

    /// Nothing comes through any more; `newest` is the last that has been sent.
    pub(super) fn collapsed(&mut self, newest: u64) {
        self.lost(u64::MAX, newest);
        self.window = LEAST_PACKETS * self.mtu;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_only_while_it_is_used() {
        let mut congestion = Congestion::new(1000);
        congestion.acknowledged(5000, 4000);
        assert_eq!(congestion.window(), 10_000);
        congestion.acknowledged(5000, 9000);
        assert_eq!(congestion.window(), 15_000);
        for _ in 0..2000 {
            congestion.acknowledged(5000, usize::MAX / 2);
        }
        assert_eq!(congestion.window(), MOST_BYTES);
    }

    #[test]
    fn losses_of_one_round_trip_are_answered_once() {
        let mut congestion = Congestion::new(1000);
        congestion.lost(5, 20);
        congestion.lost(20, 30);
        assert_eq!(congestion.window(), 7000);
        congestion.lost(21, 40);
        assert_eq!(congestion.window(), 4900);
        congestion.acknowledged(4900, 4900);
        assert_eq!(congestion.window(), 5900, "a packet for each round trip");
        congestion.collapsed(50);
        assert_eq!(congestion.window(), 4000);
    }
}
