//! Numbers that wrap around (RFC 1982), counted on without end.

/// A transmission sequence number that does not wrap: its low 32 bits travel.
pub(super) type Tsn = u64;

/// Where counting begins for a number that is `low` on the wire. There is room below it, so that
/// what is older has a number too.
pub(super) fn start(low: u32) -> Tsn {
    (1 << 32) + u64::from(low)
}

/// The number closest to `near` whose low 32 bits are `low`.
pub(super) fn unwrap(near: u64, low: u32) -> u64 {
    let distance = low.wrapping_sub(near as u32) as i32;
    near.wrapping_add_signed(distance.into())
}

/// The number closest to `near` whose low 16 bits are `low`.
pub(super) fn unwrap16(near: u64, low: u16) -> u64 {
    let distance = low.wrapping_sub(near as u16) as i16;
    near.wrapping_add_signed(distance.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_where_they_wrap_around() {
        let near = start(u32::MAX);
        assert_eq!(unwrap(near, u32::MAX), near);
        assert_eq!(unwrap(near, 0), near + 1);
        assert_eq!(unwrap(near + 1, u32::MAX), near);
        assert_eq!(unwrap(start(0), u32::MAX), start(0) - 1);
        let near = start(0) + 65_535;
        assert_eq!(unwrap16(near, 2), near + 3);
        assert_eq!(unwrap16(near + 3, 65_535), near);
    }
}
