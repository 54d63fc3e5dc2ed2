//! `new`, `build`, `check` of a project and `dev`, with a build command that takes no compiler.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::support::{Killed, Place, plugbus, wait};

/// A project whose build copies a component that is there already.
fn project(place: &Place, component: &[u8]) -> PathBuf {
    let dir = place.path().join("relay");
    fs::create_dir_all(dir.join("events")).unwrap();
    let build =
        "name = \"relay\"\nlanguage = \"c\"\ncommand = [\"cp\", \"source.bin\", \"made.bin\"]\noutput = \"made.bin\"\n";
    fs::write(dir.join("plugbus.build.toml"), build).unwrap();
    fs::write(dir.join("relay.toml"), "filters = [\"hook.>\"]\n").unwrap();
    fs::write(dir.join("events/good.json"), r#"{"type":"hook.good","data":{"n":1}}"#).unwrap();
    fs::write(dir.join("source.bin"), component).unwrap();
    dir
}

#[test]
fn a_new_project_is_written_in_the_language_that_is_asked_for_and_never_over_another() {
    let place = Place::new();
    let made = place.json(&["new", "my-relay"]);
    assert_eq!((&made["language"], &made["dir"]), (&json!("rust"), &json!("my-relay")));
    let files = made["files"].as_array().unwrap();
    assert!(files.contains(&json!("src/lib.rs")) && files.contains(&json!("events/good.json")), "{files:?}");
    let again = place.run(&["new", "my-relay"]);
    assert_eq!(again.code(), Some(1));
    assert!(again.stderr.contains("my-relay is there already"), "{}", again.stderr);
    let name = place.run(&["new", "My_Relay"]);
    assert!(name.stderr.contains("a-z, 0-9 and -"), "{}", name.stderr);
    assert_eq!(place.run(&["new", "x", "--lang", "cobol"]).code(), Some(2));
}

#[test]
fn a_project_is_built_by_its_command_and_what_is_wrong_says_where() {
    let place = Place::new();
    let dir = project(&place, &Guest::replies('x').binary());
    let built = place.json(&["build", "relay"]);
    assert_eq!(built["bytes"].as_u64().unwrap(), fs::metadata(dir.join("relay.wasm")).unwrap().len());
    fs::remove_file(dir.join("source.bin")).unwrap();
    let failed = place.run(&["build", "relay"]);
    assert_eq!(failed.code(), Some(1));
    assert!(failed.stderr.contains("`cp source.bin made.bin` failed"), "{}", failed.stderr);
    let none = place.run(&["build", "."]);
    assert!(none.stderr.contains("plugbus.build.toml") && none.stderr.contains("plugbus new"), "{}", none.stderr);
}

#[test]
fn the_samples_of_a_project_must_end_as_their_names_say() {
    let place = Place::new();
    let dir = project(&place, &Guest::traps_on_bad('x').binary());
    let unbuilt = place.run(&["check", "relay"]);
    assert!(unbuilt.stderr.contains("plugbus build relay"), "{}", unbuilt.stderr);
    place.ok(&["build", "relay"]);
    let checked = place.ok(&["check", "relay"]);
    assert!(checked.starts_with("ok  good.json  acked"), "{checked}");
    // A trap is no refusal: the sample is not what it should be, and everything about it is shown.
    fs::write(dir.join("events/bad.json"), r#"{"type":"hook.bad"}"#).unwrap();
    let trapped = place.run(&["check", "relay"]);
    assert_eq!(trapped.code(), Some(1));
    assert!(trapped.stdout.contains("NOT bad.json  trap") && trapped.stdout.contains("backtrace"), "{trapped:?}");
    assert!(trapped.stderr.contains("1 of 2 samples"), "{}", trapped.stderr);
    let lines = place.run(&["check", "relay", "--json"]);
    let lines: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended: Vec<_> = lines.iter().map(|line| (&line["outcome"], &line["as_expected"])).collect();
    assert_eq!(ended, [(&json!("trap"), &json!(false)), (&json!("acked"), &json!(true))]);
    // A sample that no filter matches would never come to the plugin.
    fs::write(dir.join("events/bad.json"), r#"{"type":"other.topic"}"#).unwrap();
    assert!(place.run(&["check", "relay"]).stdout.contains("none matches"));
}

/// A live host under test, and what it tells.
struct Dev {
    process: Killed,
    told: Receiver<Value>,
}

impl Dev {
    fn start(place: &Place) -> Self {
        let mut command = plugbus(place.path());
        command.args(["dev", "relay", "--json"]).env("PATH", std::env::var_os("PATH").unwrap());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let told = lines(child.stdout.take().unwrap());
        Self { process: Killed(child), told }
    }

    /// The first thing that is told for which there is a value.
    fn wait<T>(&self, what: &str, mut find: impl FnMut(&Value) -> Option<T>) -> T {
        let mut heard = Vec::new();
        loop {
            match self.told.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => match find(&line) {
                    Some(found) => return found,
                    None => heard.push(line),
                },
                Err(error) => panic!("{what}: {error}; heard {heard:#?}"),
            }
        }
    }

    fn wait_sample(&self, outcome: &str) {
        self.wait("a sample", |line| line["sample"]["outcome"].as_str().filter(|said| *said == outcome).map(drop));
    }
}

fn lines(stdout: ChildStdout) -> Receiver<Value> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            drop(tell.send(serde_json::from_str(&line).unwrap()));
        }
    });
    told
}

#[test]
fn a_live_host_follows_the_source_and_keeps_the_last_good_version() {
    let place = Place::new();
    let dir = project(&place, &Guest::replies('x').binary());
    let mut dev = Dev::start(&place);
    dev.wait_sample("acked");
    // Others reach it meanwhile.
    assert_eq!(place.ok(&["emit", "hook.y", "--request"]), "x\n");

    fs::write(dir.join("source.bin"), Guest::replies('y').binary()).unwrap();
    dev.wait("a change", |line| line["changed"].as_str().map(drop));
    dev.wait_sample("acked");
    assert_eq!(place.ok(&["emit", "hook.y", "--request"]), "y\n");

    // A build that fails, and one whose component is refused: what ran goes on.
    fs::remove_file(dir.join("source.bin")).unwrap();
    dev.wait("a failed build", |line| line["not_built"].as_str().map(drop));
    assert_eq!(place.ok(&["emit", "hook.y", "--request"]), "y\n");
    fs::write(dir.join("source.bin"), "no component").unwrap();
    dev.wait("a refusal", |line| (line["event"]["type"] == "plugbus.plugin.rejected").then_some(()));
    assert_eq!(place.ok(&["emit", "hook.y", "--request"]), "y\n");

    let pid = dev.process.0.id();
    assert!(Command::new("sh").arg("-c").arg(format!("kill -INT {pid}")).status().unwrap().success());
    let status = wait("the live host ends", || dev.process.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(!place.answers());
}
