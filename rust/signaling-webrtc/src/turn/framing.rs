//! What comes over a stream from a TURN server, cut into what would be datagrams over UDP (RFC 8656,
//! section 12.5).

use crate::stun_message::HEADER_LEN;

/// Collects bytes until they make a frame. What waits is less than one frame and what was handed
/// in last, for frames are taken out at once.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    bytes: Vec<u8>,
    taken: usize,
}

/// The stream carries something else than STUN messages and channel data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoFrame;

impl Framer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is complete, without padding.
    pub(crate) fn pop(&mut self) -> Result<Option<&[u8]>, NoFrame> {
        let rest = &self.bytes[self.taken..];
        let Some(&[first, _, len_high, len_low]) = rest.first_chunk() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let (len, padded) = match first >> 6 {
            0 => (HEADER_LEN + len, HEADER_LEN + len),
            1 => (4 + len, 4 + len.next_multiple_of(4)),
            _ => return Err(NoFrame),
        };
        if rest.len() < padded {
            return Ok(None);
        }
        self.taken += padded;
        Ok(Some(&rest[..len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_came_in() {
        let message = [&[0, 1, 0, 4][..], &[9; 20]].concat();
        let channel_data = [0x40, 0, 0, 5, 1, 2, 3, 4, 5];
        let empty = [0x40, 0, 0, 0];
        let stream = [&message[..], &channel_data, &[0; 3], &empty, &message].concat();
        for step in 1..=stream.len() {
            let (mut framer, mut frames) = (Framer::default(), Vec::new());
            for piece in stream.chunks(step) {
                framer.push(piece);
                while let Some(frame) = framer.pop().unwrap() {
                    frames.push(frame.to_vec());
                }
            }
            assert_eq!(frames, [&message[..], &channel_data, &empty, &message], "{step}");
        }
    }

    #[test]
    fn another_protocol_is_noticed() {
        let mut framer = Framer::default();
        framer.push(&[0x80, 0, 0, 0]);
        assert_eq!(framer.pop(), Err(NoFrame));
    }
}
