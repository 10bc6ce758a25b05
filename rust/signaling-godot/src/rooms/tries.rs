//! When a connection to another publisher is offered again.

use std::time::{Duration, Instant};

/// How often it is offered again until it stands.
const MAX_REPEATS: u32 = 2;

/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long whoever made the first offer waits after a failure, which the other one may notice later.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the other one leaves it to the first, which may have noticed nothing.
const COURTESY: Duration = Duration::from_secs(4);

/// The tries to connect to one other publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tries {
    we_offered: bool,
    repeats: u32,
    /// When to offer again.
    due: Option<Instant>,
}

impl Tries {
    /// A connection is begun, by our offer or by one of the other side.
    pub(super) fn begin(now: Instant, we_offered: bool) -> Self {
        Self { we_offered, repeats: 0, due: we_offered.then_some(now + PATIENCE) }
    }

    /// The other side has described itself: from here on the connection stands or fails.
    pub(super) fn note_description(&mut self) {
        self.due = None;
    }

    pub(super) fn note_up(&mut self) {
        (self.repeats, self.due) = (0, None);
    }

    pub(super) fn note_failure(&mut self, now: Instant) {
        self.due = Some(now + self.pause());
    }

    /// Nobody can be told anything at the moment.
    pub(super) fn hold(&mut self, now: Instant) {
        self.due = self.due.map(|due| due.max(now + self.pause()));
    }

    /// Whether it is time to offer again, which then counts as done.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let may_repeat = self.repeats < MAX_REPEATS;
        self.repeats += 1;
        self.due = may_repeat.then_some(now + PATIENCE);
        may_repeat
    }

    fn pause(&self) -> Duration {
        if self.we_offered { PAUSE } else { COURTESY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it is offered again, in seconds, within two minutes.
    fn repeats(begin: Instant, tries: &mut Tries) -> Vec<u64> {
        let at = |second: &u64| begin + Duration::from_secs(*second);
        (0..120).filter(|second| tries.take_due(at(second))).collect()
    }

    const NEVER: [u64; 0] = [];

    #[test]
    fn an_offer_without_an_answer_is_repeated_twice() {
        let begin = Instant::now();
        assert_eq!(repeats(begin, &mut Tries::begin(begin, true)), [15, 30]);
        assert_eq!(repeats(begin, &mut Tries::begin(begin, false)), NEVER);
        let mut answered = Tries::begin(begin, true);
        answered.note_description();
        assert_eq!(repeats(begin, &mut answered), NEVER);
    }

    #[test]
    fn after_a_failure_the_first_offerer_begins() {
        let begin = Instant::now();
        for (we_offered, expected) in [(true, [1, 16]), (false, [4, 19])] {
            let mut tries = Tries::begin(begin, we_offered);
            tries.note_description();
            tries.note_failure(begin);
            assert_eq!(repeats(begin, &mut tries), expected);
            // One that stood for a while may be repeated as often again.
            tries.note_failure(begin);
            assert_eq!(repeats(begin, &mut tries), NEVER);
            tries.note_up();
            tries.note_failure(begin);
            assert_eq!(repeats(begin, &mut tries), expected);
        }
    }

    #[test]
    fn nothing_is_due_while_nobody_can_be_told() {
        let begin = Instant::now();
        let mut tries = Tries::begin(begin, false);
        tries.note_failure(begin);
        tries.hold(begin + Duration::from_secs(60));
        assert_eq!(repeats(begin, &mut tries), [64, 79]);
    }
}
