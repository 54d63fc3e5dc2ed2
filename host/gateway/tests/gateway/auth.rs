//! Tokens and what they allow.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use plugbus_bus::Bus;
use plugbus_gateway::{Gateway, Settings};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Serving, chain};

const CI: &str = "ci-0123456789abcdef";
const ROOT: &str = "root-0123456789abcdef";

fn tokens() -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("ci {CI} publish:build.> subscribe:build.>\nroot {ROOT} admin\n")).unwrap();
    file
}

async fn serving(file: &NamedTempFile) -> Serving {
    Serving::start_with(Bus::default(), |settings| settings.tokens = Some(file.path().into())).await
}

#[tokio::test]
async fn a_token_is_needed_known_and_of_the_right_scope() {
    let file = tokens();
    let serving = serving(&file).await;
    let bearer = |token: &str| format!("authorization: Bearer {token}");
    for (headers, topic, status) in [
        (vec![bearer(CI)], "build.done", 202),
        (vec![bearer(CI)], "deploy.done", 403),
        (vec![bearer(ROOT)], "deploy.done", 202),
        (vec![bearer("ci-0123456789abcdeF")], "build.done", 401),
        (vec![bearer("")], "build.done", 401),
        (vec!["authorization: Basic Y2k6eA==".to_owned()], "build.done", 401),
        (vec![], "build.done", 401),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = serving.send(&format!("POST /v1/topics/{topic}"), &headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        match status {
            401 => assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"plugbus\"")),
            403 => assert_eq!(answer.detail(), "the token `ci` has no scope that covers `publish:deploy.done`"),
            _ => {}
        }
        assert!(!String::from_utf8_lossy(&answer.body).contains("0123456789"), "no answer repeats a token");
    }
    // A token in the address is a token in every log on the way.
    let answer = serving.send(&format!("POST /v1/topics/build.done?token={ROOT}"), &[], "").await;
    assert_eq!(answer.status, 401);
    assert_eq!(serving.gateway.stats().unauthorized, 5);
    for path in ["/v1/plugins", "/metrics", "/v1/stream", "/v1/nothing"] {
        assert_eq!(serving.send(&format!("GET {path}"), &[], "").await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn events_of_a_batch_are_allowed_one_by_one() {
    let file = tokens();
    let serving = serving(&file).await;
    let event = |topic| format!(r#"{{"specversion":"1.0","id":"{topic}","source":"s","type":"{topic}"}}"#);
    let text = format!("[{},{}]", event("build.a"), event("deploy.a"));
    let bearer = format!("authorization: Bearer {CI}");
    let headers = ["content-type: application/cloudevents-batch+json", &bearer];
    let answer = serving.send("POST /v1/events", &headers, text).await;
    let outcome = answer.json();
    assert_eq!(
        (answer.status, &outcome["results"][0]["status"], &outcome["results"][1]["status"]),
        (207, &202.into(), &403.into())
    );
}

#[tokio::test]
async fn a_browser_logs_in_once_and_its_cookie_stands_for_the_token() {
    let file = tokens();
    let serving = serving(&file).await;
    assert_eq!(serving.send("POST /v1/login", &[], "").await.status, 401);
    let nobody = serving.send("GET /v1/whoami", &[], "").await.json();
    assert_eq!((&nobody["login_needed"], &nobody["admin"]), (&true.into(), &false.into()));
    let bearer = format!("authorization: Bearer {ROOT}");
    let answer = serving.send("POST /v1/login", &[&bearer], "").await;
    let cookie = answer.header("set-cookie").unwrap();
    assert_eq!(answer.status, 204);
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(ROOT), "{cookie}");
    let pair = format!("cookie: other=1; {}", cookie.split(';').next().unwrap());
    let somebody = serving.send("GET /v1/whoami", &[&pair], "").await.json();
    assert_eq!((&somebody["name"], &somebody["admin"]), (&"root".into(), &true.into()));
    assert_eq!(serving.send("POST /v1/topics/a", &[&pair], "").await.status, 202);
    let forged = pair.replace("root.", "ci.");
    assert_eq!(serving.send("POST /v1/topics/a", &[&forged], "").await.status, 401);
    let answer = serving.send("POST /v1/logout", &[&pair], "").await;
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn without_tokens_nothing_beyond_loopback_is_taken() {
    let beyond: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let gateway = |settings| Gateway::new(Bus::default(), None, settings);
    let bare = gateway(Settings { listen: beyond, ..Settings::default() }).unwrap();
    let error = bare.bind().await.unwrap_err().to_string();
    assert!(error.starts_with("will not listen on 0.0.0.0:0 without tokens: whoever reaches it"), "{error}");
    assert!(error.contains("`http.tokens`") && error.contains("`http.listen`"), "{error}");
    let file = tokens();
    let settings = || Settings { listen: beyond, tokens: Some(file.path().into()), ..Settings::default() };
    assert!(gateway(settings()).unwrap().bind().await.is_ok());
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = chain(&gateway(settings()).unwrap_err());
    assert!(error.starts_with("cannot use the file of tokens /"), "{error}");
    assert!(error.contains("its mode is 644: others than its owner may get at it; `chmod 600 "), "{error}");
}

#[tokio::test]
async fn streams_of_a_token_that_is_gone_are_told_good_bye_and_no_others() {
    let file = tokens();
    let serving = serving(&file).await;
    let bearer = |token: &str| format!("authorization: Bearer {token}");
    let (ci, root) = (bearer(CI), bearer(ROOT));
    let mut requests = serving.connect().await;
    assert_eq!(requests.ask("POST /v1/topics/build.a", &[&ci], "").await.status, 202);
    let mut streams = Vec::new();
    for (headers, expected) in [(&ci, "200"), (&root, "200")] {
        let mut stream = serving.connect().await;
        let request =
            format!("GET /v1/stream?filter=build.%3E HTTP/1.1\r\nhost: {}\r\n{headers}\r\n\r\n", serving.addr());
        stream.0.write_all(request.as_bytes()).await.unwrap();
        assert!(read_until(&mut stream.0, ":plugbus").await.contains(expected));
        streams.push(stream);
    }
    serving.until("both are open", || serving.gateway.stats().streams_open == 2).await;
    let login = serving.send("POST /v1/login", &[&ci], "").await;
    let cookie = format!("cookie: {}", login.header("set-cookie").unwrap().split(';').next().unwrap());
    assert_eq!(serving.send("POST /v1/topics/build.a", &[&cookie], "").await.status, 202);

    // Another token under the old name, a new one, and one as it was.
    let text = format!("ci {CI}-2 publish:build.> subscribe:build.>\nnew {ROOT}-new admin\nroot {ROOT} admin\n");
    std::fs::write(file.path(), &text).unwrap();
    assert!(serving.gateway.reread().is_empty());
    let [gone, stays] = &mut streams[..] else { panic!() };
    // The last chunk: the answer is over.
    let rest = read_until(&mut gone.0, "\r\n0\r\n\r\n").await;
    assert!(rest.contains("event: bye") && rest.contains("the token is no longer known"), "{rest}");
    // The connection is the one of before.
    assert_eq!(requests.ask("POST /v1/topics/build.b", &[&ci], "").await.status, 401);
    assert_eq!(requests.ask("POST /v1/topics/build.b", &[&bearer(&format!("{CI}-2"))], "").await.status, 202);
    assert_eq!(requests.ask("POST /v1/topics/deploy.b", &[&bearer(&format!("{ROOT}-new"))], "").await.status, 202);
    assert_eq!(serving.send("POST /v1/topics/build.a", &[&cookie], "").await.status, 401);
    read_until(&mut stays.0, "build.b").await;

    // What cannot be used changes nothing.
    for (text, mode, expected) in
        [("ci short admin", 0o600, "line 1: the token of `ci`"), (&*text, 0o644, "its mode is 644")]
    {
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let errors = serving.gateway.reread();
        assert!(errors.len() == 1 && chain(&errors[0]).contains(expected), "{errors:?}");
        assert_eq!(requests.ask("POST /v1/topics/build.c", &[&bearer(&format!("{CI}-2"))], "").await.status, 202);
    }
    read_until(&mut stays.0, "build.c").await;
}

/// Reads up to a text.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0, "closed after {:?}", String::from_utf8_lossy(&all));
        }
        // The rest of its lines.
        while !all.ends_with(b"\n\n") && !all.ends_with(b"\r\n") {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect(text);
    String::from_utf8(all).unwrap()
}
