//! Which lobbies, in which order.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::fields::{Fields, Invalid};
use super::limits;
use crate::json::{Object, is_same};

/// What the metadata of a lobby must be like; an empty one fits every lobby.
///
/// An object: each key of the metadata with the value that it must have, or with an object of one
/// or more of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` (an array) and `contains` (a part of a text,
/// whatever its case). Numbers and texts have an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    key: String,
    test: Test,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
}

const TESTS: [(&str, Test); 8] = [
    ("==", Test::Equal),
    ("!=", Test::NotEqual),
    ("<", Test::Less),
    ("<=", Test::LessOrEqual),
    (">", Test::Greater),
    (">=", Test::GreaterOrEqual),
    ("in", Test::In),
    ("contains", Test::Contains),
];

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`Invalid`] with more than 16 conditions, an unknown test, or `in` without an array.
    pub fn from_object(object: &Object) -> Result<Self, Invalid> {
        let mut conditions = Vec::new();
        for (key, value) in object.map() {
            let tests = match value {
                Value::Object(tests) => tests.clone(),
                value => Map::from_iter([("==".to_owned(), value.clone())]),
            };
            for (name, value) in tests {
                conditions.push(Condition::new(key, &name, value)?);
            }
        }
        if conditions.len() > limits::CONDITIONS {
            return Err(Invalid::new(format!("more than {} conditions", limits::CONDITIONS)));
        }
        Ok(Self(conditions))
    }

    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        let object = fields.object("where", limits::FILTER)?.unwrap_or_default();
        Self::from_object(&object)
    }

    pub(super) fn write(&self) -> Value {
        let mut map = Map::new();
        for Condition { key, test, value } in &self.0 {
            let name = TESTS.iter().find(|(_, known)| known == test).map_or("==", |(name, _)| name);
            let tests = map.entry(key.clone()).or_insert_with(|| json!({}));
            tests[name] = value.clone();
        }
        Value::Object(map)
    }

    /// The metadata with what it lacks to have the values that are wanted.
    pub fn complete(&self, metadata: Object) -> Object {
        let Value::Object(mut map) = metadata.into_value() else { return Object::default() };
        for Condition { key, value, .. } in self.0.iter().filter(|one| one.test == Test::Equal) {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
        map.into()
    }

    /// About how much work it is to hold one lobby against it, from 1 on: a unit takes less than a
    /// microsecond.
    pub(crate) fn weight(&self) -> usize {
        1 + self.0.iter().map(Condition::weight).sum::<usize>()
    }

    /// Whether a lobby with this metadata is meant. A key that is missing fits no test but `!=`.
    pub fn fits(&self, metadata: &Object) -> bool {
        self.0.iter().all(|condition| condition.fits(metadata.map().get(&condition.key)))
    }
}

/// What it weighs to search a text of 2 KiB.
const CONTAINS_WEIGHT: usize = 16;
/// How many values are compared in one unit of work.
const VALUES_A_UNIT: usize = 16;

impl Condition {
    fn new(key: &str, name: &str, value: Value) -> Result<Self, Invalid> {
        let test = TESTS.iter().find(|(known, _)| *known == name).map(|(_, test)| *test);
        let test = test.ok_or_else(|| Invalid::new(format!("`{name}` is no test")))?;
        if test == Test::In && !value.is_array() {
            return Err(Invalid::new("`in` needs an array"));
        }
        if test == Test::Contains && !value.is_string() {
            return Err(Invalid::new("`contains` needs a text"));
        }
        // What is compared whatever its case is put into one case once, and not for each lobby.
        let value = match value {
            Value::String(part) if test == Test::Contains => Value::String(part.to_lowercase()),
            value => value,
        };
        Ok(Self { key: key.to_owned(), test, value })
    }

    fn weight(&self) -> usize {
        match (self.test, &self.value) {
            (Test::Contains, _) => CONTAINS_WEIGHT,
            (_, Value::Array(values)) => 1 + values.len() / VALUES_A_UNIT,
            _ => 1,
        }
    }

    fn fits(&self, actual: Option<&Value>) -> bool {
        let wanted = &self.value;
        let Some(actual) = actual else { return self.test == Test::NotEqual };
        let order = || compare(actual, wanted);
        match self.test {
            Test::Equal => is_same(actual, wanted),
            Test::NotEqual => !is_same(actual, wanted),
            Test::Less => order() == Some(Ordering::Less),
            Test::LessOrEqual => order().is_some_and(Ordering::is_le),
            Test::Greater => order() == Some(Ordering::Greater),
            Test::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Test::In => {
                wanted.as_array().is_some_and(|all| all.iter().any(|one| is_same(actual, one)))
            }
            Test::Contains => {
                let texts = actual.as_str().zip(wanted.as_str());
                texts.is_some_and(|(actual, part)| actual.to_lowercase().contains(part))
            }
        }
    }
}

