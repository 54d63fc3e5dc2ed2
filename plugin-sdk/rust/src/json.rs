//! JSON in and out, with errors that name the place.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most characters in the words of a problem.
const PROBLEM_CHARS_MAX: usize = 1000;

/// Why a text is not JSON of the shape that was asked for, or a value has no JSON form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct JsonError {
    /// What was read or written.
    what: String,
    /// The place inside it, what was found and what was expected.
    problem: String,
}

/// Parses text that came with an event. The error has the path of keys, the line and the column, and says where it is no JSON at all.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, JsonError> {
    read(bytes).map_err(|(path, error)| {
        let problem = match path {
            Some(path) => format!("`{path}`: {error}"),
            None => error.to_string(),
        };
        let what = if error.is_data() { what.to_owned() } else { format!("{what}: no JSON") };
        JsonError { what, problem: fit(&problem) }
    })
}

/// Parses the manifest's `[config]` table. The error speaks of keys; line and column would be those of a text nobody wrote.
pub(crate) fn parse_config<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    read(text.as_bytes()).map_err(|(path, error)| {
        let mut problem = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        if let Some(found) = problem.strip_suffix(&place) {
            problem.truncate(found.len());
        }
        let problem = problem.replacen("missing field", "missing key", 1).replacen("unknown field", "unknown key", 1);
        let problem = match path {
            Some(path) if !problem.starts_with("unknown key") => format!("key `{path}`: {problem}"),
            _ => problem,
        };
        JsonError { what: "config".to_owned(), problem }
    })
}

/// Makes words that repeat keys and values from outside fit for logs and dead letters: cut, on one line.
fn fit(problem: &str) -> String {
    let mut text = String::new();
    for character in problem.chars().take(PROBLEM_CHARS_MAX) {
        if character.is_control() { text.extend(character.escape_debug()) } else { text.push(character) }
    }
    text
}

/// Writes a value as JSON text.
pub(crate) fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, JsonError> {
    serde_json::to_string(value)
        .map_err(|error| JsonError { what: "value has no JSON form".to_owned(), problem: error.to_string() })
}

/// Reads a whole text; the error has the path to the key it is about, if it is about one.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, (Option<String>, serde_json::Error)> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        (Some(path).filter(|path| path != "." && path != "?"), error.into_inner())
    })?;
    deserializer.end().map_err(|error| (None, error))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Config {
        every: u32,
        #[serde(default)]
        limits: Limits,
    }

    #[derive(Debug, Default, Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Limits {
        topics: u8,
    }

    #[test]
    fn a_config_error_names_the_key_and_what_was_expected() {
        let table = [
            ("{}", "config: missing key `every`"),
            (r#"{"every":"often"}"#, r#"config: key `every`: invalid type: string "often", expected u32"#),
            (r#"{"every":-1}"#, "config: key `every`: invalid value: integer `-1`, expected u32"),
            (
                r#"{"every":1,"limits":{"topics":300}}"#,
                "config: key `limits.topics`: invalid value: integer `300`, expected u8",
            ),
            (r#"{"every":1,"limits":{}}"#, "config: key `limits`: missing key `topics`"),
            (r#"{"evry":1}"#, "config: unknown key `evry`, expected `every` or `limits`"),
        ];
        for (text, message) in table {
            assert_eq!(parse_config::<Config>(text).unwrap_err().to_string(), message, "{text}");
        }
        assert_eq!(parse_config::<Config>(r#"{"every":3}"#).unwrap().every, 3);
    }

    #[test]
    fn an_events_error_names_the_path_the_line_and_the_column() {
        let table = [
            ("", "event: no JSON: EOF while parsing a value at line 1 column 0"),
            ("{", "event: no JSON: EOF while parsing an object at line 1 column 1"),
            (r#"{"every":1} x"#, "event: no JSON: trailing characters at line 1 column 13"),
            (
                "{\n\"every\":1,\"limits\":{\"topics\":true}}",
                "event: `limits.topics`: invalid type: boolean `true`, expected u8 at line 2 column 33",
            ),
        ];
        for (text, message) in table {
            assert_eq!(parse::<Config>("event", text.as_bytes()).unwrap_err().to_string(), message, "{text}");
        }
        let key = parse::<std::collections::BTreeMap<String, u8>>("event", br#"{"a\nb":{}}"#).unwrap_err().to_string();
        assert_eq!(key, r"event: `a\nb`: invalid type: map, expected u8 at line 1 column 8");
        let unknown = parse::<Config>("event", format!(r#"{{"{}":1}}"#, "k".repeat(5000)).as_bytes());
        assert_eq!(unknown.unwrap_err().to_string().len(), "event: ".len() + PROBLEM_CHARS_MAX);
        assert!(parse::<Config>("event", &[0xff]).is_err());
        assert!(parse::<serde_json::Value>("event", "[".repeat(1000).as_bytes()).is_err(), "depth is bounded");
    }
}
