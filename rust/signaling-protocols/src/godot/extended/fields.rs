//! Reading an object whose fields have types and limits. What is not asked for is ignored.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};
use signaling_core::PeerId;

use crate::json::{Json, Object};

/// Why an object is not what it should be, in a sentence for the developer of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The fields of an object. Each reading takes one out; one that is missing or `null` is `None`.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of `data`; an empty text has none.
    pub(super) fn parse(data: &str) -> Result<Self, Invalid> {
        if data.is_empty() {
            return Ok(Self(Map::new()));
        }
        let object =
            Object::of_message(data).ok_or_else(|| Invalid::new("`data` is no JSON object"))?;
        Ok(Self(object.map().clone()))
    }

    pub(super) fn of(value: Value) -> Result<Self, Invalid> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(Invalid::new("no JSON object")),
        }
    }

    /// All that has not been read.
    pub(super) fn rest(self) -> Object {
        self.0.into()
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str, max: usize) -> Result<Option<String>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= max => Ok(Some(text)),
            Some(_) => Err(Invalid::new(format!("`{key}` must be text of at most {max} bytes"))),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, Invalid> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Invalid::new(format!("`{key}` must be true or false"))),
        }
    }

    pub(super) fn whole(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let whole = whole_number(&value).filter(|number| range.contains(number));
        whole.map(Some).ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            Invalid::new(format!("`{key}` must be a whole number from {first} to {last}"))
        })
    }

    /// A count that messages are numbered with.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<u64>, Invalid> {
        self.whole(key, 0..=MAX_COUNT)
    }

    pub(super) fn peer(&mut self, key: &str) -> Result<Option<PeerId>, Invalid> {
        let number = self.whole(key, 1..=u64::from(PeerId::MAX.get()))?;
        Ok(number.and_then(PeerId::new))
    }

    pub(super) fn seconds(
        &mut self,
        key: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<Duration>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| range.contains(seconds));
        seconds.map(|seconds| Some(Duration::from_secs_f64(seconds))).ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            Invalid::new(format!("`{key}` must be from {first} to {last} seconds"))
        })
    }

    pub(super) fn object(&mut self, key: &str, max: usize) -> Result<Option<Object>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        if !value.is_object() {
            return Err(Invalid::new(format!("`{key}` must be an object")));
        }
        let small = Object::from_value(value).filter(|object| object.to_string().len() <= max);
        small.map(Some).ok_or_else(|| too_large(key, max))
    }

    /// Any value but `null`.
    pub(super) fn json(&mut self, key: &str, max: usize) -> Result<Option<Json>, Invalid> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let small = Json::from_value(&value).filter(|json| json.len() <= max);
        small.map(Some).ok_or_else(|| too_large(key, max))
    }

    pub(super) fn list(&mut self, key: &str) -> Result<Vec<Value>, Invalid> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(Invalid::new(format!("`{key}` must be an array"))),
        }
    }
}

fn too_large(key: &str, max: usize) -> Invalid {
    Invalid::new(format!("`{key}` must be JSON of at most {max} bytes and 16 levels"))
}

/// The largest number that every JSON reader keeps exactly.
const MAX_COUNT: u64 = 1 << 53;

/// What must be there.
pub(super) trait Required<T> {
    fn required(self, key: &str) -> Result<T, Invalid>;
}

impl<T> Required<T> for Result<Option<T>, Invalid> {
    fn required(self, key: &str) -> Result<T, Invalid> {
        self?.ok_or_else(|| Invalid::new(format!("`{key}` is missing")))
    }
}

fn whole_number(value: &Value) -> Option<u64> {
    let is_exact =
        |number: &f64| number.fract() == 0.0 && (0.0..=MAX_COUNT as f64).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(is_exact).map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(data: &str) -> Fields {
        Fields::parse(data).unwrap()
    }

    #[test]
    fn a_field_that_is_missing_or_null_is_none() {
        let mut fields = fields(r#"{"a":null}"#);
        assert_eq!(fields.text("a", 1), Ok(None));
        assert_eq!(fields.flag("b"), Ok(None));
        assert_eq!(fields.text("c", 1).required("c").unwrap_err().to_string(), "`c` is missing");
    }

    #[test]
    fn numbers_may_come_as_floats() {
        assert_eq!(fields(r#"{"n":4.0}"#).whole("n", 2..=4), Ok(Some(4)));
        for wrong in ["4.5", "5", "-1", "\"4\"", "1e300"] {
            let why = fields(&format!(r#"{{"n":{wrong}}}"#)).whole("n", 2..=4).unwrap_err();
            assert_eq!(why.to_string(), "`n` must be a whole number from 2 to 4");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(fields(r#"{"t":"abcd"}"#).text("t", 3).is_err());
        assert!(fields(r#"{"o":{"a":1}}"#).object("o", 6).is_err());
        assert!(fields(r#"{"o":{"a":1}}"#).object("o", 7).is_ok());
        assert!(fields(r#"{"o":[]}"#).object("o", 7).is_err());
    }

    #[test]
    fn anything_but_an_object_has_no_fields() {
        for data in ["[]", "1", "{", "null"] {
            assert!(Fields::parse(data).is_err(), "{data}");
        }
        assert!(Fields::parse("").is_ok());
    }
}
