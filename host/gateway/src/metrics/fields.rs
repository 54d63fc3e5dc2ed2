//! Figures as metrics: every number of a JSON object becomes one, by the name of its member. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::family::{Family, Kind, Labels, Number, SECOND_NS, Sample};

/// What is said of one figure beside its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Where it stands: the names of the members on the way to it, with `_` between them.
    path: &'static str,
    show: Show,
    help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    As(Kind),
    /// Nanoseconds, shown in seconds under this name.
    Seconds(Kind, &'static str),
    /// Not at all: another metric says it.
    Not,
}

impl Field {
    /// A number that only rises.
    #[must_use]
    pub const fn counter(path: &'static str, help: &'static str) -> Self {
        Self { path, show: Show::As(Kind::Counter), help }
    }

    /// A number that goes up and down, or yes or no.
    #[must_use]
    pub const fn gauge(path: &'static str, help: &'static str) -> Self {
        Self { path, show: Show::As(Kind::Gauge), help }
    }

    /// Nanoseconds that go up and down, shown in seconds.
    #[must_use]
    pub const fn seconds(path: &'static str, name: &'static str, help: &'static str) -> Self {
        Self { path, show: Show::Seconds(Kind::Gauge, name), help }
    }

    /// Nanoseconds that only add up, shown in seconds.
    #[must_use]
    pub const fn seconds_counter(path: &'static str, name: &'static str, help: &'static str) -> Self {
        Self { path, show: Show::Seconds(Kind::Counter, name), help }
    }

    /// What another metric says.
    #[must_use]
    pub const fn not(path: &'static str) -> Self {
        Self { path, show: Show::Not, help: "" }
    }
}

/// Reads every number of `rows`, each a JSON object with the labels that tell it from the others. What the table does not
/// know is a gauge.
#[must_use]
pub fn read(prefix: &str, table: &[Field], rows: &[(Labels, Value)]) -> Vec<Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for (labels, row) in rows {
        leaves("", row, &mut |path, number| {
            let known = table.iter().find(|field| field.path == path);
            let (kind, name, number) = match known.map(|field| field.show) {
                Some(Show::Not) => return,
                Some(Show::Seconds(kind, name)) => (kind, name, in_seconds(number)),
                Some(Show::As(kind)) => (kind, path, number),
                None => (Kind::Gauge, path, number),
            };
            let family = families.entry(name.to_owned()).or_insert_with(|| {
                let help = known.map_or_else(|| format!("The figure `{path}`."), |field| field.help.to_owned());
                Family::new(format!("{prefix}_{name}"), help, kind, Vec::new())
            });
            family.samples.push(Sample::new(labels.clone(), number));
        });
    }
    families.into_values().collect()
}

/// Calls `found` for each number, yes and no among them. Lists have no names for what is in them, and are passed over.
fn leaves(path: &str, value: &Value, found: &mut impl FnMut(&str, Number)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}_{name}") };
                leaves(&path, member, found);
            }
        }
        Value::Bool(yes) => found(path, Number::Whole(u64::from(*yes))),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => found(path, Number::Whole(whole)),
            (None, Some(real)) => found(path, Number::Real(real)),
            (None, None) => {}
        },
        Value::Null | Value::String(_) | Value::Array(_) => {}
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float to whoever reads it")]
fn in_seconds(number: Number) -> Number {
    match number {
        Number::Whole(ns) => Number::Real(ns as f64 / SECOND_NS),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_number_is_a_metric_and_the_table_says_of_which_kind() {
        const TABLE: &[Field] = &[
            Field::counter("seen", "Seen."),
            Field::seconds("deep_max_ns", "deep_max_seconds", "Longest."),
            Field::not("left_out"),
        ];
        let row = json!({ "seen": 3, "deep": { "max_ns": 1_500_000_000 }, "left_out": 1, "fresh": true, "list": [1], "text": "x" });
        let families = read("p", TABLE, &[(vec![("who", "me".to_owned())], row)]);
        let shown: Vec<_> =
            families.iter().map(|family| (&*family.name, family.kind, &family.samples[0].number)).collect();
        assert_eq!(
            shown,
            [
                ("p_deep_max_seconds", Kind::Gauge, &Number::Real(1.5)),
                ("p_fresh", Kind::Gauge, &Number::Whole(1)),
                ("p_seen", Kind::Counter, &Number::Whole(3)),
            ]
        );
        assert_eq!(families[1].help, "The figure `fresh`.");
        assert_eq!(families[2].samples[0].labels, [("who", "me".to_owned())]);
    }

    #[test]
    fn rows_share_one_metric() {
        let row = |who: &str, n: u64| (vec![("who", who.to_owned())], json!({ "n": n }));
        let families = read("p", &[], &[row("a", 1), row("b", 2)]);
        assert_eq!(families.len(), 1);
        assert_eq!(families[0].samples.len(), 2);
    }
}
