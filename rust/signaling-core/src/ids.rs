//! Connection ids, peer ids, and where random names come from.

use std::fmt;

use rand::{CryptoRng, RngExt};

/// One connection of this process. Numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A peer's id in its lobby, as Godot's `MultiplayerPeer` knows it: 1 is the host, every other
/// peer has a number in 2..=2147483647.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u32);

impl PeerId {
    /// The host of a lobby.
    pub const HOST: Self = Self(1);

    /// The largest id that Godot accepts.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// The peer id with this number; `None` outside 1..=2147483647.
    pub fn new(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self).filter(|id| (Self::HOST..=Self::MAX).contains(id))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The id that stands for whoever is known by a text: the lower 31 bits of its FNV-1a hash of 32
    /// bits over UTF-8, or 2 more where that is less than 2. All who see the text come to the same
    /// id without asking; that two of a hundred texts share one happens in one lobby of 400 000.
    pub fn of_name(name: &str) -> Self {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = name.bytes().fold(0x811c_9dc5, step) & Self::MAX.0;
        Self(if hash < 2 { hash + 2 } else { hash })
    }

    /// Draws an id other than the host's that is not `taken`.
    pub fn draw(rng: &mut impl CryptoRng, taken: impl Fn(Self) -> bool) -> Self {
        loop {
            let id = Self(rng.random_range(2..=Self::MAX.0));
            if !taken(id) {
                return id;
            }
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Draws a name of `length` characters from `A-Z a-z 0-9`.
pub fn alphanumeric(rng: &mut impl CryptoRng, length: usize) -> String {
    rng.sample_iter(rand::distr::Alphanumeric).take(length).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_peer_id_is_a_number_that_godot_accepts() {
        assert_eq!(PeerId::new(0), None);
        assert_eq!(PeerId::new(1), Some(PeerId::HOST));
        assert_eq!(PeerId::new(2_147_483_647), Some(PeerId::MAX));
        assert_eq!(PeerId::new(2_147_483_648), None);
        assert_eq!(PeerId::new(u64::MAX), None);
    }

    #[test]
    fn a_text_stands_for_the_same_id_everywhere() {
        // The published values of FNV-1a for "", "a" and "foobar", without their highest bit.
        for (name, number) in [("", 0x011c_9dc5), ("a", 0x640c_292c), ("foobar", 0x3f9c_f968)] {
            assert_eq!(PeerId::of_name(name).get(), number);
        }
    }

    #[test]
    fn a_drawn_id_is_neither_the_hosts_nor_taken() {
        let mut rng = StdRng::seed_from_u64(1);
        let refused = Cell::new(0);
        let id = PeerId::draw(&mut rng, |_| {
            refused.set(refused.get() + 1);
            refused.get() <= 3
        });
        assert_eq!(refused.get(), 4);
        assert!(id > PeerId::HOST && id <= PeerId::MAX);
    }

    #[test]
    fn a_name_has_the_length_and_alphabet_asked_for() {
        let name = alphanumeric(&mut StdRng::seed_from_u64(1), 16);
        assert_eq!(name.len(), 16);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
