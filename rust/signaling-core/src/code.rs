//! Lobby codes that people read out to each other and type.

use std::ops::RangeInclusive;

use rand::{CryptoRng, RngExt};

/// How long a code may be, in characters.
pub const LENGTH: RangeInclusive<usize> = 4..=10;

/// No look-alikes (`O 0`, `I L 1`, `S 5`, `Z 2`, `B 8`, `G 6`, `U V`), of which at most one is in,
/// and no vowels, without which there are hardly any words.
const ALPHABET: &[u8] = b"0126789CDFHJKMNPRTVWX";

/// How many codes may turn out to be taken before a longer one is drawn.
const DRAWS: usize = 8;

/// The longest text that is looked at as a code, in bytes: room for spaces and hyphens.
const MAX_TYPED: usize = 64;

/// Draws a code of `length` characters, brought into [`LENGTH`], that is not `taken`. Where most
/// are taken already the code gets longer.
pub fn draw(rng: &mut impl CryptoRng, length: usize, taken: impl Fn(&str) -> bool) -> String {
    let shortest = length.clamp(*LENGTH.start(), *LENGTH.end());
    // The longest codes are drawn for as long as it takes: there are 10^13 of them.
    let lengths = (shortest..=*LENGTH.end()).chain(std::iter::repeat(*LENGTH.end()));
    let mut draws = lengths.flat_map(|length| [length; DRAWS]).map(|length| readable(rng, length));
    draws.find(|code| !taken(code)).expect("the lengths never end")
}

/// The code that somebody means who typed this: in any case, with spaces and hyphens, `O` for `0`,
/// `I` or `L` for `1`. `None` when no code can be meant.
pub fn normalize(typed: &str) -> Option<String> {
    if typed.len() > MAX_TYPED {
        return None;
    }
    let characters = typed.chars().filter(|typed| !matches!(typed, ' ' | '-'));
    let code: String = characters.map(meant).collect::<Option<_>>()?;
    LENGTH.contains(&code.len()).then_some(code)
}

fn meant(typed: char) -> Option<char> {
    let meant = match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().map(|byte| char::from(*byte)).find(|known| *known == meant)
}

fn readable(rng: &mut impl CryptoRng, length: usize) -> String {
    loop {
        let mut character = || char::from(ALPHABET[rng.random_range(..ALPHABET.len())]);
        let code: String = (0..length).map(|_| character()).collect();
        if !reads_as_word(&code) {
            return code;
        }
    }
}

/// True when a `0` or `1` stands between two letters, where it reads as a vowel.
fn reads_as_word(code: &str) -> bool {
    code.as_bytes().windows(3).any(|three| {
        let [before, middle, after] = three else { return false };
        before.is_ascii_alphabetic() && b"01".contains(middle) && after.is_ascii_alphabetic()
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_code_has_the_length_asked_for_within_bounds() {
        let mut rng = StdRng::seed_from_u64(1);
        for (asked, drawn) in [(0, 4), (4, 4), (5, 5), (10, 10), (usize::MAX, 10)] {
            assert_eq!(draw(&mut rng, asked, |_| false).len(), drawn);
        }
    }

    #[test]
    fn a_code_is_typed_as_it_is_drawn_and_is_no_word() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..1000 {
            let code = draw(&mut rng, 6, |_| false);
            assert_eq!(normalize(&code).as_ref(), Some(&code));
            assert!(!reads_as_word(&code), "{code}");
        }
        for (code, is_word) in
            [("C0CK", true), ("2D1CK", true), ("00CK", false), ("2D22", false), ("C00K", false)]
        {
            assert_eq!(reads_as_word(code), is_word, "{code}");
        }
    }

    #[test]
    fn codes_grow_where_many_are_taken() {
        let refused = RefCell::new(Vec::new());
        let code = draw(&mut StdRng::seed_from_u64(1), 8, |code| {
            refused.borrow_mut().push(code.len());
            refused.borrow().len() <= 40
        });
        let lengths = [[8; 8], [9; 8], [10; 8], [10; 8], [10; 8]].concat();
        assert_eq!(refused.borrow()[..40], lengths);
        assert_eq!(code.len(), 10);
    }

    #[test]
    fn a_typed_code_is_forgiven_what_people_confuse() {
        for (typed, code) in [
            ("c0d1x", Some("C0D1X")),
            ("coDiX", Some("C0D1X")),
            (" cO-dl x ", Some("C0D1X")),
            ("CDFH", Some("CDFH")),
            ("CDF", None),
            ("CDFHJKMNPR", Some("CDFHJKMNPR")),
            ("CDFHJKMNPRT", None),
            ("C3DFH", None),
            ("CÖDFH", None),
            ("ſDFHJ", None),
            ("", None),
            ("- - -", None),
        ] {
            assert_eq!(normalize(typed).as_deref(), code, "{typed}");
        }
        assert_eq!(normalize(&("C".to_owned() + &" ".repeat(MAX_TYPED) + "DFH")), None);
    }
}
