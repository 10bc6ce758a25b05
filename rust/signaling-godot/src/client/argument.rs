//! Arguments that GDScript may leave out although they are dictionaries, or anything.
#![allow(unsafe_code, reason = "the binding asks for a promise before it keeps a default value")]

use godot::meta::GodotImmutable;
use godot::meta::conv::ByValue;
use godot::meta::error::ConvertError;
use godot::meta::shape::GodotShape;
use godot::prelude::*;
use godot::register::property::{Export, SimpleVar};

use crate::json;

/// A dictionary, with or without types for its keys and values; empty where it is left out.
#[derive(Debug, Clone, GodotConvert)]
#[godot(transparent)]
pub(crate) struct Keys(AnyDictionary);

/// Anything; `null` where it is left out.
#[derive(Debug, Clone)]
pub(crate) struct Anything(Variant);

impl Keys {
    pub(crate) fn none() -> Self {
        Self(VarDictionary::new().upcast_any_dictionary())
    }

    pub(crate) fn dictionary(&self) -> &AnyDictionary {
        &self.0
    }
}

impl SimpleVar for Keys {}

impl Export for Keys {}

impl Anything {
    pub(crate) fn nothing() -> Self {
        Self(Variant::nil())
    }

    pub(crate) fn variant(&self) -> &Variant {
        &self.0
    }
}

impl GodotConvert for Anything {
    type Via = Variant;

    fn godot_shape() -> GodotShape {
        Variant::godot_shape()
    }
}

impl ToGodot for Anything {
    type Pass = ByValue;

    fn to_godot(&self) -> Variant {
        self.0.clone()
    }
}

impl FromGodot for Anything {
    fn try_from_godot(via: Variant) -> Result<Self, ConvertError> {
        Ok(Self(via))
    }
}

// SAFETY: the default value is read-only, the engine counts references to it atomically, and
// nothing here hands out more than a view of it.
unsafe impl GodotImmutable for Keys {
    fn into_runtime_immutable(self) -> Self {
        let read_only = json::untyped(&self.0).into_read_only();
        Self(read_only.upcast_any_dictionary())
    }
}

// SAFETY: the only default value is `null`, which nobody can change.
unsafe impl GodotImmutable for Anything {}
