//! The daemon over HTTP, as `curl` asks it: on its port and on its socket.

use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::Value;

use crate::guest::Guest;
use crate::support::{Ended, Killed, Place, in_folder};

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
    let over_http = json(&curl(&place, &[&socket[..], &["http://localhost/v1/stats"]].concat()));
    let parts = |stats: &Value| stats.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(parts(&over_http), parts(&stats), "the same counters, whichever way they are asked for");
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

#[test]
fn tokens_and_certificate_are_read_again_on_sighup_and_a_bad_file_changes_nothing() {
    let place = Place::new();
    let path = |name: &str| place.path().join(name);
    let certify = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(path(name), made.cert.pem()).unwrap();
    };
    certify("first.pem");
    let write_tokens = |text: &str| {
        // In one step, as whoever manages such files does.
        std::fs::write(path("new"), text).unwrap();
        std::fs::set_permissions(path("new"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(path("new"), path("tokens")).unwrap();
    };
    write_tokens("old 0123456789abcdef-old admin\nstays 0123456789abcdef-stays admin\n");
    let args = ["--http-tokens", "tokens", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let daemon = place.daemon_with(|command| command.args(args));
    let (_, port) = daemon.http().rsplit_once(':').unwrap();
    let url = format!("https://localhost:{port}/v1/topics/a");
    let status = |trusted: &str, token: &str| {
        let bearer = format!("authorization: Bearer 0123456789abcdef-{token}");
        let args = ["--cacert", trusted, "-d", "x", "-H", &bearer, "-o", "/dev/null", "-w", "%{http_code}", &url];
        curl(&place, &args).stdout
    };
    assert_eq!((&*status("first.pem", "old"), &*status("first.pem", "new")), ("202", "401"));
    // A stream of each, on connections that were there before.
    let streams = ["old", "stays"].map(|token| {
        let bearer = format!("authorization: Bearer 0123456789abcdef-{token}");
        let mut command = in_folder(Command::new("/usr/bin/curl"), place.path());
        command.args(["-sSN", "--max-time", "60", "--cacert", "first.pem", "-H", &bearer]);
        command.arg(format!("https://localhost:{port}/v1/stream?filter=b"));
        let mut child = Killed(command.stdout(std::process::Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == ":plugbus"));
        (child, lines)
    });

    certify("second.pem");
    write_tokens("new 0123456789abcdef-new admin\nstays 0123456789abcdef-stays admin\n");
    daemon.signal("HUP");
    daemon.wait_log("certificate and key read again");
    assert_eq!((&*status("second.pem", "old"), &*status("second.pem", "new")), ("401", "202"));
    assert_eq!(status("first.pem", "new"), "000", "the old certificate is not shown any more");
    let [(mut gone, gone_lines), (_stays, mut stays_lines)] = streams;
    let rest: Vec<String> = gone_lines.map_while(Result::ok).collect();
    assert!(rest.join("\n").contains("the token is no longer known"), "{rest:?}");
    assert!(gone.0.wait().unwrap().success());
    place.ok(&["emit", "b", "7"]);
    assert!(stays_lines.any(|line| line.unwrap().contains("\"type\":\"b\"")));

    write_tokens("new short admin\n");
    std::fs::write(path("cert.pem"), "no certificate").unwrap();
    daemon.signal("HUP");
    let said = daemon.wait_log("what was read before goes on");
    assert!(said.contains("line 1: the token of `new` is not 16 to 255"), "{said}");
    let said = daemon.wait_log("what was read before goes on");
    assert!(said.contains("tls.cert"), "{said}");
    assert_eq!((&*status("second.pem", "old"), &*status("second.pem", "new")), ("401", "202"));
    daemon.stop();
}
