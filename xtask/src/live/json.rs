//! Reads what the command line prints with `--json`. A member that is not there is an error, never a zero. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::LiveError;

/// A number.
pub(crate) fn number(value: &Value, pointer: &'static str) -> Result<u64, LiveError> {
    value.pointer(pointer).and_then(Value::as_u64).ok_or(LiveError::Missing(pointer))
}

/// A text.
pub(crate) fn text(value: &Value, pointer: &'static str) -> Result<String, LiveError> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or(LiveError::Missing(pointer))
}

/// A text that may be missing or `null`.
pub(crate) fn optional(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// A list.
pub(crate) fn list<'a>(value: &'a Value, pointer: &'static str) -> Result<&'a Vec<Value>, LiveError> {
    value.pointer(pointer).and_then(Value::as_array).ok_or(LiveError::Missing(pointer))
}

/// Numbers by name, written as an object or as a list of pairs.
pub(crate) fn numbers(value: &Value, pointer: &'static str) -> Result<BTreeMap<String, u64>, LiveError> {
    let missing = || LiveError::Missing(pointer);
    let pair = |(name, count): (&Value, &Value)| Some((name.as_str()?.to_owned(), count.as_u64()?));
    match value.pointer(pointer) {
        Some(Value::Object(members)) => {
            let all = members.iter().map(|(name, count)| Some((name.clone(), count.as_u64()?)));
            all.collect::<Option<_>>().ok_or_else(missing)
        }
        Some(Value::Array(pairs)) => {
            pairs.iter().map(|two| pair((two.get(0)?, two.get(1)?))).collect::<Option<_>>().ok_or_else(missing)
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_an_error_with_its_name() {
        let value = json!({ "a": { "n": 3, "t": "x", "null": null }, "pairs": [["trap", 2]], "odd": [["trap"]] });
        assert_eq!(number(&value, "/a/n").unwrap(), 3);
        assert_eq!(text(&value, "/a/t").unwrap(), "x");
        assert_eq!(optional(&value, "/a/null"), None);
        assert_eq!(numbers(&value, "/pairs").unwrap(), BTreeMap::from([("trap".to_owned(), 2)]));
        for error in [
            number(&value, "/a/none").map(|_| ()).unwrap_err(),
            text(&value, "/a/n").map(|_| ()).unwrap_err(),
            list(&value, "/a").map(|_| ()).unwrap_err(),
            numbers(&value, "/odd").map(|_| ()).unwrap_err(),
            numbers(&value, "/a").map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, LiveError::Missing(pointer) if error.to_string().contains(pointer)), "{error}");
        }
    }
}
