//! The query of a reader's request: known parameters, `filter` as often as one likes.

use std::time::SystemTime;

use super::position::Position;
use crate::problem::Problem;

/// What a reader's query says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Topic filters as text.
    pub(super) filters: Vec<String>,
    /// Where to begin.
    pub(super) from: Option<Position>,
    /// How many events at most.
    pub(super) limit: Option<usize>,
    /// Whether events are named by their topics.
    pub(super) named: bool,
}

impl Query {
    /// Reads a query. `known` are the parameters that this route has; any other is an error rather than ignored. Pure but
    /// for the clock that is handed in.
    pub(super) fn parse(text: Option<&str>, known: &[&str], now: SystemTime) -> Result<Self, Problem> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match &*name {
                name if !known.contains(&name) => {
                    let name: String = name.chars().take(80).collect();
                    let known = known.join("`, `");
                    return Err(Problem::bad_request(format!(
                        "there is no parameter `{}` here; there are `{known}`",
                        name.escape_debug()
                    )));
                }
                "filter" => query.filters.push(value.into_owned()),
                "from" => once(&mut query.from, "from", Position::parse(&value, now)?)?,
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit > 0);
                    let wrong = || Problem::bad_request("`limit` is not a number of 1 or more");
                    once(&mut query.limit, "limit", limit.ok_or_else(wrong)?)?;
                }
                "names" => match &*value {
                    "topic" => query.named = true,
                    "message" => query.named = false,
                    _ => return Err(Problem::bad_request("`names` is `message` or `topic`")),
                },
                _ => {}
            }
        }
        Ok(query)
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    if place.replace(value).is_some() {
        return Err(Problem::bad_request(format!("`{name}` stands there twice")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_as_often_as_one_likes_and_nothing_is_ignored() {
        let parse = |text| Query::parse(Some(text), &["filter", "from", "limit", "names"], SystemTime::now());
        let query = parse("filter=a.*&filter=b.%3E&from=3&limit=5&names=topic").unwrap();
        assert_eq!((query.filters, query.limit, query.named), (vec!["a.*".into(), "b.>".into()], Some(5), true));
        assert_eq!(query.from, Some(Position::Seq(3)));
        for (wrong, said) in [
            ("filters=a", "`filters`"),
            ("from=1&from=2", "twice"),
            ("limit=0", "`limit`"),
            ("limit=x", "`limit`"),
            ("names=x", "`names`"),
            ("from=x", "`x`"),
        ] {
            assert!(parse(wrong).unwrap_err().detail.contains(said), "{wrong}");
        }
        assert!(Query::parse(Some("limit=1"), &["filter"], SystemTime::now()).is_err());
    }
}
