use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use plugbus_sdk::Payload;
use plugbus_sdk::http::{HttpError, Request, Response};
use plugbus_sdk::testing::{Host, Outcome, event};

use super::*;

const URL: &str = "https://io.example.com";
const OPEN: &str = r#"0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// What the server sends to each GET in turn, and answers to each POST; then `ok`.
#[derive(Clone, Default)]
struct Script {
    gets: Rc<RefCell<VecDeque<Response>>>,
    posts: Rc<RefCell<VecDeque<Response>>>,
}

impl Script {
    fn get(self, payload: &str) -> Self {
        self.gets.borrow_mut().push_back(Response::new(200).with_body(payload));
        self
    }

    /// A session is begun, and the namespace takes us.
    fn session(self) -> Self {
        self.get(OPEN).get(r#"40{"sid":"x"}"#)
    }

    fn post(self, response: Response) -> Self {
        self.posts.borrow_mut().push_back(response);
        self
    }

    fn answer(&self, request: &Request) -> Result<Response, HttpError> {
        let next = match request.method.as_str() {
            "GET" => self.gets.borrow_mut().pop_front(),
            _ => Some(self.posts.borrow_mut().pop_front().unwrap_or(Response::new(200).with_body("ok"))),
        };
        next.ok_or(HttpError::TimedOut(request.timeout))
    }
}

fn host(more: Value, script: &Script) -> Host<RelaySocketio> {
    let mut config = json!({ "url": URL });
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    let mut host = Host::new(config).unwrap();
    let script = script.clone();
    host.http(move |request| script.answer(request));
    host
}

/// Method and session of each request, and what was posted.
fn requests(host: &Host<RelaySocketio>) -> Vec<String> {
    let line = |request: &Request| {
        let rest = request.url.strip_prefix("https://io.example.com/socket.io/?EIO=4&transport=polling").unwrap();
        format!("{}{rest} {}", request.method, String::from_utf8_lossy(&request.body)).trim().to_owned()
    };
    host.requests().iter().map(line).collect()
}

fn unknown_session() -> Response {
    Response::new(400).with_body(r#"{"code":1,"message":"Session ID unknown"}"#)
}

fn send(host: &mut Host<RelaySocketio>) -> Outcome {
    host.send(event("a.b").json(&json!({ "n": 1 })))
}

#[test]
fn an_event_is_emitted_and_is_handled_when_it_is_acknowledged() {
    let script = Script::default().session().get("430[]").get("431[]");
    let mut host = host(json!({ "format": "data" }), &script);
    assert_eq!(send(&mut host), Ok(None));
    assert_eq!(send(&mut host), Ok(None));
    let first = ["GET", "POST&sid=s1 40", "GET&sid=s1", r#"POST&sid=s1 420["a.b",{"n":1}]"#, "GET&sid=s1"];
    assert_eq!(requests(&host)[..5], first);
    assert_eq!(requests(&host)[5..], [r#"POST&sid=s1 421["a.b",{"n":1}]"#, "GET&sid=s1"], "the session is kept");
}

#[test]
fn the_configuration_says_under_which_name_where_and_as_whom() {
    let script = Script::default().get(OPEN).get(r#"40/admin,{"sid":"x"}"#);
    let config = json!({
        "namespace": "/admin", "event": "event", "ack": false, "auth": { "token": "t" },
        "headers": { "authorization": "Bearer x" },
    });
    let mut host = host(config, &script);
    assert_eq!(host.send(event("a.b").id("7").source("s").time_ns(0).text("x")), Ok(None));
    let requests = requests(&host);
    assert_eq!(requests[1], r#"POST&sid=s1 40/admin,{"token":"t"}"#);
    assert_eq!(requests.len(), 4, "no ack is waited for");
    let emitted = requests[3].strip_prefix(r#"POST&sid=s1 42/admin,["event","#).unwrap().strip_suffix(']').unwrap();
    let emitted: Value = serde_json::from_str(emitted).unwrap();
    assert_eq!((&emitted["id"], &emitted["type"], &emitted["data"]), (&json!("7"), &json!("a.b"), &json!("x")));
    assert!(
        host.requests().iter().all(|request| request.headers.contains(&("authorization".into(), "Bearer x".into())))
    );
}

#[test]
fn data_is_emitted_as_what_it_is() {
    let script = Script::default().session().get("430[]").get("431[]").get("432[]").get("433[]");
    let mut host = host(json!({ "format": "data", "event": "e" }), &script);
    for payload in [
        Payload::text("a\"b"),
        Payload::new("application/json", "{bad"),
        Payload::new("x/y", vec![0xff, 1]),
        Payload::new("", ""),
    ] {
        assert_eq!(host.send(event("a").payload(payload)), Ok(None));
    }
    let posted: Vec<_> = requests(&host).into_iter().filter(|line| line.contains("\"e\"")).collect();
    assert_eq!(
        posted,
        [
            r#"POST&sid=s1 420["e","a\"b"]"#,
            r#"POST&sid=s1 421["e","{bad"]"#,
            "POST&sid=s1 451-2[\"e\",{\"_placeholder\":true,\"num\":0}]\u{1e}b/wE=",
            r#"POST&sid=s1 423["e",""]"#,
        ]
    );
}

#[test]
fn pings_are_answered_and_what_is_not_the_ack_is_passed_over() {
    let script = Script::default().session().get("2\u{1e}42[\"news\"]").get("437[]").get("6").get("430[1]");
    let mut host = host(json!({}), &script);
    assert_eq!(send(&mut host), Ok(None));
    assert_eq!(requests(&host).iter().filter(|line| *line == "POST&sid=s1 3").count(), 1);
}

#[test]
fn a_session_that_the_server_has_forgotten_is_begun_anew_once() {
    let script = Script::default().session().get("430[]").post(Response::new(200)).post(Response::new(200));
    let script = script.post(unknown_session()).get(&OPEN.replace("s1", "s2")).get(r#"40{"sid":"y"}"#).get("430[]");
    let mut host = host(json!({}), &script);
    assert_eq!(send(&mut host), Ok(None));
    assert_eq!(send(&mut host), Ok(None), "without a retry");
    assert!(requests(&host).last().unwrap().starts_with("GET&sid=s2"));
    script.clone().post(unknown_session()).session().post(Response::new(200)).post(unknown_session());
    let failure = send(&mut host).unwrap_err();
    assert_eq!(failure, Failure::retry("the server has forgotten the session at once"));
}

#[test]
fn what_may_pass_is_retried_and_what_will_not_is_rejected() {
    let retried = |script: Script, more: Value| {
        let failure = send(&mut host(more, &script)).unwrap_err();
        (failure.is_retry(), failure.reason().to_owned())
    };
    let open = || Script::default().session();
    let status = |status| {
        let script = Script::default();
        script.gets.borrow_mut().push_back(Response::new(status).with_body("x"));
        script
    };
    let table = [
        (status(503), json!({}), true, "the server answered 503: x"),
        (status(404), json!({}), false, "the server answered 404: x"),
        (Script::default(), json!({}), true, "http request timed out"),
        (Script::default().get("<html>"), json!({}), false, "`<html>` is no packet of Engine.IO 4: is `url`"),
        (Script::default().get("6"), json!({}), false, "the server began no session"),
        (Script::default().get(r#"0{"sid":"a&b"}"#), json!({}), false, "the server gave the session an id that"),
        (
            Script::default().get(OPEN).get(r#"44{"message":"not you"}"#),
            json!({}),
            true,
            "the namespace refuses us: not you",
        ),
        (open().get("41"), json!({}), true, "the server has disconnected us"),
        (open().get("1"), json!({}), true, "the server has closed the session"),
        (open(), json!({}), true, "http request timed out"),
        (open().post(Response::new(200)).post(Response::new(413)), json!({}), false, "the server answered 413"),
        (open().get(r#"430[{"error":"bad"}]"#), json!({}), false, "the server's listener says no: bad"),
        (
            open().get(r#"430[{"ok":false,"status":503,"detail":"full"}]"#),
            json!({}),
            true,
            r#"the server's listener says no: {\"detail\":\"full\""#,
        ),
        (Script::default(), json!({ "event": null, "timeout_ms": 1 }), true, "http request timed out after"),
    ];
    for (script, more, is_retry, reason) in table {
        let found = retried(script, more);
        assert!(found.0 == is_retry && found.1.starts_with(reason), "{found:?}, not {reason}");
    }
}

#[test]
fn after_a_failure_the_session_is_left_so_that_no_late_answer_is_taken_for_another() {
    let script = Script::default().session();
    let mut host = host(json!({}), &script);
    assert!(send(&mut host).unwrap_err().is_retry());
    assert_eq!(requests(&host).last().unwrap(), "POST&sid=s1 41\u{1e}1");
    script.clone().session().get("430[]");
    assert_eq!(send(&mut host), Ok(None));
}

#[test]
fn a_server_with_endless_news_is_not_listened_to_for_ever() {
    let mut script = Script::default().session();
    for _ in 0..30 {
        script = script.get("42[\"news\"]");
    }
    assert_eq!(
        send(&mut host(json!({}), &script)).unwrap_err(),
        Failure::retry("the server has not answered in 20 polls")
    );
}

#[test]
fn an_event_that_is_too_large_for_the_server_is_rejected_before_it_is_sent() {
    let script = Script::default().get(&OPEN.replace("1000000", "50")).get("40{}");
    let failure = host(json!({}), &script).send(event("a").text("x".repeat(100))).unwrap_err();
    assert!(!failure.is_retry() && failure.reason().ends_with("bytes; the server takes at most 50"), "{failure}");
}

#[test]
fn names_of_socketio_itself_are_no_events_and_ticks_are_not_emitted() {
    let mut host = host(json!({}), &Script::default());
    let failure = host.send(event("disconnect")).unwrap_err();
    assert_eq!(failure, Failure::reject("`disconnect` means something to Socket.IO itself: set `event`"));
    assert_eq!(host.send(event("plugbus.tick.relay-socketio")), Ok(None));
    assert!(host.requests().is_empty());
}

#[test]
fn a_wrong_config_is_refused_with_the_key() {
    let table = [
        (json!({}), "config: missing key `url`"),
        (
            json!({ "url": "io.example.com" }),
            "config: key `url`: URL `io.example.com` must begin with http:// or https://",
        ),
        (
            json!({ "url": "https://h/in" }),
            "config: key `url`: `https://h/in` has something behind its host; a path goes into `path`",
        ),
        (json!({ "url": "https://h?a" }), "config: key `url`: `https://h?a` has something behind its host"),
        (json!({ "url": URL, "path": "io" }), "config: key `path`: `io` must begin with `/`"),
        (json!({ "url": URL, "namespace": "admin" }), "config: key `namespace`: `admin` must begin with `/`"),
        (json!({ "url": URL, "namespace": "/a,b" }), "config: key `namespace`: `/a,b` must begin"),
        (
            json!({ "url": URL, "event": "connect" }),
            "config: key `event`: `connect` means something to Socket.IO itself",
        ),
        (
            json!({ "url": URL, "headers": { "Host": "x" } }),
            "config: key `headers`: `Host` is not for the configuration",
        ),
        (json!({ "url": URL, "timeout_ms": 0 }), "config: key `timeout_ms`: 0 is not in 1 to 300000"),
        (json!({ "url": URL, "format": "xml" }), "config: key `format`: unknown variant `xml`"),
        (json!({ "url": URL, "uri": "x" }), "config: unknown key `uri`, expected one of"),
    ];
    for (config, reason) in table {
        let refused = Host::<RelaySocketio>::new(config).unwrap_err();
        assert!(refused.reason().starts_with(reason), "{refused}");
    }
}
