//! The frames, as types.

use plugbus_bus::Draft;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ingest::receipt::Accepted;
use crate::problem::{Problem, chain};
use crate::stream::missed::Missed;
use crate::stream::new_event::NewEvent;

/// Bytes of an `id` that come back.
pub(super) const ID_BYTES_MAX: usize = 256;

/// What a peer asks for.
#[derive(Debug)]
pub(super) enum Request {
    Subscribe { filters: Vec<String>, from: Option<u64> },
    Unsubscribe { filters: Vec<String> },
    Publish(Box<Draft>),
    Ping,
}

/// A frame from a peer: all members that there are. Two stages, because data must stay as it came.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame<'a> {
    op: String,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    filters: Option<Vec<String>>,
    from: Option<u64>,
    #[serde(default, borrow)]
    event: Option<&'a RawValue>,
    topic: Option<String>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    source: Option<String>,
    subject: Option<String>,
    event_id: Option<String>,
}

/// A frame, understood or not, and what its answer is to bring back.
pub(super) struct Parsed {
    pub(super) id: Option<Box<RawValue>>,
    pub(super) request: Result<Request, Problem>,
}

impl Parsed {
    /// Reads a frame. Pure.
    pub(super) fn parse(text: &str) -> Self {
        let frame: Frame = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => return Self { id: None, request: Err(Problem::bad_request(format!("frame: {error}"))) },
        };
        match frame.id {
            Some(id) if id.get().len() > ID_BYTES_MAX => {
                let detail = format!("`id` has {} bytes; at most {ID_BYTES_MAX} are allowed", id.get().len());
                Self { id: None, request: Err(Problem::bad_request(detail)) }
            }
            id => Self { id: id.map(ToOwned::to_owned), request: frame.request() },
        }
    }
}

impl Frame<'_> {
    fn request(self) -> Result<Request, Problem> {
        let is_publish = self.op == "publish";
        let published = [
            ("event", self.event.is_some()),
            ("topic", self.topic.is_some()),
            ("data", self.data.is_some()),
            ("source", self.source.is_some()),
            ("subject", self.subject.is_some()),
            ("event_id", self.event_id.is_some()),
        ];
        let subscribed = [("filters", self.filters.is_some()), ("from", self.from.is_some())];
        let allowed = |name: &str| match &*self.op {
            "publish" => !matches!(name, "filters" | "from"),
            "subscribe" => matches!(name, "filters" | "from"),
            "unsubscribe" => name == "filters",
            _ => false,
        };
        if let Some((stray, _)) = published.iter().chain(&subscribed).find(|(name, there)| *there && !allowed(name)) {
            let op: String = self.op.chars().take(40).collect();
            return Err(Problem::bad_request(format!("`{stray}` has no meaning in `{}`", op.escape_debug())));
        }
        if is_publish {
            return self.draft().map(|draft| Request::Publish(Box::new(draft)));
        }
        let missing = || Problem::bad_request("`filters` is missing: a list of topic filters");
        match &*self.op {
            "subscribe" => Ok(Request::Subscribe { filters: self.filters.ok_or_else(missing)?, from: self.from }),
            "unsubscribe" => Ok(Request::Unsubscribe { filters: self.filters.ok_or_else(missing)? }),
            "ping" => Ok(Request::Ping),
            other => {
                let op: String = other.chars().take(40).collect();
                Err(Problem::bad_request(format!(
                    "there is no `op` named `{}`; there are `subscribe`, `unsubscribe`, `publish` and `ping`",
                    op.escape_debug()
                )))
            }
        }
    }

    fn draft(self) -> Result<Draft, Problem> {
        match (self.event, self.topic) {
            (Some(event), None) => {
                let beside = [
                    ("data", self.data.is_some()),
                    ("source", self.source.is_some()),
                    ("subject", self.subject.is_some()),
                    ("event_id", self.event_id.is_some()),
                ];
                if let Some((stray, _)) = beside.iter().find(|(_, there)| *there) {
                    return Err(Problem::bad_request(format!("`{stray}` stands beside `event`; it belongs into it")));
                }
                let draft = plugbus_bus::cloudevents::raw::read(event.get());
                draft.map_err(|error| Problem::bad_request(format!("event: {}", chain(&error))))
            }
            (None, Some(topic)) => NewEvent {
                topic,
                data: self.data.map(|data| data.get().to_owned()),
                source: self.source,
                subject: self.subject,
                id: self.event_id,
            }
            .draft(),
            _ => Err(Problem::bad_request("give either `topic` (and `data`) or `event`")),
        }
    }
}

