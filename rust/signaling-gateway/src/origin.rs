//! Where pages come from.

use std::str::FromStr;

/// Where a page comes from, as browsers tell it (RFC 6454): `https://example.com`,
/// `http://localhost:8000`, or `null` for files and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Whether a request with this header `Origin` comes from there.
    pub(crate) fn is(&self, header: &str) -> bool {
        self.0.eq_ignore_ascii_case(header)
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = text.split_once("://").map_or("", |(_scheme, authority)| authority);
        let is_host = !authority.is_empty()
            && authority.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte));
        if text == "null" || (is_host && !text.starts_with(':')) {
            Ok(Self(text.to_owned()))
        } else {
            Err("an origin has a scheme and a host, and no path: https://example.com")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_tell_is_an_origin() {
        for text in ["https://example.com", "http://[::1]:8000", "null"] {
            assert_eq!(text.parse::<Origin>(), Ok(Origin(text.to_owned())));
        }
        for text in ["", "*", "example.com", "https://", "://a", "https://a/", "https://a b"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn case_makes_no_difference() {
        assert!(Origin("https://example.com".to_owned()).is("https://EXAMPLE.com"));
        assert!(!Origin("https://example.com".to_owned()).is("https://example.com:8443"));
    }
}
