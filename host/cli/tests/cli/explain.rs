//! `plugins explain` on real plugins: what they may, what they were denied, and no secret's value anywhere.

use serde_json::json;

use crate::readme::built;
use crate::support::Place;

/// Nobody listens there, and nobody needs to: what is denied is never connected.
const HERE: &str = "http://127.0.0.1:9";
const THERE: &str = "http://127.0.0.2:9";

#[test]
fn explain_names_secrets_endpoints_and_denials_and_never_a_value() {
    let place = Place::new();
    let sender = format!(
        "filters = [\"send\"]\n[grants]\nhttp = [\"{HERE}\", \"{THERE}\"]\n[secrets.token]\nenv = \"API_TOKEN\"\n\
         origins = [\"{HERE}\"]\n[config]\ntoken = \"${{secret:token}}\"\n"
    );
    place.plugin("sender", &built::fixture_bytes("http-secret"), &sender);
    place.plugin("unset", &built::fixture_bytes("http-secret"), &sender.replace("API_TOKEN", "NOBODY_SETS_THIS"));
    let client = "filters = [\"tcp\"]\n[grants]\ntcp = [\"redis.example.com:6379\"]\n";
    place.plugin("client", &built::fixture_bytes("tcp-client"), client);
    let daemon = place.daemon_with(|command| command.env("API_TOKEN", "hunter2 hunter2"));

    let order = json!({ "url": format!("{THERE}/$token") }).to_string();
    let replies = [place.ok(&["emit", "send", &order, "--request"]), place.ok(&["emit", "send", &order, "--request"])];
    assert!(replies.iter().all(|reply| reply.contains("HttpRequestDenied")), "{replies:?}");
    place.ok(&["emit", "tcp", "say 127.0.0.1:9 hello", "--request"]);

    let explained = place.ok(&["plugins", "explain", "sender"]);
    for expected in [
        "\"name\":\"token\"",
        "\"env\":\"API_TOKEN\"",
        "2 × secret: secret `token` in a request to `http://127.0.0.2:9`, which may not have it; add it to `origins`",
    ] {
        assert!(explained.contains(expected), "{expected} is not in {explained}");
    }
    let of_client = place.ok(&["plugins", "explain", "client"]);
    for expected in [
        "tcp: redis.example.com:6379",
        "1 × tcp: connecting to `127.0.0.1:9` is not granted; add it to `tcp` under `[grants]`",
    ] {
        assert!(of_client.contains(expected), "{expected} is not in {of_client}");
    }
    let of_unset = place.ok(&["plugins", "explain", "unset"]);
    for expected in ["secret `token`: the variable `NOBODY_SETS_THIS` is not set", "set it where the host is started"] {
        assert!(of_unset.contains(expected), "{expected} is not in {of_unset}");
    }
    let mut shown = vec![
        explained,
        place.ok(&["plugins", "inspect", "sender"]),
        place.json(&["plugins", "inspect", "sender"]).to_string(),
        place.json(&["plugins", "explain", "sender"]).to_string(),
        place.json(&["stats"]).to_string(),
    ];
    daemon.signal("TERM");
    shown.push(daemon.wait().1);
    assert!(shown.iter().all(|text| !text.contains("hunter2")), "{shown:?}");
}
