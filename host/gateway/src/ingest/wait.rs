//! Publishers that wait: how long, and what became of the event.

use std::time::Duration;

use http::HeaderMap;
use plugbus_bus::cloudevents::raw::text_or_base64;
use plugbus_bus::{Payload, Settlement, Settlements};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::receipt::Accepted;
use crate::problem::{Problem, chain};

/// Longest time that anybody may wait.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(600);
/// Time where somebody waits and does not say how long.
pub(crate) const WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// What the names of subscriptions begin with that only watch: how they settle is of no interest.
const WATCHER_PREFIX: &str = "watch/";

/// How long the publisher wants to wait: the query `wait` or else the preference `wait` (RFC 7240), both in seconds.
///
/// # Errors
/// 400 where the query is no time within the bounds. A preference that makes no sense is ignored, as the RFC demands.
pub(crate) fn wanted(query: Option<&str>, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    match query {
        Some(text) => seconds(text).map(Some).ok_or_else(|| {
            let max = WAIT_MAX.as_secs();
            let shown: String = text.chars().take(40).collect();
            let shown = shown.escape_debug();
            Problem::bad_request(format!(
                "query: `wait` is `{shown}`; seconds from 0 to {max} are allowed, such as 2.5"
            ))
        }),
        None => Ok(preferred(headers)),
    }
}

/// A number of seconds within the bounds; nothing at all means the default.
fn seconds(text: &str) -> Option<Duration> {
    if matches!(text, "" | "true") {
        return Some(WAIT_DEFAULT);
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse::<f64>().ok().filter(|_| plain)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= WAIT_MAX)
}

fn preferred(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    let preferences = lines.flat_map(|line| line.split(','));
    let wait = preferences.filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim().trim_matches('"');
        // More than is allowed is as much as is allowed.
        let seconds: u64 = name.trim().eq_ignore_ascii_case("wait").then(|| value.parse().ok())??;
        Some(Duration::from_secs(seconds).min(WAIT_MAX))
    });
    wait.into_iter().next()
}

/// What became of an event at each of its subscribers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Settled {
    #[serde(flatten)]
    pub(crate) accepted: Accepted,
    /// Whether every subscriber acked.
    pub(crate) all_acked: bool,
    /// Subscriber by subscriber.
    pub(crate) results: Vec<SettledAt>,
}

/// What became of an event at one subscriber.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettledAt {
    /// Its name.
    #[schema(example = "plugin/count-topics")]
    subscription: String,
    /// `acked`, `dead`, `dropped`, or `pending`: not settled in the time allowed; it goes on.
    outcome: &'static str,
    /// Why it is a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What it replied.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<ReplyBody>,
}

/// A reply.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplyBody {
    /// Media type of the data.
    content_type: String,
    /// The data, where it is JSON or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// The data in base64, where it is neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

impl From<&Payload> for ReplyBody {
    fn from(payload: &Payload) -> Self {
        let (text, data_base64) = text_or_base64(payload);
        let json = text.as_ref().filter(|_| payload.is_json());
        let json = json.and_then(|text| serde_json::from_str::<&RawValue>(text).ok().map(ToOwned::to_owned));
        // A text has a JSON form.
        let data = json.or_else(|| text.and_then(|text| serde_json::value::to_raw_value(&text).ok()));
        Self { content_type: payload.content_type.to_string(), data, data_base64 }
    }
}

impl From<&Settlements> for Settled {
    fn from(settled: &Settlements) -> Self {
        let others = settled.results.iter().filter(|(name, _)| !name.as_str().starts_with(WATCHER_PREFIX));
        let results: Vec<SettledAt> = others
            .map(|(name, settlement)| SettledAt {
                subscription: name.to_string(),
                outcome: settlement.name(),
                reason: match settlement {
                    Settlement::Dead(reason) => Some(chain(reason)),
                    _ => None,
                },
                reply: match settlement {
                    Settlement::Acked(reply) => reply.0.as_ref().map(ReplyBody::from),
                    _ => None,
                },
            })
            .collect();
        let all_acked = results.iter().all(|result| result.outcome == "acked");
        Self { accepted: Accepted::from(&settled.receipt), all_acked, results }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_wait_is_seconds_of_the_query_or_else_of_the_preference() {
        let headers = |prefer: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in prefer {
                headers.append("prefer", HeaderValue::from_static(line));
            }
            headers
        };
        let none = headers(&[]);
        for (text, expected) in [("", 30_000), ("true", 30_000), ("0", 0), ("2.5", 2500), ("600", 600_000)] {
            assert_eq!(wanted(Some(text), &none).unwrap(), Some(Duration::from_millis(expected)), "{text}");
        }
        for text in ["601", "-1", "1e3", "inf", "NaN", "x", "1s", ".", "9".repeat(400).as_str()] {
            assert!(wanted(Some(text), &none).is_err(), "{text}");
        }
        for (lines, expected) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, Wait=10; x=y"][..], Some(10)),
            (&["respond-async", "wait=\"7\""][..], Some(7)),
            (&["wait=99999"][..], Some(600)),
            (&["wait=soon"][..], None),
            (&["waiter=1"][..], None),
        ] {
            assert_eq!(wanted(None, &headers(lines)).unwrap(), expected.map(Duration::from_secs), "{lines:?}");
        }
    }
}
