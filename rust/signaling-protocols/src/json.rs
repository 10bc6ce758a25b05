//! JSON as all protocols read it: `1` and `1.0` are one number, the order of keys does not matter,
//! and the last of equal keys counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use signaling_core::Frame;

/// Objects and arrays of a message may lie this deep in one another.
pub(crate) const MAX_NESTING: usize = 64;

/// The fields of a message that is an object, each as its text stood there: what is passed on is
/// never unescaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a>(HashMap<String, &'a str>);

/// A field is of another type than it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongType;

impl<'a> Fields<'a> {
    /// Reads a frame, a binary one like text; `None` unless it is a JSON object that is not nested
    /// too deeply.
    pub(crate) fn of_frame(frame: Frame<'a>) -> Option<Self> {
        match frame {
            Frame::Text(text) => Self::parse(text),
            Frame::Binary(bytes) => Self::parse(std::str::from_utf8(bytes).ok()?),
        }
    }

    /// Reads the text of an object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let fields: HashMap<String, &'a RawValue> = serde_json::from_str(text).ok()?;
        let is_flat = nesting(text) <= MAX_NESTING;
        let texts = fields.into_iter().map(|(key, value)| (key, value.get()));
        is_flat.then(|| Self(texts.collect()))
    }

    /// The text of a field, `null` included.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    /// The keys, in no particular order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A field of this type; `None` when it is absent.
    pub(crate) fn get<T: Deserialize<'a>>(&self, key: &str) -> Result<Option<T>, WrongType> {
        let read = |text| serde_json::from_str(text).map_err(|_| WrongType);
        self.raw(key).map(read).transpose()
    }

    /// A whole number, which may be written `1.0`; `None` when it is absent.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, WrongType> {
        self.raw(key).map(|text| integer(text).ok_or(WrongType)).transpose()
    }

    /// An object; `None` when it is absent.
    pub(crate) fn object(&self, key: &str) -> Result<Option<Self>, WrongType> {
        self.raw(key).map(|text| Self::parse(text).ok_or(WrongType)).transpose()
    }

    /// A list of objects; `None` when it is absent.
    pub(crate) fn objects(&self, key: &str) -> Result<Option<Vec<Self>>, WrongType> {
        let Some(list) = self.get::<Vec<&'a RawValue>>(key)? else { return Ok(None) };
        let objects = list.into_iter().map(|text| Self::parse(text.get()).ok_or(WrongType));
        objects.collect::<Result<_, _>>().map(Some)
    }
}

/// How many bytes a message has.
pub(crate) fn length(frame: Frame<'_>) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
    }
}

/// How many bytes a text takes between the quotes of a JSON string.
pub(crate) fn text_length(text: &str) -> usize {
    let written = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(written).sum()
}

/// A whole number, which may be written `1.0`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    let whole = |number: f64| {
        // Beyond this, a float does not tell one whole number from the next.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    };
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

/// A JSON text without blanks between its parts, on one line: for what is passed on.
pub(crate) fn compact(json: &str) -> Cow<'_, str> {
    let is_blank = |byte: u8| byte.is_ascii_whitespace();
    // What is passed on is mostly one string, in which blanks mean something.
    if json.starts_with('"') || !json.bytes().any(is_blank) {
        return json.into();
    }
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        if !in_string && c.is_ascii_whitespace() {
            return false;
        }
        in_string ^= *c == '"' && !escaped;
        escaped = in_string && *c == '\\' && !escaped;
        true
    };
    json.chars().filter(keep).collect::<String>().into()
}

/// How deep the objects and arrays of a valid JSON text lie in one another.
pub(crate) fn nesting(json: &str) -> usize {
    if !json.trim_ascii_start().starts_with(['{', '[']) {
        return 0;
    }
    let (mut depth, mut deepest) = (0, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Objects and arrays may lie this deep in one another, in what a game wants to keep.
const MAX_KEPT_NESTING: usize = 16;
/// And in a whole message, which may hold what games keep.
const MAX_KEEPING_NESTING: usize = 32;

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
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        is_flat(value, MAX_KEPT_NESTING).then(|| Self(value.to_string().into()))
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
        Self::within(MAX_KEPT_NESTING, serde_json::from_str(text).ok()?)
    }

    /// Reads the object of a message.
    pub(crate) fn of_message(text: &str) -> Option<Self> {
        Self::within(MAX_KEEPING_NESTING, serde_json::from_str(text).ok()?)
    }

    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<Json> {
        self.0.get(key).map(|value| Json(value.to_string().into()))
    }

    /// An object nested 16 deep at most.
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        Self::within(MAX_KEPT_NESTING, value)
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
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
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
    fn the_last_of_equal_keys_counts_and_keeps_its_text() {
        let fields =
            Fields::parse(r#" {"a":1, "a" : { "b":[ 1e400, "\\u00e9" ] }, "c":null}"#).unwrap();
        assert_eq!(fields.raw("a"), Some(r#"{ "b":[ 1e400, "\\u00e9" ] }"#));
        assert_eq!(fields.raw("c"), Some("null"));
        assert_eq!(fields.raw("d"), None);
        assert_eq!(fields.get::<String>("c"), Err(WrongType));
    }

    #[test]
    fn a_text_is_as_long_as_it_is_written() {
        let all: String = (0..300).filter_map(char::from_u32).collect();
        assert_eq!(text_length(&all) + 2, serde_json::to_string(&all).unwrap().len());
    }

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        for (text, number) in [("1", Some(1)), ("-2.0", Some(-2)), ("1e2", Some(100))] {
            assert_eq!(integer(text), number, "{text}");
        }
        for text in ["1.5", "1e300", "\"1\"", "null", "true"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_passed_on_has_no_blanks_between_its_parts() {
        for (text, compacted) in [
            (
                "{ \"a b\" :\r\n[ 1,\t\"\\\" \\\\\" , \" \" ]\n}",
                "{\"a b\":[1,\"\\\" \\\\\",\" \"]}",
            ),
            ("\" a \"", "\" a \""),
            ("[1]", "[1]"),
        ] {
            assert_eq!(compact(text), compacted);
        }
    }

    #[test]
    fn only_objects_that_are_not_too_deep_are_messages() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Fields::parse(&nested(63)).is_some());
        let after_blanks = format!(" \r\n\t{}", nested(64));
        for text in [&nested(64), &nested(100_000), &after_blanks, "[]", "1", "", "{", "null"] {
            assert_eq!(Fields::parse(text), None);
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
