//! Passwords that are compared, and never kept in the clear.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand::{CryptoRng, RngExt};
use sha2::Sha256;

/// Seals passwords with a key that never leaves this process (HMAC-SHA256). A seal that leaks
/// without the key is worth nothing, so that the slow hash of a password file is not needed.
pub struct Passwords {
    key: [u8; 32],
}

/// A password that can be tried and not read. Only the [`Passwords`] that sealed it opens it.
#[derive(Clone)]
pub struct Sealed([u8; 32]);

impl Passwords {
    /// Draws the key. Once for each process is enough.
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self { key: rng.random() }
    }

    /// Seals a password. Not limited in length: whoever read the message has bounded it.
    pub fn seal(&self, password: &str) -> Sealed {
        Sealed(self.mac(password).finalize().into_bytes().into())
    }

    /// True when `typed` is the password that was sealed. Takes as long whether or not it is.
    pub fn opens(&self, sealed: &Sealed, typed: &str) -> bool {
        self.mac(typed).verify_slice(&sealed.0).is_ok()
    }

    fn mac(&self, password: &str) -> Hmac<Sha256> {
        let mac = Hmac::new_from_slice(&self.key).expect("a key of any length will do");
        mac.chain_update(password)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn only_the_password_that_was_sealed_opens() {
        let passwords = Passwords::new(&mut StdRng::seed_from_u64(1));
        for password in ["", "swordfish", "пароль", &"long".repeat(1000)] {
            let sealed = passwords.seal(password);
            assert!(passwords.opens(&sealed, password));
            assert!(!passwords.opens(&sealed, &format!("{password} ")));
            assert!(!passwords.opens(&sealed, "Swordfish"));
        }
    }

    #[test]
    fn a_seal_is_worth_nothing_elsewhere() {
        let [here, elsewhere] = [1, 2].map(|seed| Passwords::new(&mut StdRng::seed_from_u64(seed)));
        let sealed = here.seal("swordfish");
        assert!(!elsewhere.opens(&sealed, "swordfish"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let passwords = Passwords::new(&mut StdRng::seed_from_u64(1));
        let sealed = passwords.seal("swordfish");
        assert_eq!(format!("{passwords:?} {sealed:?}"), "Passwords Sealed");
    }
}
