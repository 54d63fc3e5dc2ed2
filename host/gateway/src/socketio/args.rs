//! The arguments of an `emit`, as they come.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use crate::problem::Problem;
use crate::stream::new_event::NewEvent;

/// Most arguments that are looked at.
const ARGS_MAX: usize = 3;

/// All arguments of one `emit`.
#[derive(Debug, Default)]
pub(super) struct Args(Vec<Value>);

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a tuple: that is how the library knows that all arguments are wanted, and not the first one.
        deserializer.deserialize_tuple(ARGS_MAX, ArgsVisitor)
    }
}

struct ArgsVisitor;

impl<'de> Visitor<'de> for ArgsVisitor {
    type Value = Args;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {ARGS_MAX} arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Args, A::Error> {
        let mut args = Vec::new();
        while let Some(arg) = seq.next_element()? {
            if args.len() >= ARGS_MAX {
                return Err(serde::de::Error::custom(format!("more than {ARGS_MAX} arguments")));
            }
            args.push(arg);
        }
        Ok(Args(args))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    filters: Option<Texts>,
    from: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    topic: String,
    data: Option<Value>,
    source: Option<String>,
    subject: Option<String>,
    id: Option<String>,
}

impl Args {
    /// Filters, and where their past begins. Pure.
    pub(super) fn filters(self) -> Result<(Vec<String>, Option<u64>), Problem> {
        let mut args = self.0.into_iter();
        let wrong = || Problem::bad_request("give filters: a text, a list of texts, or {filters, from}");
        let first = args.next().ok_or_else(wrong)?;
        let (filters, mut from) = if first.is_object() {
            let options: Options = read(first)?;
            (options.filters.ok_or_else(wrong)?, options.from)
        } else {
            (serde_json::from_value(first).map_err(|_| wrong())?, None)
        };
        if let Some(second) = args.next().filter(|second| !second.is_null()) {
            let options: Options = read(second)?;
            if options.filters.is_some() {
                return Err(wrong());
            }
            from = options.from.or(from);
        }
        Ok((filters.into(), from))
    }

    /// The event to publish. Pure.
    pub(super) fn event(self) -> Result<NewEvent, Problem> {
        let mut args = self.0.into_iter();
        let published = match args.next() {
            Some(Value::String(topic)) => Published { topic, data: args.next(), source: None, subject: None, id: None },
            Some(object) => read(object)?,
            None => return Err(Problem::bad_request("give {topic, data}, or a topic and data")),
        };
        let Published { topic, data, source, subject, id } = published;
        let data = data.filter(|data| !data.is_null()).map(|data| data.to_string());
        Ok(NewEvent { topic, data, source, subject, id })
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| Problem::bad_request(format!("argument: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(value: Value) -> Args {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn filters_come_in_many_forms() {
        let filters = |value| args(value).filters().map_err(|problem| problem.detail);
        let a = || vec!["a".to_owned()];
        assert_eq!(filters(json!(["a"])).unwrap(), (a(), None));
        assert_eq!(filters(json!([["a"]])).unwrap(), (a(), None));
        assert_eq!(filters(json!([{"filters": "a", "from": 3}])).unwrap(), (a(), Some(3)));
        assert_eq!(filters(json!([["a"], {"from": 3}])).unwrap(), (a(), Some(3)));
        assert_eq!(filters(json!([["a"], null])).unwrap(), (a(), None));
        for wrong in [
            json!([]),
            json!([1]),
            json!([[1]]),
            json!([{}]),
            json!([["a"], {"filters": ["b"]}]),
            json!([["a"], {"x": 1}]),
        ] {
            assert!(filters(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(serde_json::from_value::<Args>(json!([1, 2, 3, 4])).is_err());
    }

    #[test]
    fn events_come_in_two_forms() {
        let event = |value| args(value).event().map_err(|problem| problem.detail);
        let one = event(json!([{"topic": "a", "data": {"n": 1}, "id": "7"}])).unwrap();
        assert_eq!((one.topic.as_str(), one.data.as_deref(), one.id.as_deref()), ("a", Some("{\"n\":1}"), Some("7")));
        let two = event(json!(["a", [1]])).unwrap();
        assert_eq!((two.topic.as_str(), two.data.as_deref()), ("a", Some("[1]")));
        for wrong in [json!([]), json!([{"data": 1}]), json!([{"topic": "a", "dat": 1}]), json!([7])] {
            assert!(event(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
