//! The client in a component: `wasi:http/outgoing-handler`, with every wait bounded by one deadline.

use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::StreamError;

use super::url::Url;
use super::{HttpError, Request, Response};

/// Most bytes a stream takes in one blocking write (the limit of `blocking-write-and-flush`).
const CHUNK_BYTES_MAX: usize = 4096;

pub(super) fn send(request: &Request, url: &Url<'_>) -> Result<Response, HttpError> {
    let deadline = Deadline::starting_now(request.timeout);
    let outgoing = outgoing_request(request, url)?;
    let body = outgoing.body().map_err(|()| broken("the request has no body"))?;
    let options = deadline.options()?;
    let answer = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| deadline.error(&code))?;
    // The body is written after `handle`: a host may read it only once it has a connection. Where it does not take all of
    // it, the answer says why: a refusal by the host, or a server that had read enough.
    let written = write_body(body, &request.body, &deadline);
    if let Err(error @ HttpError::TimedOut(_)) = written {
        return Err(error);
    }
    deadline.wait(&answer.subscribe())?;
    let incoming = answer
        .get()
        .ok_or_else(|| broken("the answer is not there"))?
        .map_err(|()| broken("the answer was taken twice"))?
        .map_err(|code| deadline.error(&code))?;
    Ok(read_response(&incoming, request.response_bytes_max, &deadline))
}

fn outgoing_request(request: &Request, url: &Url<'_>) -> Result<OutgoingRequest, HttpError> {
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers
            .append(name, value.as_bytes())
            .map_err(|error| HttpError::Invalid(format!("header `{name}`: {error:?}")))?;
    }
    let has_length = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if !has_length && (!request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH")) {
        let length = request.body.len().to_string();
        headers
            .append("content-length", length.as_bytes())
            .map_err(|error| HttpError::Invalid(format!("header `content-length`: {error:?}")))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let refused = |what: &str| HttpError::Invalid(format!("the host refuses the {what} of `{}`", request.url));
    let scheme = if url.is_https { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&method(&request.method)).map_err(|()| refused("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| refused("scheme"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| refused("host"))?;
    outgoing.set_path_with_query(Some(&url.target())).map_err(|()| refused("path"))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write_body(body: OutgoingBody, data: &[u8], deadline: &Deadline) -> Result<(), HttpError> {
    let stream = body.write().map_err(|()| broken("the body was taken twice"))?;
    for chunk in data.chunks(CHUNK_BYTES_MAX) {
        let mut rest = chunk;
        while !rest.is_empty() {
            deadline.wait(&stream.subscribe())?;
            let room = stream.check_write().map_err(|error| deadline.stream_error(&error))?;
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            stream.write(now).map_err(|error| deadline.stream_error(&error))?;
            rest = later;
        }
    }
    stream.flush().map_err(|error| deadline.stream_error(&error))?;
    deadline.wait(&stream.subscribe())?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| deadline.error(&code))
}

fn read_response(incoming: &IncomingResponse, bytes_max: usize, deadline: &Deadline) -> Response {
    let headers = incoming
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let mut body = Vec::new();
    let is_whole = read_body(incoming, bytes_max, deadline, &mut body);
    Response { status: incoming.status(), headers, body, body_is_cut: !is_whole }
}

/// Reads as much as is wanted, and says whether that is all. One byte more is asked for, to know whether there is more.
fn read_body(incoming: &IncomingResponse, bytes_max: usize, deadline: &Deadline, data: &mut Vec<u8>) -> bool {
    let Ok(body) = incoming.consume() else { return false };
    let Ok(stream) = body.stream() else { return false };
    loop {
        if deadline.wait(&stream.subscribe()).is_err() {
            return false;
        }
        let wanted = bytes_max.saturating_sub(data.len()).saturating_add(1);
        match stream.read(u64::try_from(wanted).unwrap_or(u64::MAX)) {
            Ok(chunk) => data.extend_from_slice(&chunk),
            Err(error) => return matches!(error, StreamError::Closed),
        }
        if data.len() > bytes_max {
            data.truncate(bytes_max);
            return false;
        }
    }
}

/// When the whole exchange must be over.
struct Deadline {
    timeout: Duration,
    at_ns: u64,
    timer: Pollable,
}

impl Deadline {
    fn starting_now(timeout: Duration) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let at_ns = monotonic_clock::now().saturating_add(timeout_ns);
        Self { timeout, at_ns, timer: monotonic_clock::subscribe_instant(at_ns) }
    }

    /// The same bound for the host, so that it gives up as early as we do.
    fn options(&self) -> Result<RequestOptions, HttpError> {
        let left = self.at_ns.saturating_sub(monotonic_clock::now());
        let options = RequestOptions::new();
        let refused = |()| broken("the host refuses time-outs");
        options.set_connect_timeout(Some(left)).map_err(refused)?;
        options.set_first_byte_timeout(Some(left)).map_err(refused)?;
        options.set_between_bytes_timeout(Some(left)).map_err(refused)?;
        Ok(options)
    }

    fn wait(&self, what: &Pollable) -> Result<(), HttpError> {
        // Index 0 is what is waited for: it counts even when the time is up as well.
        if poll(&[what, &self.timer]).contains(&0) { Ok(()) } else { Err(HttpError::TimedOut(self.timeout)) }
    }

    fn error(&self, code: &ErrorCode) -> HttpError {
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => HttpError::Denied(describe(code)),
            ErrorCode::HttpRequestMethodInvalid
            | ErrorCode::HttpRequestUriInvalid
            | ErrorCode::HttpRequestUriTooLong
            | ErrorCode::HttpRequestBodySize(_)
            | ErrorCode::HttpRequestHeaderSectionSize(_)
            | ErrorCode::HttpRequestHeaderSize(_) => HttpError::Invalid(describe(code)),
            ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
                HttpError::TimedOut(self.timeout)
            }
            _ => HttpError::Connection(describe(code)),
        }
    }

    fn stream_error(&self, error: &StreamError) -> HttpError {
        let StreamError::LastOperationFailed(error) = error else {
            return broken("the connection was closed early");
        };
        if let Some(code) = http_error_code(error) {
            return self.error(&code);
        }
        // A host may put a whole report there; its first line is for people.
        broken(error.to_debug_string().lines().next().unwrap_or("the stream broke"))
    }
}

/// The code's name, with what the host says about it.
fn describe(code: &ErrorCode) -> String {
    match code {
        ErrorCode::InternalError(Some(text)) => text.clone(),
        ErrorCode::ConnectionRefused => "connection refused".to_owned(),
        ErrorCode::HttpRequestDenied => "the host does not let the plugin reach this address".to_owned(),
        other => format!("{other:?}").trim_start_matches("ErrorCode::").to_owned(),
    }
}

fn broken(what: &str) -> HttpError {
    HttpError::Connection(what.to_owned())
}