/// The order of two numbers or two texts.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Which page of which lobbies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// What they must be like.
    pub filter: Filter,
    /// Whether lobbies are left out that cannot be joined without a password or at all.
    pub is_open: bool,
    /// What they are sorted by: a key of the metadata, or `@players`, `@code`; from the largest
    /// down with a `-` before it. Empty: the newest first.
    pub sort: String,
    /// How many to leave out at the beginning.
    pub offset: usize,
    /// How many at most. Default 50.
    pub limit: usize,
}

/// What a lobby is found by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits<'a> {
    pub(crate) code: &'a str,
    pub(crate) players: usize,
    /// Whether it can be joined without a password.
    pub(crate) is_open: bool,
    pub(crate) metadata: &'a Object,
}

const DEFAULT_LIMIT: u64 = 50;

impl Query {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            filter: Filter::read(fields)?,
            is_open: fields.flag("open")?.unwrap_or_default(),
            sort: sort_key(fields)?,
            offset: fields.count("offset")?.unwrap_or_default() as usize,
            limit: fields.whole("limit", 1..=limits::PAGE)?.unwrap_or(DEFAULT_LIMIT) as usize,
        })
    }

    pub(super) fn write(&self) -> Value {
        json!({
            "where": self.filter.write(),
            "open": self.is_open,
            "sort": self.sort,
            "offset": self.offset,
            "limit": self.limit,
        })
    }

    /// Whether a lobby is meant.
    pub(crate) fn fits(&self, lobby: &Traits<'_>) -> bool {
        (!self.is_open || lobby.is_open) && self.filter.fits(lobby.metadata)
    }

    /// Sorts lobbies that came with the newest first. Those that lack what they are sorted by
    /// come last.
    pub(crate) fn sort<'a, T: 'a>(
        &self,
        lobbies: &mut [&'a T],
        traits: impl Fn(&'a T) -> Traits<'a>,
    ) {
        let (key, is_descending) = match self.sort.strip_prefix('-') {
            Some(key) => (key, true),
            None => (self.sort.as_str(), false),
        };
        if key.is_empty() {
            return;
        }
        let value = |lobby: Traits<'a>| match key {
            "@players" => Some(Cow::Owned(json!(lobby.players))),
            "@code" => Some(Cow::Owned(json!(lobby.code))),
            key => lobby.metadata.map().get(key).map(Cow::Borrowed),
        };
        lobbies.sort_by_cached_key(|lobby| SortKey { value: value(traits(lobby)), is_descending });
    }
}

/// What begins with `@` is no key of the metadata.
fn sort_key(fields: &mut Fields) -> Result<String, Invalid> {
    let sort = fields.text("sort", limits::KEY)?.unwrap_or_default();
    match sort.strip_prefix('-').unwrap_or(&sort) {
        "@players" | "@code" => Ok(sort),
        key if key.starts_with('@') => {
            Err(Invalid::new(format!("`sort` knows `@players` and `@code`, not `{key}`")))
        }
        _ => Ok(sort),
    }
}

/// Numbers come before texts, and what has no order last.
struct SortKey<'a> {
    value: Option<Cow<'a, Value>>,
    is_descending: bool,
}

impl SortKey<'_> {
    fn rank(&self) -> u8 {
        match self.value.as_deref() {
            Some(Value::Number(_)) => 0,
            Some(Value::String(_)) => 1,
            _ => 2,
        }
    }
}

impl Ord for SortKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = match (&self.value, &other.value) {
            (Some(a), Some(b)) if self.rank() == other.rank() => compare(a, b),
            _ => None,
        };
        let order = order.unwrap_or(Ordering::Equal);
        let order = if self.is_descending { order.reverse() } else { order };
        self.rank().cmp(&other.rank()).then(order)
    }
}

