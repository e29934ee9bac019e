//! JSON as `google.protobuf.Struct` and back.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Wire};
use serde_json::{Map, Number, Value};

/// Largest whole number that a double holds exactly: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON object as a struct. Numbers become doubles, as the format has it.
#[must_use]
pub fn to_struct(map: Map<String, Value>) -> Struct {
    let fields: BTreeMap<String, Wire> = map
        .into_iter()
        .map(|(key, value)| (key, to_wire(value)))
        .collect();
    Struct { fields }
}

fn to_wire(value: Value) -> Wire {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(list) => Kind::ListValue(ListValue {
            values: list.into_iter().map(to_wire).collect(),
        }),
        Value::Object(map) => Kind::StructValue(to_struct(map)),
    };
    Wire { kind: Some(kind) }
}

/// A struct as a JSON object. Doubles without a fraction become whole numbers.
#[must_use]
pub fn from_struct(fields: Struct) -> Map<String, Value> {
    fields
        .fields
        .into_iter()
        .map(|(key, value)| (key, from_wire(value)))
        .collect()
}

fn from_wire(value: Wire) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(number)) => from_double(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_wire).collect(),
        Some(Kind::StructValue(fields)) => Value::Object(from_struct(fields)),
    }
}

fn from_double(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within 2^53 on either side"
        )]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_survives_the_way_there_and_back() {
        let value = serde_json::json!({"a": 1, "b": -2.5, "c": [true, null, "x"], "d": {"e": {}}, "f": 9_007_199_254_740_992_i64});
        let Value::Object(map) = value else {
            unreachable!()
        };
        assert_eq!(from_struct(to_struct(map.clone())), map);
    }

    #[test]
    fn a_number_that_json_lacks_is_null() {
        assert_eq!(from_double(f64::NAN), Value::Null);
        assert_eq!(from_double(1e300), Value::from(1e300));
    }
}
