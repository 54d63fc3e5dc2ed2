//! The README as a newcomer types it: every line of its shell blocks is run here, but for those that build.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Daemon, Ended, Place};

#[path = "../../../../tests/fixtures/src/built.rs"]
#[allow(dead_code, unreachable_pub)]
pub(crate) mod built;

const README: &str = include_str!("../../../../README.md");

/// What stands in the fenced blocks of a kind, line by line.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    let blocks = README.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()).collect()
}

/// A newcomer: a shell in a folder like that of the repository, with the programs on the path.
struct Newcomer<'a> {
    place: &'a Place,
    daemon: Option<Daemon<'a>>,
    tails: Vec<Child>,
    printed: String,
    /// Variables of the shell.
    set: Vec<(String, String)>,
}

impl<'a> Newcomer<'a> {
    fn new(place: &'a Place) -> Self {
        let folder = place.path();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let guests = folder.join("target/guests/plugins");
        fs::create_dir_all(&guests).unwrap();
        fs::copy(built::plugin("count-topics"), guests.join("count-topics.wasm")).unwrap();
        symlink(repository.join("plugins"), folder.join("plugins")).unwrap();
        // What the README's `cargo build` of the first plugin makes; here `cargo xtask guests` has made it.
        let greet = folder.join("greet/target/wasm32-wasip2/release");
        fs::create_dir_all(&greet).unwrap();
        fs::copy(built::fixture("greet"), greet.join("greet.wasm")).unwrap();
        Self { place, daemon: None, tails: Vec::new(), printed: String::new(), set: Vec::new() }
    }

    fn shell(&self, line: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_plugbus")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(self.place.path()).env_clear();
        shell
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("PLUGBUS_SOCKET", self.place.path().join("s"));
        shell.envs(self.set.iter().map(|(name, value)| (name, value)));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    fn types(&mut self, line: &str) {
        // The plugin of one's own stands beside the repository; here it is in the folder of the test.
        let mut line = line.replace("../greet", "greet");
        // The daemon of the test has a port of its own.
        if let Some(daemon) = &self.daemon {
            line = line.replace("127.0.0.1:7117", daemon.http());
        }
        // Each line has a shell of its own, which knows what was set before.
        if let Some((name, value)) =
            line.split_once('=').filter(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase()))
        {
            self.set.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            return;
        }
        match line.strip_suffix(" &") {
            Some("plugbus run") => self.daemon = Some(self.place.daemon()),
            Some(tail) => {
                // Without the shell between, so that the end of the daemon is the end of it.
                self.tails.push(self.shell(&format!("exec {tail}")).spawn().unwrap());
                self.place.wait_watchers(self.tails.len().try_into().unwrap());
            }
            None => {
                let ended = Ended::from(self.shell(&line).output().unwrap());
                assert!(ended.status.success(), "{line}: {ended:?}");
                self.printed.push_str(&ended.stdout);
            }
        }
    }

    /// Stops the daemon; what the commands have printed, and what the tails have shown.
    fn stops(mut self) -> (String, String) {
        self.daemon.take().unwrap().stop();
        let ended = self.tails.drain(..).map(|tail| Ended::from(tail.wait_with_output().unwrap()).stdout);
        let shown = ended.collect();
        (self.printed, shown)
    }
}

#[test]
fn the_readme_works_as_typed() {
    let place = Place::new();
    let mut newcomer = Newcomer::new(&place);
    let (build, typed): (Vec<&str>, Vec<&str>) =
        blocks("sh").into_iter().partition(|line| line.starts_with("cargo ") || line.starts_with("export PATH="));
    assert_eq!((build.len(), typed.len() > 15), (6, true), "{build:?}");
    typed.iter().for_each(|line| newcomer.types(line));
    let (printed, shown) = newcomer.stops();
    let picture = |line: &&str| !line.is_ascii() || line.starts_with(' ');
    for line in blocks("text").into_iter().filter(|line| !picture(line)) {
        // The time in front of a line of `tail` is another one each time.
        match line.split_once(' ') {
            Some((time, rest)) if time.contains(':') => assert!(shown.contains(rest), "`{rest}` is not in:\n{shown}"),
            _ => assert!(printed.contains(line), "`{line}` is not in:\n{printed}"),
        }
    }
    assert!(printed.contains("\ngreeted\n") && printed.contains("broken: refused: "), "{printed}");
    assert!(shown.contains("chat.said plugin/greet  Welcome, Ada!\n"), "{shown}");
}
