//! Which layer a datagram is for (RFC 7983, section 7).

/// The protocols that share the sockets of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Connectivity checks, and answers of STUN servers.
    Stun,
    /// The handshake, and all that is sent over SCTP.
    Dtls,
}

impl Layer {
    /// The layer that this datagram is for; `None` when nothing here speaks its protocol.
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        match datagram.first()? {
            0..=3 => Some(Self::Stun),
            20..=63 => Some(Self::Dtls),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides() {
        assert_eq!(Layer::of(&[]), None);
        for first in 0..=255 {
            let expected = match first {
                0..=3 => Some(Layer::Stun),
                20..=63 => Some(Layer::Dtls),
                _ => None,
            };
            assert_eq!(Layer::of(&[first, 0]), expected, "{first}");
        }
    }
}
