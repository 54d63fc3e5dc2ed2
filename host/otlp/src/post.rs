//! One request to a collector.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::proto::Response;

/// Most bytes of a collector's answer: headers, and body.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a collector did with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Spans that it refused.
    pub(crate) rejected: u64,
    /// Why, or what else it had to say; at most so many characters as make sense in a log.
    pub(crate) said: String,
}

/// Why a request was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    /// Whether the same request may be taken later.
    pub(crate) again: bool,
}

/// Posts a body within a time.
pub(crate) async fn post(endpoint: &Endpoint, body: Bytes, timeout: Duration) -> Result<Taken, Trouble> {
    match tokio::time::timeout(timeout, exchange(endpoint, body)).await {
        Ok(answered) => answered,
        Err(_) => Err(later(format!("no answer within {} ms", timeout.as_millis()))),
    }
}

async fn exchange(endpoint: &Endpoint, body: Bytes) -> Result<Taken, Trouble> {
    let stream = TcpStream::connect(endpoint.address()).await.map_err(|error| failed("cannot connect", &error))?;
    let connecting =
        hyper::client::conn::http1::Builder::new().max_buf_size(ANSWER_BYTES_MAX).handshake(TokioIo::new(stream));
    let (mut sender, connection) = connecting.await.map_err(|error| failed("cannot speak HTTP", &error))?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.path())
        .header(HOST, endpoint.authority())
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(USER_AGENT, concat!("plugbus/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|error| never(format!("the request is none: {error}")))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| failed("no answer", &error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| failed("half an answer", &*error))?;
        judge(status, &body.to_bytes())
    };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answered = &mut answer => answered,
        // A collector may answer and close: its answer counts. Where the connection broke, the answer says so.
        _ended = connection => answer.await,
    }
}

/// What an answer means. Pure.
fn judge(status: StatusCode, body: &[u8]) -> Result<Taken, Trouble> {
    if status.is_success() {
        // A body that is none of ours says nothing against the success.
        let partial = Response::decode(body).ok().and_then(|response| response.partial_success).unwrap_or_default();
        let said = partial.error_message.chars().take(200).collect();
        return Ok(Taken { rejected: u64::try_from(partial.rejected_spans).unwrap_or(0), said });
    }
    let reason = format!("it answers {status}");
    match status.as_u16() {
        429 | 502 | 503 | 504 => Err(later(reason)),
        _ => Err(never(reason)),
    }
}

fn failed(what: &str, error: &(dyn Error + 'static)) -> Trouble {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    later(format!("{what}: {}", causes.join(": ")))
}

fn later(reason: String) -> Trouble {
    Trouble { reason, again: true }
}

fn never(reason: String) -> Trouble {
    Trouble { reason, again: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::PartialSuccess;

    #[test]
    fn an_answer_says_what_was_taken_and_whether_to_come_again() {
        let partial = PartialSuccess { rejected_spans: 3, error_message: "too old".into() };
        let body = Response { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(judge(StatusCode::OK, &body), Ok(Taken { rejected: 3, said: "too old".into() }));
        for body in [&b""[..], b"{}", &[0xff; 9]] {
            assert_eq!(judge(StatusCode::OK, body), Ok(Taken { rejected: 0, said: String::new() }));
        }
        for (status, again) in
            [(429, true), (502, true), (503, true), (504, true), (400, false), (404, false), (302, false)]
        {
            let trouble = judge(StatusCode::from_u16(status).unwrap(), b"").unwrap_err();
            assert_eq!(trouble.again, again, "{status}");
            assert!(trouble.reason.contains(&status.to_string()), "{trouble}");
        }
    }
}
