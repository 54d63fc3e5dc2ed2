//! Arguments, help, exit codes.

use crate::support::{Place, plugbus};

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_0() {
    let place = Place::new();
    for args in [
        &[][..],
        &["fly"],
        &["emit"],
        &["emit", "a", "b", "c"],
        &["emit", "a", "--ext", "novalue"],
        // Would take the place of the topic, of the data, of the host's number.
        &["emit", "a", "--ext", "type=b"],
        &["emit", "a", "--ext", "data=b"],
        &["emit", "a", "--ext", "seq=1"],
        &["emit", "a", "--ext", "Key=1"],
        &["emit", "a", "--ext", "k=a\nb"],
        &["emit", "a", "--wait=soon"],
        &["emit", "a", "--wait=999999999"],
        &["emit", "--lines", "a", "b"],
        &["emit", "--lines", "--source", "me"],
        &["tail", "-n", "0"],
        &["check", "x.wasm", "--event", "e.json", "--subject", "s"],
        &["check", "x.wasm"],
        &["run", "--log-format", "xml"],
        &["run", "--serve-socket", "yes"],
        &["run", "--loader-rescan-ms", "1"],
        &["run", "--source", "a\nb"],
        &["run", "--log-level", "verbose"],
        &["run", "--log-level", "plugbus=loud"],
    ] {
        let ended = place.run(args);
        assert_eq!(ended.code(), Some(2), "{args:?}: {ended:?}");
    }
    for args in [&["--help"][..], &["--version"], &["emit", "--help"], &["help", "run"]] {
        assert_eq!(place.run(args).code(), Some(0), "{args:?}");
    }
}

#[test]
fn every_command_has_help_with_a_word_on_each_argument() {
    let place = Place::new();
    for command in ["run", "emit", "hook", "tail", "check"] {
        let help = place.ok(&[command, "--help"]);
        assert!(help.contains("Examples:\n  plugbus") || help.contains("\n  plugbus "), "{help}");
    }
    let help = place.ok(&["run", "--help"]);
    for key in plugbus::config::keys::KEYS {
        assert!(help.contains(&format!("--{}", key.flag)) && help.contains(key.env), "{} is not in {help}", key.name);
    }
}

#[test]
fn emit_by_itself_takes_what_emit_among_the_others_takes() {
    let place = Place::new();
    assert_eq!(place.ok(&["emit", "--help"]), place.ok(&["help", "emit"]));
    assert_eq!(place.ok(&["hook", "--help"]), place.ok(&["help", "hook"]));
    for args in [&["emit"][..], &["emit", "a", "--lines", "b"], &["emit", "a", "--fly"], &["emit", "a", "--ext", "x"]] {
        let (alone, among) = (place.run(args), place.run(&[&["--json"], args].concat()));
        assert_eq!((alone.code(), &alone.stderr), (among.code(), &among.stderr), "{args:?}");
    }
}

#[test]
fn a_wrong_setting_is_named_with_its_place() {
    let place = Place::new();
    std::fs::write(place.path().join("plugbus.toml"), "\nplugin_dir = \"x\"\n").unwrap();
    let ended = place.run(&["run"]);
    let expected = "plugbus: plugbus.toml:2:1: unknown key `plugin_dir`; did you mean `plugins_dir`?\n";
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(1), expected));
    let place = Place::new();
    let ended = place.run(&["run", "--loader-rescan-ms", "1"]);
    assert!(
        ended.stderr.starts_with("plugbus: --loader-rescan-ms: `loader.rescan_ms` is 1; a whole number from 50"),
        "{ended:?}"
    );
    for (variable, value, expected) in [
        ("PLUGBUS_CLIENTS_CONNECTIONS_MAX", "x", "`clients.connections_max` is `x`; a whole number from 1"),
        ("PLUGBUS_LOG_FORMAT", "xml", "`log.format` is `xml`; one of text, json is allowed"),
        ("PLUGBUS_SERVE_SOCKET", "no", "`serve_socket` is `no`; true or false is allowed"),
    ] {
        let output = plugbus(place.path()).arg("run").env(variable, value).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("plugbus: {variable}: {expected}")), "{stderr}");
    }
    let ended = place.run(&["run", "--log-level", "verbose"]);
    assert!(
        ended.stderr.starts_with("plugbus: log level `verbose` is none: `verbose` is no level; write "),
        "{ended:?}"
    );
}

