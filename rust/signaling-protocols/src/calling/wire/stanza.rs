//! How stanzas are read and written.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use super::problem::Problem;
use crate::json::Fields;

/// A stanza that is being written.
pub(super) struct Stanza(String);

impl Stanza {
    pub(super) fn new(kind: &str) -> Self {
        Self("{".to_owned()).with("type", kind)
    }

    pub(super) fn with<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        let value = serde_json::to_string(value)
            .expect("texts, numbers, raw JSON and maps by text can be written");
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}\"{key}\":{value}");
        self
    }

    pub(super) fn with_some<T: Serialize>(self, key: &str, value: Option<&T>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn done(mut self) -> Arc<str> {
        self.0.push('}');
        self.0.into()
    }
}

/// A request that is being read: strictly, one declared field after the other.
pub(super) struct Reader<'a> {
    fields: &'a Fields<'a>,
    declared: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(fields: &'a Fields<'a>) -> Self {
        Self { fields, declared: vec!["type", "tid"] }
    }

    /// A field that may be absent.
    pub(super) fn may<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.declared.push(key);
        self.fields.raw(key).map(|text| read(text).ok_or(Problem::TypeMismatch)).transpose()
    }

    /// A field that must be there.
    pub(super) fn must<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, Problem> {
        self.may(key, read)?.ok_or(Problem::MissingElement)
    }

    /// All fields were declared.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let is_known = |key: &str| self.declared.contains(&key);
        if self.fields.keys().all(is_known) { Ok(()) } else { Err(Problem::UnexpectedField) }
    }
}

pub(super) fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

pub(super) fn flag(json: &str) -> Option<bool> {
    json.parse().ok()
}

/// A number; one beyond all bounds is infinite.
pub(super) fn number(json: &str) -> Option<f64> {
    // Rust's parser knows "inf" and "NaN"; JSON does not.
    let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    json.parse().ok().filter(|_| is_number)
}

/// Whether JavaScript calls it an object.
pub(super) fn is_object(json: &str) -> bool {
    json.starts_with(['{', '[']) || json == "null"
}
