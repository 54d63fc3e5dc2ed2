//! `wasi:http` outgoing: every request of a guest goes through one gate.
//!
//! The gate lets a request through when its origin is granted, and connects only to an address that it checked itself (so a
//! name cannot be pointed somewhere else between the check and the connection). It follows no redirect: a guest that does
//! makes a new request, which goes through the same gate. What bounds it: `http_requests_max` for each event, the call's
//! deadline for each phase of a request, four lookups of names at one time, one connection for each request, 64 KiB of the connection's read buffer. When the
//! call ends, its connections end, whatever the guest still holds. Secrets go into requests and are taken out of answers here
//! ([`secrets`]). Every refusal is counted and written to the plugin's log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::address;
use crate::log::LogLevel;
use crate::metrics::Metrics;
use crate::origin::{Origin, Scheme};
use crate::plugin_log::PluginLog;
use crate::template::Inner;
use connect::{Target, Timeouts};

mod body;
mod connect;
pub(crate) mod outgoing;
mod secrets;

/// The gate of one instance.
pub(crate) struct Gate {
    template: Arc<Inner>,
    log: PluginLog,
    deadline: Instant,
    requests_left: u32,
    over_limit_said: bool,
    /// Held for the time of a call: when it is dropped, everything that this call began ends.
    call: Option<watch::Sender<()>>,
}

type Response = http::Response<WasiBody>;
type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Gate {
    pub(crate) fn new(template: Arc<Inner>, log: PluginLog) -> Self {
        Self { template, log, deadline: Instant::now(), requests_left: 0, over_limit_said: false, call: None }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.requests_left = self.template.spec.limits.http_requests_max;
        self.over_limit_said = false;
        self.call = None;
    }

    /// A call is over.
    pub(crate) fn end(&mut self) {
        self.call = None;
    }

    /// Decides on a request, before anything is resolved or connected.
    fn admit(&mut self, request: &Request<WasiBody>) -> Result<Origin, Error> {
        let limit = self.template.spec.limits.http_requests_max;
        let Some(left) = self.requests_left.checked_sub(1) else {
            Metrics::add(&self.template.metrics.http_over_limit, 1);
            // Once for each call: a loop of requests would fill the log.
            if !std::mem::replace(&mut self.over_limit_said, true) {
                self.log.host(LogLevel::Warn, &format!("HTTP request refused: over {limit} in one call"));
            }
            return Err(Error::ConnectionLimitReached);
        };
        self.requests_left = left;
        let origin = origin(request).map_err(|problem| self.deny("http", &problem))?;
        if request.method() == Method::CONNECT {
            return Err(self.deny("http", "CONNECT would lead past the granted origin"));
        }
        if self.template.spec.grants.http.contains(&origin) {
            Ok(origin)
        } else {
            Err(self.deny("http", &format!("origin `{origin}` is not granted; add it to `http` under `[grants]`")))
        }
    }

    fn deny(&self, what: &'static str, problem: &str) -> Error {
        denied(&self.template, &self.log, what, problem);
        Error::HttpRequestDenied
    }

    /// Ends with the call.
    fn end_of_call(&mut self) -> watch::Receiver<()> {
        self.call.get_or_insert_with(|| watch::channel(()).0).subscribe()
    }
}

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _request_done: Driver,
    ) -> Box<dyn Future<Output = Result<(Response, Driver), Error>> + Send> {
        let admitted = self.admit(&request).and_then(|origin| self.fill(&origin, &mut request).map(|()| origin));
        let origin = match admitted {
            Ok(origin) => origin,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let timeouts = Timeouts::new(options.unwrap_or_default(), self.deadline);
        let (template, log, mut end) = (self.template.clone(), self.log.clone(), self.end_of_call());
        Box::new(async move {
            tokio::select! {
                result = send(&template, &log, origin, request, timeouts, end.clone()) => result,
                _ = end.changed() => Err(Error::ConnectionTerminated),
            }
        })
    }

    /// Smaller than the default of 1 MiB: this is memory of the host's.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        64 << 10
    }
}

async fn send(
    template: &Arc<Inner>,
    log: &PluginLog,
    origin: Origin,
    request: Request<WasiBody>,
    timeouts: Timeouts,
    mut end: watch::Receiver<()>,
) -> Result<(Response, Driver), Error> {
    let tls = match origin.scheme() {
        Scheme::Https => Some(template.component.inner.sandbox.tls().map_err(|error| {
            log.host(LogLevel::Error, &format!("TLS is not available: {error}"));
            Error::ConfigurationError
        })?),
        Scheme::Http => None,
    };
    let addresses =
        match tokio::time::timeout(timeouts.connect, address::resolve(origin.host(), origin.port(), &template.lookups))
            .await
        {
            Err(_elapsed) => return Err(Error::DnsTimeout),
            Ok(Err(address::ResolveError::Lookup(error))) => {
                log.host(LogLevel::Warn, &format!("HTTP request to `{origin}`: name lookup: {error}"));
                return Err(Error::DnsError { rcode: None, info_code: None });
            }
            Ok(Err(address::ResolveError::Private(address))) => {
                let problem =
                    format!("`{origin}` resolves to {address}, which is not public; grant the address itself");
                denied(template, log, "http", &problem);
                return Err(Error::DestinationIpProhibited);
            }
            Ok(Ok(addresses)) => addresses,
        };
    Metrics::add(&template.metrics.http_requests, 1);
    let (mut response, driver) = connect::send(Target { origin, addresses, tls }, request, timeouts).await?;
    secrets::hide(&template.secrets, response.headers_mut());
    let (between_bytes, body_end, inner) = (timeouts.between_bytes, end.clone(), template.clone());
    let response = response.map(|body| body::Guarded::new(inner, body, between_bytes, body_end).boxed_unsync());
    let driver: Driver = Box::new(async move {
        tokio::select! {
            result = driver => result,
            _ = end.changed() => Ok(()),
        }
    });
    Ok((response, driver))
}

fn denied(template: &Inner, log: &PluginLog, what: &'static str, problem: &str) {
    Metrics::add(&template.metrics.http_denied, 1);
    template.denials.note(what, problem);
    log.host(LogLevel::Warn, &format!("HTTP request refused: {problem}"));
}

/// The origin that a request is for.
fn origin(request: &Request<WasiBody>) -> Result<Origin, String> {
    let uri = request.uri();
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        other => return Err(format!("scheme `{}` is neither http nor https", other.unwrap_or_default())),
    };
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    Origin::from_authority(scheme, authority).map_err(|error| error.to_string())
}

/// What is left until the deadline, or what the guest asked for if that is less.
fn within(asked: Option<Duration>, deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    asked.map_or(left, |asked| asked.min(left))
}
