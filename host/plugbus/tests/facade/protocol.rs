//! The lines themselves: each operation there and back, and whatever bytes a peer may send.

use plugbus::socket::NewEvent;
use plugbus::socket::protocol::{ErrorCode, ErrorLine, OPERATIONS, Request, Response, SettledAs, parse_request};
use proptest::prelude::*;

fn there_and_back(line: &str) -> String {
    serde_json::to_string(&parse_request(line.as_bytes()).unwrap()).unwrap()
}

#[test]
fn every_operation_is_read_and_written_alike() {
    let lines = [
        r#"{"ping":{}}"#,
        r#"{"publish":{"event":{"type":"a","data":{"n":12345678901234567890123}}}}"#,
        r#"{"publish":{"event":{"type":"a"},"wait_ms":5}}"#,
        r#"{"hook":{"event":{"type":"a"}}}"#,
        r#"{"request":{"event":{"type":"a"},"wait_ms":5}}"#,
        r#"{"tail":{"filters":["a.>"]}}"#,
        r#"{"plugins":{}}"#,
        r#"{"plugin":{"name":"p"}}"#,
        r#"{"reload":{"name":"p"}}"#,
        r#"{"pause":{"name":"p"}}"#,
        r#"{"resume":{"name":"p"}}"#,
        r#"{"rescan":{}}"#,
        r#"{"dead_list":{"select":{"plugin":"p"}}}"#,
        r#"{"dead_show":{"id":7}}"#,
        r#"{"dead_replay":{"select":{"all":true}}}"#,
        r#"{"dead_drop":{"select":{"ids":[1,2],"topic":"a.*"}}}"#,
        r#"{"tail":{"filters":["a.>"],"from":{"seq":7}}}"#,
        r#"{"replay":{"past":{"from":{"seq":7},"to":{"time_ns":8}},"filters":["a.>"],"plugin":"p"}}"#,
        r#"{"stats":{}}"#,
    ];
    for line in lines {
        assert_eq!(there_and_back(line), line);
    }
    for operation in OPERATIONS {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{{\"{operation}\""))), "{operation}");
    }
}

