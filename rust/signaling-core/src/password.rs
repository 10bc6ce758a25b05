//! Passwords that are compared, and never kept in the clear.

use std::fmt;

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use rand::{CryptoRng, RngExt};
use sha2::Sha256;

/// Seals passwords with a key that never leaves this process (HMAC-SHA256). A seal that leaks
/// without the key is worth nothing, so that the slow hash of a password file is not needed.
pub struct Passwords {
    key: [u8; 32],
}

/// A password that can be compared and not read. Two of the same [`Passwords`] are equal when the
/// passwords are; comparing takes as long whether or not they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(CtOutput<Hmac<Sha256>>);

impl Passwords {
    /// Draws the key. Once for each process is enough.
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self { key: rng.random() }
    }

    /// Seals a password. Not limited in length: whoever read the message has bounded it.
    pub fn seal(&self, password: &str) -> Sealed {
        let mac = Hmac::new_from_slice(&self.key).expect("a key of any length will do");
        Sealed(mac.chain_update(password).finalize())
    }

    /// Seals what something is to be locked with; `None` for the empty password, which locks
    /// nothing.
    pub fn lock(&self, password: &str) -> Option<Sealed> {
        (!password.is_empty()).then(|| self.seal(password))
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
    fn only_seals_of_the_same_password_are_equal() {
        let passwords = Passwords::new(&mut StdRng::seed_from_u64(1));
        for password in ["", "swordfish", "пароль", &"long".repeat(1000)] {
            let sealed = passwords.seal(password);
            assert_eq!(sealed, passwords.seal(password));
            assert_ne!(sealed, passwords.seal(&format!("{password} ")));
            assert_ne!(sealed, passwords.seal("Swordfish"));
        }
    }

    #[test]
    fn a_seal_is_worth_nothing_elsewhere() {
        let [here, elsewhere] = [1, 2].map(|seed| Passwords::new(&mut StdRng::seed_from_u64(seed)));
        assert_ne!(here.seal("swordfish"), elsewhere.seal("swordfish"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let passwords = Passwords::new(&mut StdRng::seed_from_u64(1));
        let sealed = passwords.seal("swordfish");
        assert_eq!(format!("{passwords:?} {sealed:?}"), "Passwords Sealed");
    }
}