#[test]
fn without_a_daemon_every_command_says_how_to_start_one() {
    let place = Place::new();
    let expected = format!("plugbus: no daemon answers on {}/s: start one with `plugbus run`", place.path().display());
    for args in
        [&["emit", "a"][..], &["tail"], &["plugins"], &["dead", "list"], &["stats"], &["ping"], &["emit", "--lines"]]
    {
        let ended = place.run(args);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{args:?}");
        assert!(ended.stderr.starts_with(&expected), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn the_socket_is_found_by_flag_variable_file_and_default() {
    let place = Place::new();
    let socket = |adjust: &dyn Fn(&mut std::process::Command)| {
        let mut command = plugbus(place.path());
        command.arg("ping").env_remove("PLUGBUS_SOCKET");
        adjust(&mut command);
        let stderr = String::from_utf8(command.output().unwrap().stderr).unwrap();
        stderr.split_once("answers on ").unwrap().1.split_once(": start").unwrap().0.to_owned()
    };
    assert_eq!(socket(&|_| {}), "./.plugbus/plugbus.sock");
    assert_eq!(
        socket(&|command| {
            command.env("PLUGBUS_DATA_DIR", "d");
        }),
        "d/plugbus.sock"
    );
    assert_eq!(
        socket(&|command| {
            command.env("XDG_RUNTIME_DIR", "/r");
        }),
        "/r/plugbus.sock"
    );
    assert_eq!(
        socket(&|command| {
            command.env("XDG_RUNTIME_DIR", "/r").env("PLUGBUS_SOCKET", "v");
        }),
        "v"
    );
    assert_eq!(
        socket(&|command| {
            command.env("PLUGBUS_SOCKET", "v").args(["--socket", "f"]);
        }),
        "f"
    );
    // A file that merely lies there leads nobody astray; one that is named counts.
    std::fs::write(place.path().join("plugbus.toml"), "socket = \"t\"\n").unwrap();
    assert_eq!(socket(&|_| {}), "./.plugbus/plugbus.sock");
    assert_eq!(
        socket(&|command| {
            command.args(["--config", "plugbus.toml"]);
        }),
        "t"
    );
    assert_eq!(
        socket(&|command| {
            command.env("PLUGBUS_CONFIG", "plugbus.toml").env("PLUGBUS_SOCKET", "");
        }),
        "t"
    );
}

#[test]
fn completions_are_made_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ok(&["completions", shell]);
        assert!(script.contains("plugbus") && script.contains("emit"), "{shell}");
    }
    assert_eq!(place.run(&["completions", "tcsh"]).code(), Some(2));
    // The script that most people have at hand, asked as their shell asks it.
    std::fs::write(place.path().join("completions"), place.ok(&["completions", "bash"])).unwrap();
    let ask = "source completions; COMP_WORDS=(plugbus run --log-format ''); COMP_CWORD=3; _plugbus plugbus '' --log-format; \
               echo \"${COMPREPLY[@]}\"";
    let asked = std::process::Command::new("bash").args(["-c", ask]).current_dir(place.path()).output().unwrap();
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), "text json\n");
}

#[test]
fn without_the_engine_beside_it_the_client_says_what_is_missing() {
    let place = Place::new();
    let alone = place.path().join("plugbus");
    std::fs::copy(env!("CARGO_BIN_EXE_plugbus"), &alone).unwrap();
    let output = std::process::Command::new(&alone).arg("run").env_clear().env("PATH", place.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.starts_with("plugbus: cannot start plugbusd: it belongs beside `plugbus`, or into a folder of $PATH"),
        "{stderr}"
    );
}
