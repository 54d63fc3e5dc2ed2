//! The `[config]` table as JSON.

use plugbus_sandbox::SecretGrant;
use serde_json::{Map, Number, Value as Json};
use toml::de::{DeTable, DeValue};

use super::error::{ManifestError, Problem};
use super::reader::{Source, Value, described};
use super::secrets::expand;

/// Deepest nesting of tables and arrays.
const DEPTH_MAX: usize = 32;

/// The table as the text of a JSON object. Dates and times become text in RFC 3339 form, `${secret:NAME}` a placeholder.
pub(super) fn object(
    source: Source<'_>,
    table: &DeTable<'_>,
    secrets: &[SecretGrant],
) -> Result<String, ManifestError> {
    convert_table(Context { source, secrets }, table, "config", 1).map(|map| Json::Object(map).to_string())
}

/// What every value needs.
#[derive(Clone, Copy)]
struct Context<'a> {
    source: Source<'a>,
    secrets: &'a [SecretGrant],
}

fn convert_table(
    context: Context<'_>,
    table: &DeTable<'_>,
    key: &str,
    depth: usize,
) -> Result<Map<String, Json>, ManifestError> {
    let mut map = Map::new();
    for (name, value) in table {
        map.insert(name.get_ref().to_string(), convert(context, value, key, depth)?);
    }
    Ok(map)
}

fn convert(context: Context<'_>, value: &Value<'_>, key: &str, depth: usize) -> Result<Json, ManifestError> {
    let wrong = |expected: &str| {
        let problem = Problem::WrongValue {
            key: key.to_owned(),
            found: described(value.get_ref()),
            expected: expected.to_owned(),
        };
        context.source.error(value.span(), problem)
    };
    if depth > DEPTH_MAX {
        return Err(wrong(&format!("at most {DEPTH_MAX} tables or arrays inside one another")));
    }
    Ok(match value.get_ref() {
        DeValue::String(text) => {
            let expanded = expand(text, context.secrets).map_err(|(found, expected)| {
                let problem = Problem::WrongValue { key: key.to_owned(), found, expected };
                context.source.error(value.span(), problem)
            })?;
            Json::String(expanded.into_owned())
        }
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            Json::Number(number.map_err(|_| wrong("a whole number of at most 64 bits"))?.into())
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(Number::from_f64);
            Json::Number(number.ok_or_else(|| wrong("a number that JSON has: not `inf` or `nan`"))?)
        }
        DeValue::Boolean(truth) => Json::Bool(*truth),
        DeValue::Datetime(time) => Json::String(time.to_string()),
        DeValue::Array(array) => {
            let items: Result<_, _> = array.iter().map(|item| convert(context, item, key, depth + 1)).collect();
            Json::Array(items?)
        }
        DeValue::Table(table) => Json::Object(convert_table(context, table, key, depth + 1)?),
    })
}
