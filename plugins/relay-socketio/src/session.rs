//! A session with a server: begun, its namespace joined, emitted to, and kept for the next event while the server keeps it.

use std::time::{Duration, Instant};

use plugbus_sdk::http::{Request, Response};
use plugbus_sdk::prelude::*;

use crate::config::Config;
use crate::packet::{self, Open, PONG, Packet};

/// What failures call the other side.
const SERVER: &str = "the server";
/// Most bytes that are read of what a server sends at one time.
const RESPONSE_BYTES_MAX: usize = 1 << 20;
/// Most polls for one answer: a server that has much else to say.
const POLLS_MAX: u32 = 20;

/// What all requests have in common.
pub(crate) struct Server {
    endpoint: String,
    namespace: String,
    auth: Option<serde_json::Map<String, Value>>,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

/// Until when an event must be through.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

/// A session whose namespace has taken us.
pub(crate) struct Session {
    /// The URL of its requests.
    url: String,
    max_payload: u64,
    /// The number of the next emit that wants an ack.
    next_ack: u64,
}

/// Why an emit did not come through.
pub(crate) enum Broken {
    /// The server knows the session no longer, and has not seen the emit: a new one may do.
    Forgotten,
    /// Anything else.
    Failed(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Server {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            endpoint: config.endpoint(),
            namespace: config.namespace.clone(),
            auth: config.auth.clone(),
            headers: config.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            timeout: config.timeout(),
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline(Instant::now() + self.timeout)
    }

    /// Begins a session and joins the namespace.
    pub(crate) fn open(&self, deadline: Deadline) -> Result<Session> {
        let response = self.send(Request::get(&self.endpoint), deadline)?;
        response.verdict(SERVER)?;
        let opened = self.packets(&response)?.into_iter().find_map(|packet| match packet {
            Packet::Open(open) => Some(open),
            _ => None,
        });
        let Some(Open { sid, max_payload }) = opened else {
            return Err(Failure::reject("the server began no session"));
        };
        // It stands in a URL from now on, and comes from the server.
        if sid.is_empty() || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) {
            return Err(Failure::reject("the server gave the session an id that cannot stand in a URL"));
        }
        let session = Session { url: format!("{}&sid={sid}", self.endpoint), max_payload, next_ack: 0 };
        self.post(&session, packet::connect(&self.namespace, self.auth.as_ref()), deadline)?;
        self.poll(&session, deadline, |packet| matches!(packet, Packet::Connected).then_some(()))?;
        Ok(session)
    }

    /// Emits what [`packet::emit`] makes with the number of the ack, and waits for the ack where one is wanted.
    pub(crate) fn emit(
        &self,
        session: &mut Session,
        wants_ack: bool,
        deadline: Deadline,
        packet: impl FnOnce(Option<u64>) -> String,
    ) -> Result<Vec<Value>, Broken> {
        let ack = session.next_ack;
        session.next_ack += 1;
        let payload = packet(wants_ack.then_some(ack));
        if payload.len() as u64 > session.max_payload {
            let max = session.max_payload;
            return Err(Failure::reject(format!("{} bytes; the server takes at most {max}", payload.len())).into());
        }
        let request = Request::post(&session.url).header("content-type", "text/plain; charset=utf-8").body(payload);
        let response = self.send(request, deadline)?;
        if is_unknown_session(&response) {
            return Err(Broken::Forgotten);
        }
        response.verdict(SERVER)?;
        if !wants_ack {
            return Ok(Vec::new());
        }
        let acked = |packet| match packet {
            Packet::Ack(number, arguments) if number == ack => Some(arguments),
            _ => None,
        };
        Ok(self.poll(session, deadline, acked)?)
    }

    /// Ends a session. Nothing depends on it: a server forgets it by itself.
    pub(crate) fn close(&self, session: &Session, deadline: Deadline) {
        if let Err(failure) = self.post(session, packet::disconnect(&self.namespace), deadline) {
            log::debug!("the session was not closed: {}", failure.reason());
        }
    }

    /// Takes what the server sends until it is what is waited for. Pings are answered.
    fn poll<T>(&self, session: &Session, deadline: Deadline, mut wanted: impl FnMut(Packet) -> Option<T>) -> Result<T> {
        for _ in 0..POLLS_MAX {
            let response = self.send(Request::get(&session.url), deadline)?;
            if is_unknown_session(&response) {
                return Err(Failure::retry("the server has forgotten the session before it answered"));
            }
            response.verdict(SERVER)?;
            let mut found = None;
            for packet in self.packets(&response)? {
                match packet {
                    Packet::Ping => self.post(session, PONG.to_owned(), deadline)?,
                    Packet::Close => return Err(Failure::retry("the server has closed the session")),
                    Packet::Refused(why) => return Err(Failure::retry(why)),
                    packet => found = found.or_else(|| wanted(packet)),
                }
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(Failure::retry(format!("the server has not answered in {POLLS_MAX} polls")))
    }

    fn post(&self, session: &Session, payload: String, deadline: Deadline) -> Result<()> {
        let request = Request::post(&session.url).header("content-type", "text/plain; charset=utf-8").body(payload);
        self.send(request, deadline)?.verdict(SERVER)
    }

    fn send(&self, mut request: Request, deadline: Deadline) -> Result<Response> {
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let left = deadline.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::retry(format!("not through within {} ms", self.timeout.as_millis())));
        }
        Ok(request.timeout(left).response_bytes_max(RESPONSE_BYTES_MAX).send()?)
    }

    fn packets(&self, response: &Response) -> Result<Vec<Packet>> {
        if response.body_is_cut {
            return Err(Failure::retry(format!(
                "the server sent over {RESPONSE_BYTES_MAX} bytes at one time, or broke off"
            )));
        }
        packet::decode(&response.text(), &self.namespace).map_err(|problem| {
            Failure::reject(format!("{problem}: is `url` with `path` a Socket.IO server of version 3 or 4?"))
        })
    }
}

/// Code 1 of the protocol: the session timed out, or the server was started anew.
fn is_unknown_session(response: &Response) -> bool {
    response.status == 400 && response.json::<Value>().is_ok_and(|body| body.get("code") == Some(&json!(1)))
}
