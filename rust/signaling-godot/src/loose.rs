//! Values as games have them: a slider has a whole number as a [`f64`], who counts seconds writes
//! them without a point, and a name may be a [`StringName`].

use godot::meta::error::ConvertError;
use godot::prelude::*;

/// The value as the type that is wanted, or what means the same.
pub(crate) fn read<T: FromGodot>(value: &Variant) -> Result<T, ConvertError> {
    value.try_to().or_else(|mismatch| match otherwise(value) {
        Some(value) => value.try_to(),
        None => Err(mismatch),
    })
}

/// What means the same in another type.
fn otherwise(value: &Variant) -> Option<Variant> {
    match value.get_type() {
        VariantType::FLOAT => whole(value.to()).map(|number| number.to_variant()),
        VariantType::INT => Some((value.to::<i64>() as f64).to_variant()),
        VariantType::STRING_NAME => Some(GString::from(&value.to::<StringName>()).to_variant()),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= LARGEST).then_some(number as i64)
}

/// Up to here each whole number has a float of its own.
const LARGEST: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_float_is_an_integer() {
        assert_eq!([4.0, -1.0].map(whole), [Some(4), Some(-1)]);
        assert_eq!([4.5, 1e300, f64::NAN, f64::INFINITY].map(whole), [None; 4]);
    }
}
