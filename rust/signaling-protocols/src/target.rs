//! Path and query of a request, as machines and routing read them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What stands before the query.
pub(crate) fn path(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// The first value of a key in the query, decoded; `None` when the key is not there.
pub(crate) fn parameter<'a>(target: &'a str, key: &str) -> Option<Cow<'a, str>> {
    let (_, query) = target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value)
}

/// The last segment of the path, decoded; empty when it is not UTF-8.
pub(crate) fn last_segment(target: &str) -> Cow<'_, str> {
    let segment = path(target).rsplit('/').next().unwrap_or_default();
    percent_decode_str(segment).decode_utf8().unwrap_or_default()
}

/// The only segment of the path behind `prefix`, decoded; `None` when it is empty, when there are
/// several, and when it is not UTF-8.
pub(crate) fn segment<'a>(target: &'a str, prefix: &str) -> Option<Cow<'a, str>> {
    let segment = path(target).strip_prefix(prefix)?;
    let is_one = !segment.is_empty() && !segment.contains('/');
    percent_decode_str(segment).decode_utf8().ok().filter(|_| is_one)
}
