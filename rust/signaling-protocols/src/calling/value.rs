//! What clients say of themselves and to each other: the server passes it on and never looks into
//! it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{MAX_NESTING, compact, is_same, nesting};

/// Levels of nesting that a message adds around what it carries.
const AROUND: usize = 2;

/// Any JSON value, as the text that it came in, without blanks between its parts. Two are equal if
/// they mean the same.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// Reads JSON text; `None` when it is none, or nested more than 62 deep.
    pub fn parse(text: &str) -> Option<Self> {
        let value: &RawValue = serde_json::from_str(text).ok()?;
        let is_flat = nesting(value.get()) <= MAX_NESTING - AROUND;
        is_flat.then(|| Self::of_field(value.get())).flatten()
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The value of a field whose text was found to be JSON already.
    pub(super) fn of_field(text: &str) -> Option<Self> {
        RawValue::from_string(compact(text).into_owned()).ok().map(Self)
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        let value = |payload: &Self| serde_json::from_str::<Value>(payload.text());
        match (value(self), value(other)) {
            (Ok(a), Ok(b)) => is_same(&a, &b),
            // Numbers beyond all bounds and halves of surrogate pairs are no values, but texts.
            _ => self.text() == other.text(),
        }
    }
}

impl Eq for Payload {}

/// What a user or a room says of itself: values under keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Status(BTreeMap<String, Payload>);

impl Status {
    /// Reads a JSON object. As in JavaScript, `null` counts as an empty one, and the keys of an
    /// array are its indexes.
    pub fn parse(text: &str) -> Option<Self> {
        let values: BTreeMap<String, &RawValue> = if text.starts_with('[') {
            let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            (0..).map(|index: usize| index.to_string()).zip(values).collect()
        } else {
            serde_json::from_str::<Option<_>>(text).ok()?.unwrap_or_default()
        };
        let keep = |(key, value): (String, &RawValue)| Some((key, Payload::of_field(value.get())?));
        values.into_iter().map(keep).collect::<Option<_>>().map(Self)
    }

    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<&Payload> {
        self.0.get(key)
    }

    /// Puts a value under a key, or takes away what stands there.
    pub fn set(&mut self, key: &str, value: Option<Payload>) {
        match value {
            Some(value) => self.0.insert(key.to_owned(), value),
            None => self.0.remove(key),
        };
    }

    /// All keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Payload)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// This status, where `over` says nothing else.
    pub(super) fn overlaid(&self, over: &Self) -> Self {
        let mut both = self.clone();
        both.0.extend(over.0.clone());
        both
    }

    /// How much it takes to send it.
    pub(super) fn bytes(&self) -> usize {
        json_bytes(self)
    }

    /// How deep its values are nested.
    pub(super) fn depth(&self) -> usize {
        self.iter().map(|(_, value)| nesting(value.text())).max().unwrap_or(0)
    }
}

/// How much it takes to send this: characters of keys and names may be written with six.
pub(super) fn json_bytes<T: Serialize + ?Sized>(value: &T) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        Status::parse(text).unwrap()
    }

    #[test]
    fn a_status_is_an_object_or_what_javascript_takes_for_one() {
        assert_eq!(status("null"), Status::default());
        assert_eq!(status("[1,true]"), status(r#"{"0":1,"1":true}"#));
        for text in ["1", "\"a\"", "true", "{", ""] {
            assert_eq!(Status::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_status_in_a_room_hides_the_global_one_key_by_key() {
        let global = status(r#"{"name":"Ada","cam":false}"#);
        let both = global.overlaid(&status(r#"{"cam":true,"mic":1}"#));
        assert_eq!(both, status(r#"{"name":"Ada","cam":true,"mic":1}"#));
    }

    #[test]
    fn a_status_takes_what_is_written_of_it() {
        for text in ["{}", r#"{"k":[1,2],"l":"\u0001"}"#, r#"{"\u0001\"":null}"#] {
            assert_eq!(status(text).bytes(), text.len(), "{text}");
        }
    }

    #[test]
    fn payloads_are_equal_if_they_mean_the_same_and_keep_their_text() {
        let payload = |text: &str| Payload::parse(text).unwrap();
        assert_eq!(payload(r#"{"a":1,"b":[]}"#), payload(r#"{"b":[],"a":1.0}"#));
        assert_ne!(payload("null"), payload("0"));
        assert_ne!(payload("1e999"), payload("1e998"));
        assert_eq!(payload("\"\\ud800\"").text(), "\"\\ud800\"");
        assert_eq!(Payload::parse("{"), None);
        assert_eq!(Payload::parse(&("[".repeat(63) + &"]".repeat(63))), None);
    }
}
