//! Enums of a class, such as `SignalingClient.Failure` in GDScript. The binding has no attribute for
//! them yet; its own macros register constants through the same hidden modules as this file, which
//! therefore has to be looked at when the binding changes.

use std::borrow::Cow;

use godot::meta::shape::{EnumeratorShape, GodotShape};
use godot::prelude::*;
use godot::register::private::constant::{ConstantKind, ExportConstant, IntegerConstant};

/// An enum declared by [`class_enum`].
pub(crate) trait ClassEnum {
    type Class: GodotClass;
    /// With that of the class.
    const FULL_NAME: &'static str;
    const NAME: &'static str;
    /// Its values, as GDScript names them.
    const CONSTANTS: &'static [(&'static str, i64)];
    /// What the editor's help tells of them.
    #[cfg(feature = "docs")]
    const HELP: &'static str;
}

/// Declares an enum and makes it one of a class: each value has a constant, and what documents the
/// value, in BBCode, is the constant's description in the editor's help.
macro_rules! class_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $class:ident.$name:ident {
            $($(#[doc = $help:literal])* $variant:ident = $number:literal as $constant:ident,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name {
            $($(#[doc = $help])* $variant = $number,)*
        }

        impl $crate::class_enum::ClassEnum for $name {
            type Class = $class;
            const FULL_NAME: &str = concat!(stringify!($class), ".", stringify!($name));
            const NAME: &str = stringify!($name);
            const CONSTANTS: &[(&str, i64)] = &[$((stringify!($constant), $number)),*];
            #[cfg(feature = "docs")]
            const HELP: &str = concat!($(
                "<constant name=\"", stringify!($constant), "\" value=\"", $number,
                "\" enum=\"", stringify!($name), "\">", $($help,)* "</constant>",
            )*);
        }

        impl ::godot::meta::GodotConvert for $name {
            type Via = i64;

            fn godot_shape() -> ::godot::meta::shape::GodotShape {
                $crate::class_enum::shape::<Self>()
            }
        }

        impl ::godot::meta::ToGodot for $name {
            type Pass = ::godot::meta::conv::ByValue;

            fn to_godot(&self) -> i64 {
                *self as i64
            }
        }

        impl ::godot::meta::FromGodot for $name {
            fn try_from_godot(
                number: i64,
            ) -> Result<Self, ::godot::meta::error::ConvertError> {
                match number {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(::godot::meta::error::ConvertError::new("none of the enum's values")),
                }
            }
        }

        impl ::godot::register::property::SimpleVar for $name {}

        impl ::godot::register::property::Export for $name {}
    };
}
pub(crate) use class_enum;

/// Makes the enum known to the engine. Its class has to be known already.
pub(crate) fn register<E: ClassEnum>() {
    let constants = E::CONSTANTS.iter().map(|(name, value)| IntegerConstant::new(name, *value));
    let kind = ConstantKind::Enum { name: E::NAME.into(), enumerators: constants.collect() };
    ExportConstant::new(E::Class::class_id(), kind).register();
    #[cfg(feature = "docs")]
    add_help::<E>();
}

/// The editor reads the help of all classes after they are registered.
#[cfg(feature = "docs")]
fn add_help<E: ClassEnum>() {
    use godot::private::{__GODOT_DOCS_REGISTRY, DocsItem, DocsShard, InherentImplDocs};

    let help = InherentImplDocs { constants_xml: E::HELP, ..InherentImplDocs::default() };
    if let Ok(mut registry) = __GODOT_DOCS_REGISTRY.lock() {
        registry.push(DocsShard::new::<E::Class>(DocsItem::InherentImpl(help)));
    }
}

/// How properties and signatures of methods and signals name the enum.
pub(crate) fn shape<E: ClassEnum>() -> GodotShape {
    let enumerators =
        E::CONSTANTS.iter().map(|(name, value)| EnumeratorShape::new_int(name, *value));
    GodotShape::Enum {
        variant_type: VariantType::INT,
        enumerators: enumerators.collect(),
        godot_name: Some(Cow::Borrowed(E::FULL_NAME)),
        is_bitfield: false,
    }
}
