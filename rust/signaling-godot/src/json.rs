//! What games put into lobbies, and what they are told of them: between the engine's values and
//! JSON.

use godot::classes::Json as EngineJson;
use godot::prelude::*;
use signaling_core::PeerId;
use signaling_protocols::godot::Topology;
use signaling_protocols::godot::extended::{
    HostPolicy, Json, LobbyEntry, LobbyView, MemberView, Object,
};

/// As deep as JSON that games keep may be nested.
const MAX_NESTING: usize = 16;

/// The value as JSON; `None` when it is nested too deep, or has a number that JSON does not know.
pub(crate) fn from_variant(value: &Variant) -> Option<Json> {
    Json::parse(&text(value)?)
}

/// The same as text.
pub(crate) fn text(value: &Variant) -> Option<String> {
    can_be_json(value, MAX_NESTING).then(|| stringify(value))
}

/// What JSON text means.
pub(crate) fn parsed(text: &str) -> Variant {
    EngineJson::parse_string(text)
}

/// The same, where `null` means that there is nothing.
pub(crate) fn from_optional(value: &Variant) -> Option<Option<Json>> {
    let json = from_variant(value)?;
    Some(Some(json).filter(|json| !json.is_null()))
}

pub(crate) fn object_from_dictionary(dictionary: &AnyDictionary) -> Option<Object> {
    Object::parse(&text(&dictionary.to_variant())?)
}

pub(crate) fn to_variant(json: &Json) -> Variant {
    parsed(&json.to_string())
}

/// `null` for nothing.
pub(crate) fn optional_to_variant(json: Option<&Json>) -> Variant {
    json.map(to_variant).unwrap_or_default()
}

pub(crate) fn object_to_dictionary(object: &Object) -> VarDictionary {
    parsed(&object.to_string()).try_to().unwrap_or_default()
}

/// A copy without the types that a dictionary of GDScript may have for its keys and values.
pub(crate) fn untyped(dictionary: &AnyDictionary) -> VarDictionary {
    dictionary.iter_shared().collect()
}

/// The engine would make `null` of NaN, and complain of what has itself in it.
fn can_be_json(value: &Variant, levels: usize) -> bool {
    let can_be = |inner: Variant| levels > 0 && can_be_json(&inner, levels - 1);
    match value.get_type() {
        VariantType::FLOAT => value.to::<f64>().is_finite(),
        VariantType::ARRAY => value.to::<AnyArray>().iter_shared().all(can_be),
        VariantType::DICTIONARY => {
            value.to::<AnyDictionary>().values_array().iter_shared().all(can_be)
        }
        VariantType::PACKED_FLOAT32_ARRAY => {
            value.to::<PackedFloat32Array>().as_slice().iter().all(|number| number.is_finite())
        }
        VariantType::PACKED_FLOAT64_ARRAY => {
            value.to::<PackedFloat64Array>().as_slice().iter().all(|number| number.is_finite())
        }
        _ => true,
    }
}

fn stringify(value: &Variant) -> String {
    EngineJson::stringify_ex(value).full_precision(true).done().to_string()
}

/// A lobby as it stands in lists.
pub(crate) fn entry(entry: &LobbyEntry) -> VarDictionary {
    vdict! {
        "code" => &*entry.code,
        "mesh" => entry.topology == Topology::Mesh,
        "players" => count(entry.players),
        "max_players" => count(entry.max_players),
        "public" => entry.is_public,
        "locked" => entry.is_locked,
        "sealed" => entry.is_sealed,
        "has_password" => entry.has_password,
        "host_name" => &*entry.host_name,
        "metadata" => &object_to_dictionary(&entry.metadata),
    }
}

pub(crate) fn entries(entries: &[LobbyEntry]) -> VarArray {
    entries.iter().map(|lobby| entry(lobby).to_variant()).collect()
}

/// A lobby as its members see it.
pub(crate) fn view(view: &LobbyView) -> VarDictionary {
    let policy = match view.host_policy {
        HostPolicy::Close => "close",
        HostPolicy::Migrate => "migrate",
        HostPolicy::Wait { .. } => "wait",
    };
    let mut dictionary = entry(&view.entry);
    dictionary.set("id", id(view.me));
    dictionary.set("host", id(view.host));
    dictionary.set("host_policy", policy);
    dictionary
}

/// A member of a lobby.
pub(crate) fn member(member: &MemberView, host: PeerId) -> VarDictionary {
    vdict! {
        "id" => id(member.id),
        "name" => &*member.name,
        "user" => &*member.user,
        "metadata" => &object_to_dictionary(&member.metadata),
        "host" => member.id == host,
        "rtt" => member.rtt.map_or(-1, i64::from),
        "unstable" => member.is_unstable,
    }
}

/// A peer's id as games know it.
pub(crate) fn id(id: PeerId) -> i64 {
    id.get().into()
}

pub(crate) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
