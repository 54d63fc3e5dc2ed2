//! A guest can touch what its manifest grants, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::host::{Place, TestHost};

mod http;
mod secrets;
mod tcp;

/// A place with a folder `data` beside the plugins, and something outside of it.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.beside("data")).unwrap();
    fs::write(place.beside("data/inside.txt"), "inside").unwrap();
    fs::write(place.beside("secret.txt"), "secret").unwrap();
    symlink(place.beside("secret.txt"), place.beside("data/link")).unwrap();
    place
}

const READ_ONLY: &str = "[[grants.dirs]]\nhost = \"../data\"\nguest = \"/data\"";
const READ_WRITE: &str = "[[grants.dirs]]\nhost = \"../data\"\nguest = \"/data\"\nmode = \"read-write\"";

/// Whether a reply says that the guest was refused, and not the secret.
fn is_refusal(reply: &str) -> bool {
    reply.starts_with("error: ") && !reply.contains("secret")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_no_folder_is_seen() {
    let host = place().start().await;
    host.run_fixture("reader", "read-dir", "").await;
    let outside = host.beside("secret.txt").display().to_string();
    for path in ["/", ".", "/data", "..", &outside] {
        let reply = host.ask("read", path).await;
        assert!(is_refusal(&reply), "{path}: {reply}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_folder_is_read_and_nothing_outside_of_it() {
    let host = place().start().await;
    host.run_fixture("reader", "read-dir", READ_ONLY).await;
    assert_eq!(host.ask("read", "/data").await, "inside.txt\nlink");
    assert_eq!(host.ask("read", "/data/inside.txt").await, "inside");
    let outside = host.beside("secret.txt").display().to_string();
    for path in ["/data/../secret.txt", "/data/link", "/secret.txt", "/", &outside] {
        let reply = host.ask("read", path).await;
        assert!(is_refusal(&reply), "{path}: {reply}");
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_written_only_where_the_grant_says_so() {
    let host = place().start().await;
    let config = |path: &str| format!("\n[config]\npath = \"{path}\"");
    host.run_fixture("none", "write-file", &format!("filters = [\"none\"]{}", config("/data/new.txt"))).await;
    host.run_fixture("reads", "write-file", &format!("filters = [\"reads\"]\n{READ_ONLY}{}", config("/data/new.txt")))
        .await;
    host.run_fixture(
        "writes",
        "write-file",
        &format!("filters = [\"writes\"]\n{READ_WRITE}{}", config("/data/new.txt")),
    )
    .await;
    let escape = format!("filters = [\"escapes\"]\n{READ_WRITE}{}", config("/data/../secret.txt"));
    host.run_fixture("escapes", "write-file", &escape).await;
    let follow = format!("filters = [\"follows\"]\n{READ_WRITE}{}", config("/data/link"));
    host.run_fixture("follows", "write-file", &follow).await;

    for topic in ["none", "reads", "escapes", "follows"] {
        let reply = host.ask(topic, "text").await;
        assert!(is_refusal(&reply), "{topic}: {reply}");
    }
    assert!(!host.beside("data/new.txt").exists());
    assert_eq!(fs::read_to_string(host.beside("secret.txt")).unwrap(), "secret");

    assert_eq!(host.ask("writes", "first").await, "ok");
    assert_eq!(host.ask("writes", "second").await, "ok");
    assert_eq!(fs::read_to_string(host.beside("data/new.txt")).unwrap(), "first\nsecond\n");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_folder_that_is_missing_is_named_at_load() {
    let host = TestHost::start().await;
    host.put_fixture("reader", "read-dir", READ_ONLY);
    let report = host.until_rejected("reader").await;
    assert_eq!(report["kind"], "link");
    let cause = report["cause"].as_str().unwrap();
    for part in ["granted folder", "data (as `/data`) cannot be opened", "make it, or take it out"] {
        assert!(cause.contains(part), "{cause}");
    }
    // Made as the message says, it works.
    fs::create_dir(host.beside("data")).unwrap();
    host.loader().reload("reader").await.unwrap();
    assert_eq!(host.ask("read", "/data").await, "");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_what_is_granted_and_never_the_hosts() {
    let host = TestHost::start().await;
    assert!(std::env::var_os("PATH").is_some());
    host.run_fixture("none", "read-env", "filters = [\"none\"]").await;
    host.run_fixture(
        "some",
        "read-env",
        "filters = [\"some\"]\n[grants.env]\nGREETING = \"hello\"\nPATH = \"/granted\"",
    )
    .await;
    assert_eq!(host.ask("none", "").await, "");
    assert_eq!(host.ask("none", "PATH").await, "environment variable not found");
    assert_eq!(host.ask("some", "").await, "GREETING=hello\nPATH=/granted");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_store_needs_a_grant_which_is_named_at_load() {
    let host = TestHost::start().await;
    let config = "\n[config]\nname = \"n\"\n[config.deep]\nnumber = 7";
    host.put_fixture("asks", "use-config", config);
    let report = host.until_rejected("asks").await;
    assert_eq!(report["kind"], "link");
    let cause = report["cause"].as_str().unwrap();
    assert!(cause.contains("`wasi:config/store@0.2.0-rc.1` (add `config = true` under `[grants]`)"), "{cause}");

    host.put_manifest("asks", &format!("[grants]\nconfig = true{config}"));
    host.until_running("asks").await;
    assert_eq!(host.ask("ask", "name").await, "n");
    assert_eq!(host.ask("ask", "deep.number").await, "7");
    assert_eq!(host.ask("ask", "missing").await, "none");
    host.stop().await;
}