/// What the gateway sends, but for events.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum ToPeer<'a> {
    Ack {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RawValue>,
        #[serde(flatten)]
        result: Done,
    },
    Missed(Missed),
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RawValue>,
        status: u16,
        detail: String,
    },
    Bye {
        reason: &'a str,
    },
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub(super) struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filters: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) matched: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disposition: Option<&'static str>,
}

impl From<Accepted> for Done {
    fn from(accepted: Accepted) -> Self {
        Self {
            filters: None,
            event_id: Some(accepted.id),
            seq: Some(accepted.seq),
            matched: Some(accepted.matched),
            disposition: Some(accepted.disposition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Parsed::parse(text).request.unwrap_err().detail
    }

    #[test]
    fn frames_are_read_and_data_stays_as_it_came() {
        let text = r#"{"op":"publish","topic":"a","data":{"b":1.50,"a":12345678901234567890123},"id":[1]}"#;
        let parsed = Parsed::parse(text);
        assert_eq!(parsed.id.unwrap().get(), "[1]");
        let Ok(Request::Publish(draft)) = parsed.request else { panic!() };
        assert_eq!(&draft.payload.data[..], br#"{"b":1.50,"a":12345678901234567890123}"#);
        let text = r#"{"op":"publish","event":{"type":"a","data":1.50,"subject":"s"}}"#;
        let Ok(Request::Publish(draft)) = Parsed::parse(text).request else { panic!() };
        assert_eq!((&draft.payload.data[..], draft.subject.as_deref()), (&b"1.50"[..], Some("s")));
        assert!(matches!(Parsed::parse(r#"{"op":"ping"}"#).request, Ok(Request::Ping)));
        let text = r#"{"op":"subscribe","filters":["a"],"from":3}"#;
        assert!(matches!(Parsed::parse(text).request, Ok(Request::Subscribe { from: Some(3), .. })));
    }

    #[test]
    fn what_is_wrong_with_a_frame_is_said() {
        for (text, said) in [
            ("", "EOF"),
            ("[]", "frame"),
            ("{\"op\":\"dance\"}", "no `op` named `dance`"),
            (r#"{"op":"subscribe"}"#, "`filters` is missing"),
            (r#"{"op":"subscribe","filters":["a"],"topic":"a"}"#, "`topic` has no meaning"),
            (r#"{"op":"unsubscribe","filters":["a"],"from":1}"#, "`from` has no meaning"),
            (r#"{"op":"publish"}"#, "either `topic`"),
            (r#"{"op":"publish","topic":"a","event":{}}"#, "either `topic`"),
            (r#"{"op":"publish","event":{"type":"a"},"source":"x"}"#, "`source` stands beside"),
            (r#"{"op":"publish","topic":"a..b"}"#, "topic"),
            (r#"{"op":"publish","event":{"type":"a","type":"b"}}"#, "twice"),
            (r#"{"op":"ping","filter":[]}"#, "unknown field `filter`"),
        ] {
            assert!(refused(text).contains(said), "{text}: {}", refused(text));
        }
        let long = format!("{{\"op\":\"ping\",\"id\":\"{}\"}}", "x".repeat(300));
        assert!(refused(&long).contains("302 bytes"));
    }
}
