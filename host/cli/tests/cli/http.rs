//! The daemon over HTTP, as `curl` asks it: on its port and on its socket.

use std::process::Command;

use serde_json::Value;

use crate::guest::Guest;
use crate::support::{Ended, Place, in_folder};

/// Asks; what it printed.
fn curl(place: &Place, args: &[&str]) -> Ended {
    let mut command = in_folder(Command::new("/usr/bin/curl"), place.path());
    Ended::from(command.args(["-sS", "--max-time", "60"]).args(args).output().unwrap())
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn curl_publishes_and_asks_on_the_local_socket() {
    let place = Place::new();
    place.plugin("good", &Guest::replies('a').binary(), "");
    let daemon = place.daemon();
    let socket = place.path().join("s");
    let socket = ["--unix-socket", socket.to_str().unwrap()];
    let accepted =
        curl(&place, &[&socket[..], &["--json", r#"{"n":1}"#, "http://localhost/v1/topics/hook.x?wait"]].concat());
    assert_eq!((&json(&accepted)["matched"], &json(&accepted)["results"][0]["outcome"]), (&1.into(), &"acked".into()));
    let reply = curl(&place, &[&socket[..], &["-d", "x", "http://localhost/v1/requests/hook.x"]].concat());
    assert_eq!(reply.stdout, "a");
    let document = curl(&place, &[&socket[..], &["http://any.name/v1/openapi.json"]].concat());
    assert_eq!(json(&document)["openapi"], "3.1.0");
    // The lines of the command line go on beside it.
    place.ok(&["emit", "hook.x"]);
    let stats = place.json(&["stats"]);
    assert_eq!((&stats["socket"]["http"], &stats["http"]["events"]), (&3.into(), &2.into()));
    daemon.stop();
}

#[test]
fn the_port_is_told_when_ready_and_tokens_hold_there_and_not_on_the_socket() {
    let place = Place::new();
    let tokens = place.path().join("tokens");
    std::fs::write(&tokens, "ci 0123456789abcdef publish:build.>\n").unwrap();
    let refused = place.run(&["run", "--http-tokens", "tokens"]);
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains("others than its owner may get at it; `chmod 600 tokens`"), "{}", refused.stderr);
    assert!(Command::new("chmod").arg("600").arg(&tokens).status().unwrap().success());
    let daemon = place.daemon_with(|command| command.args(["--http-tokens", "tokens"]));
    let url = format!("http://{}/v1/topics/build.done", daemon.http());
    let status = |args: &[&str]| curl(&place, &[args, &["-o", "/dev/null", "-w", "%{http_code}"]].concat()).stdout;
    assert_eq!(status(&["-d", "x", &url]), "401");
    assert_eq!(status(&["-d", "x", "-H", "authorization: Bearer 0123456789abcdef", &url]), "202");
    assert_eq!(status(&["-d", "x", "-H", "origin: http://evil.example", &url]), "403");
    assert_eq!(status(&["-d", "x", "--unix-socket", "s", "http://localhost/v1/topics/any"]), "202");
    daemon.stop();
}

#[test]
fn a_daemon_does_not_open_itself_to_the_network_without_tokens() {
    let place = Place::new();
    let refused = place.run(&["run", "--http-listen", "0.0.0.0:0"]);
    assert_eq!(refused.code(), Some(1));
    let expected = "will not listen on 0.0.0.0:0 without tokens: whoever reaches it could publish anything";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    let refused = place.run(&["run", "--tls-cert", "cert.pem"]);
    assert!(
        refused.stderr.contains("`tls.cert` and `tls.key` go together; one of them is missing"),
        "{}",
        refused.stderr
    );
}