#[test]
fn what_may_be_left_out_has_its_default() {
    assert_eq!(there_and_back(r#"{"tail":{}}"#), r#"{"tail":{"filters":[]}}"#);
    assert_eq!(there_and_back(r#"{"dead_list":{}}"#), r#"{"dead_list":{"select":{}}}"#);
    assert_eq!(there_and_back("{\"ping\":{}}\r"), r#"{"ping":{}}"#);
}

#[test]
fn a_wrong_line_says_what_and_where() {
    let table: &[(&str, ErrorCode, Option<u64>, &str)] = &[
        ("", ErrorCode::BadJson, Some(1), "empty line"),
        ("nonsense", ErrorCode::BadJson, Some(1), "not JSON"),
        (r#"{"ping":{}"#, ErrorCode::BadJson, Some(10), "not JSON"),
        (r#"{"ping":{}} {}"#, ErrorCode::BadJson, Some(13), "not JSON"),
        (
            r#"{"fly":{}}"#,
            ErrorCode::UnknownOperation,
            Some(6),
            "unknown operation `fly`; this host knows ping, publish",
        ),
        (r#"{"ping":{"loud":true}}"#, ErrorCode::BadRequest, Some(15), "unknown field `loud`"),
        (r#"{"publish":{}}"#, ErrorCode::BadRequest, Some(13), "missing field `event`"),
        (r#"{"publish":{"event":{},"wait_ms":-1}}"#, ErrorCode::BadRequest, Some(35), "invalid value"),
        (r#""ping""#, ErrorCode::BadRequest, None, "not a request"),
        ("[]", ErrorCode::BadJson, Some(1), "not JSON"),
        ("7", ErrorCode::BadJson, Some(1), "not JSON"),
    ];
    for (line, code, column, text) in table {
        let error = parse_request(line.as_bytes()).unwrap_err();
        assert_eq!(error.code, *code, "{line}: {error:?}");
        assert!(error.message.contains(text), "{line}: {error:?}");
        assert!(!error.message.contains("at line"), "{line}: {error:?}");
        assert!(!error.closing);
        if column.is_some() {
            assert_eq!(error.column, *column, "{line}: {error:?}");
        }
    }
}

#[test]
fn deep_nesting_and_odd_bytes_are_errors() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let in_event = format!(r#"{{"publish":{{"event":{deep}}}}}"#);
    for line in [deep.as_bytes(), &[0xff, 0xfe, 0], b"\0", b"{\"ping\":{}}\0"] {
        assert!(parse_request(line).is_err());
    }
    // Raw JSON is not taken apart before it is looked at as an event; then it is refused.
    if let Ok(Request::Publish { event, .. }) = parse_request(in_event.as_bytes()) {
        assert!(plugbus::socket::parse_event(&event).is_err());
    }
}

#[test]
fn a_client_understands_the_answers_of_a_newer_host() {
    let line = r#"{"error":{"code":"invented_later","message":"m","hint":"h"}}"#;
    let Response::Error(error) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
    assert_eq!(error, ErrorLine::new(ErrorCode::Other, "m"));
    let line = r#"{"settled":{"id":"1","seq":2,"matched":3,"new":0,"results":[{"subscription":"s","outcome":"acked","new":1}]}}"#;
    let Response::Settled { accepted, results } = serde_json::from_str(line).unwrap() else { panic!("{line}") };
    assert_eq!((accepted.seq, accepted.matched, results[0].outcome), (2, 3, SettledAs::Acked));
}

#[test]
fn a_new_event_finds_its_media_type_and_stays_on_one_line() {
    let table: &[(&[u8], Option<&str>, &str)] = &[
        (b"", None, r#"{"specversion":"1.0","type":"t"}"#),
        (b"", Some("a/b"), r#"{"specversion":"1.0","type":"t","datacontenttype":"a/b"}"#),
        (
            b"{\n \"b\": 1.0, \"a\":2}",
            None,
            r#"{"specversion":"1.0","type":"t","datacontenttype":"application/json","data":{  "b": 1.0, "a":2}}"#,
        ),
        (b"hi\n", None, r#"{"specversion":"1.0","type":"t","datacontenttype":"text/plain","data":"hi\n"}"#),
        (b"1", Some("text/plain"), r#"{"specversion":"1.0","type":"t","datacontenttype":"text/plain","data":"1"}"#),
        (
            b"\xff",
            None,
            r#"{"specversion":"1.0","type":"t","datacontenttype":"application/octet-stream","data_base64":"/w=="}"#,
        ),
    ];
    for (data, content_type, expected) in table {
        let event = NewEvent { topic: "t", data, content_type: *content_type, ..NewEvent::default() };
        assert_eq!(event.to_json().unwrap().get(), *expected);
    }
    let broken = NewEvent { topic: "t", data: b"{", content_type: Some("application/json"), ..NewEvent::default() };
    assert!(broken.to_json().is_err());
}

proptest! {
    #[test]
    fn no_line_panics_the_parser(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_request(&line);
    }

    #[test]
    fn no_line_that_looks_like_a_request_panics_the_parser(
        operation in prop_oneof![proptest::sample::select(OPERATIONS.to_vec()), Just("nothing")],
        arguments in r#"[{}\[\]":,a-z0-9 ]{0,40}"#,
    ) {
        if let Err(error) = parse_request(format!("{{\"{operation}\":{arguments}}}").as_bytes()) {
            prop_assert!(!error.message.is_empty() && error.message.len() < 4000);
        }
    }

    #[test]
    fn any_data_of_any_kind_arrives_as_it_was(
        data in proptest::collection::vec(any::<u8>(), 0..300),
        content_type in proptest::option::of(proptest::sample::select(vec!["text/plain", "application/x", "image/png"])),
    ) {
        let event = NewEvent { topic: "t", data: &data, content_type, ..NewEvent::default() };
        let json = event.to_json().unwrap();
        prop_assert!(!json.get().contains('\n'));
        let draft = plugbus::socket::parse_event(&json).unwrap();
        // JSON data may have its line breaks turned into spaces; everything else is the same byte for byte.
        if draft.payload.is_json() && !data.is_empty() {
            let spaced: Vec<u8> = data.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect();
            let trim = |bytes: &[u8]| bytes.trim_ascii().to_vec();
            prop_assert_eq!(trim(&draft.payload.data), trim(&spaced));
        } else {
            prop_assert_eq!(&draft.payload.data[..], &data[..]);
        }
    }

    #[test]
    fn json_data_keeps_every_digit_and_the_order_of_members(number in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?") {
        let text = format!(r#"{{"z":{number},"a":[{number}]}}"#);
        let event = NewEvent { topic: "t", data: text.as_bytes(), ..NewEvent::default() };
        let draft = plugbus::socket::parse_event(&event.to_json().unwrap()).unwrap();
        prop_assert_eq!(&draft.payload.data[..], text.as_bytes());
    }
}
