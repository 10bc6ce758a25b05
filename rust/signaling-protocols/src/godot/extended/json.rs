//! Values that only the games understand: they are kept, measured and compared, and never looked
//! into otherwise.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Objects and arrays may lie this deep in one another, in what a game wants to keep.
const MAX_NESTING: usize = 16;
/// And in a whole message, which may hold what games keep.
const MAX_MESSAGE_NESTING: usize = 32;

/// Any JSON value. Two are equal if they mean the same: `1` and `1.0` are one number, and the order
/// of keys does not matter. A clone costs nothing.
///
/// Kept as text without blanks: a tree of small values takes twenty times as much memory.
#[derive(Debug, Clone)]
pub struct Json(Arc<str>);

/// A JSON object. A clone costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Object(Arc<Map<String, Value>>);

impl Json {
    /// Reads JSON text; `None` when it is none, or nested more than 16 deep.
    pub fn parse(text: &str) -> Option<Self> {
        let value = serde_json::from_str(text).ok()?;
        Self::from_value(&value)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// Of its text without blanks, in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        is_flat(value, MAX_NESTING).then(|| Self(value.to_string().into()))
    }
}

impl Default for Json {
    fn default() -> Self {
        Self("null".into())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl Object {
    /// Reads the text of a JSON object; `None` when it is none, or nested more than 16 deep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::within(MAX_NESTING, serde_json::from_str(text).ok()?)
    }

    /// Reads the object of a message.
    pub(super) fn of_message(text: &str) -> Option<Self> {
        Self::within(MAX_MESSAGE_NESTING, serde_json::from_str(text).ok()?)
    }

    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<Json> {
        self.0.get(key).map(|value| Json(value.to_string().into()))
    }

    /// An object nested 16 deep at most.
    pub(super) fn from_value(value: Value) -> Option<Self> {
        Self::within(MAX_NESTING, value)
    }

    fn within(levels: usize, value: Value) -> Option<Self> {
        match value {
            Value::Object(_) if !is_flat(&value, levels) => None,
            Value::Object(map) => Some(map.into()),
            _ => None,
        }
    }

    pub(crate) fn map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(Arc::unwrap_or_clone(self.0))
    }
}

impl From<Map<String, Value>> for Object {
    fn from(map: Map<String, Value>) -> Self {
        Self(Arc::new(map))
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.map().serialize(serializer)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || is_same(&self.value(), &other.value())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        are_same(&self.0, &other.0)
    }
}

impl Eq for Json {}
impl Eq for Object {}

/// Without blanks.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without blanks.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Whether two values mean the same.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => are_same(a, b),
        _ => a == b,
    }
}

fn are_same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
}

fn is_flat(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(values) => levels > 0 && values.iter().all(|value| is_flat(value, levels - 1)),
        Value::Object(map) => levels > 0 && map.values().all(|value| is_flat(value, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_if_they_mean_the_same() {
        let json = |text: &str| Json::parse(text).unwrap();
        assert_eq!(json(r#"{"a":1,"b":[2.0]}"#), json(r#"{"b":[2],"a":1.0}"#));
        assert_ne!(json(r#"{"a":1}"#), json(r#"{"a":1,"b":null}"#));
        assert_ne!(json("1"), json("true"));
        assert_ne!(json(r#""1""#), json("1"));
    }

    #[test]
    fn numbers_stay_as_they_are_however_often_they_are_read() {
        for number in (1..2000).map(|n| f64::from(n).sqrt() * 1e-7) {
            let json = Json::parse(&format!("{number:e}")).unwrap();
            assert_eq!(json.value().as_f64(), Some(number));
            assert_eq!(Json::from_value(&json.value()).unwrap().to_string(), json.to_string());
        }
    }

    #[test]
    fn sixteen_levels_of_nesting_are_allowed() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Json::parse(&nested(16)).is_some());
        assert!(Json::parse(&nested(17)).is_none());
        assert!(Json::parse(&nested(60_000)).is_none());
    }
}