impl PartialOrd for SortKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKey<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        Object::parse(text).unwrap()
    }

    #[test]
    fn a_filter_compares_the_metadata() {
        let metadata = object(r#"{"mode":"Capture the flag","level":7,"ranked":true}"#);
        for (filter, fits) in [
            ("{}", true),
            (r#"{"level":7.0}"#, true),
            (r#"{"level":{">":3,"<=":7}}"#, true),
            (r#"{"level":{">":7}}"#, false),
            (r#"{"level":{"in":[1,7]}}"#, true),
            (r#"{"mode":{"contains":"FLAG"}}"#, true),
            (r#"{"mode":{"contains":"race"}}"#, false),
            (r#"{"mode":{"<":"D"}}"#, true),
            (r#"{"mode":{"<":9}}"#, false),
            (r#"{"ranked":true}"#, true),
            (r#"{"map":"x"}"#, false),
            (r#"{"map":{"!=":"x"}}"#, true),
        ] {
            let read = Filter::from_object(&object(filter)).unwrap();
            assert_eq!(read.fits(&metadata), fits, "{filter}");
        }
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused() {
        for filter in [r#"{"a":{"~":1}}"#, r#"{"a":{"in":1}}"#, r#"{"a":{"contains":1}}"#] {
            assert!(Filter::from_object(&object(filter)).is_err(), "{filter}");
        }
        let many: Map<_, _> = (0..17).map(|n| (n.to_string(), json!(n))).collect();
        assert!(Filter::from_object(&many.into()).is_err());
    }

    fn traits<'a>((code, metadata): &'a (&str, Object)) -> Traits<'a> {
        Traits { code, players: code.len(), is_open: false, metadata }
    }

    #[test]
    fn lobbies_are_sorted_as_asked_and_what_has_no_value_comes_last() {
        let lobbies = [
            ("A", object(r#"{"level":10}"#)),
            ("BBB", object("{}")),
            ("CC", object(r#"{"level":9.5}"#)),
            ("D", object(r#"{"level":"x"}"#)),
        ];
        for (sort, expected) in [
            ("", ["A", "BBB", "CC", "D"]),
            ("level", ["CC", "A", "D", "BBB"]),
            ("-level", ["A", "CC", "D", "BBB"]),
            ("-@players", ["BBB", "CC", "A", "D"]),
            ("-@code", ["D", "CC", "BBB", "A"]),
        ] {
            let mut sorted: Vec<_> = lobbies.iter().collect();
            Query { sort: sort.to_owned(), ..Query::default() }.sort(&mut sorted, traits);
            let codes: Vec<&str> = sorted.iter().map(|(code, _)| *code).collect();
            assert_eq!(codes, expected, "{sort}");
        }
    }

    #[test]
    fn an_unknown_order_is_refused() {
        let read = |sort: &str| {
            let fields = json!({"sort": sort});
            Query::read(&mut Fields::of(fields).unwrap()).map(|query| query.sort)
        };
        for sort in ["", "level", "-level", "@players", "-@code"] {
            assert_eq!(read(sort).as_deref(), Ok(sort));
        }
        for sort in ["@newest", "-@age", "@"] {
            assert!(read(sort).is_err(), "{sort}");
        }
    }

    #[test]
    fn what_a_filter_wants_to_be_equal_can_be_made_so() {
        let filter = object(r#"{"mode":"duel","level":{"==":3,"<":9},"map":"x","rank":{">":1}}"#);
        let filter = Filter::from_object(&filter).unwrap();
        let complete = filter.complete(object(r#"{"map":"y","rank":2}"#));
        let expected = object(r#"{"mode":"duel","level":3,"map":"y","rank":2}"#);
        assert_eq!(complete, expected);
    }

    #[test]
    fn an_open_lobby_can_be_joined_at_once() {
        let lobby = ("A", Object::default());
        let closed = traits(&lobby);
        let query = Query { is_open: true, ..Query::default() };
        assert!(query.fits(&Traits { is_open: true, ..closed }));
        assert!(!query.fits(&closed));
        assert!(Query::default().fits(&closed));
    }

    #[test]
    fn a_filter_weighs_what_it_costs() {
        let weight = |filter: &str| Filter::from_object(&object(filter)).unwrap().weight();
        assert_eq!(weight("{}"), 1);
        assert!(weight(r#"{"a":1}"#) < weight(r#"{"a":1,"b":2}"#));
        assert!(weight(r#"{"a":1}"#) < weight(r#"{"a":{"contains":"x"}}"#));
        let many = json!({"a": {"in": vec![0; 1000]}}).to_string();
        assert!(weight(&many) > weight(r#"{"a":{"in":[0]}}"#) + 50);
    }
}
