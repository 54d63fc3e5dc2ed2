//! The configuration: defaults, every key, and what a wrong one says.

use std::path::{Path, PathBuf};

use plugbus::config::keys::{KEYS, Kind};
use plugbus::config::{Config, LogFormat, Tls};

fn parse(text: &str) -> Result<Config, String> {
    Config::from_toml(text, Path::new("/etc/plugbus.toml")).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_is_the_defaults_with_paths_beside_the_file() {
    let expected =
        Config { plugins_dir: "/etc/./plugins.d".into(), data_dir: "/etc/./.plugbus".into(), ..Config::default() };
    assert_eq!(parse("").unwrap(), expected);
}

#[test]
fn a_file_sets_what_it_names_and_leaves_the_rest() {
    let text = "socket = \"run/s.sock\"\n[clients]\nconnections_max = 3\n[log]\nformat = \"json\"\n[sandbox]\npooling = false\n";
    let config = parse(text).unwrap();
    assert_eq!(config.socket, Some(PathBuf::from("/etc/run/s.sock")));
    assert_eq!(config.clients.connections_max, 3);
    assert_eq!(config.clients.line_timeout_ms, 10_000);
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.sandbox.pooling);
}

#[test]
fn a_wrong_key_or_value_says_where_and_what_is_right() {
    let table = [
        ("plugin_dir = \"x\"", "/etc/plugbus.toml:1:1: unknown key `plugin_dir`; did you mean `plugins_dir`?"),
        (
            "source = \"a\"\n\n[clients]\nconections_max = 1",
            "/etc/plugbus.toml:4:1: unknown key `clients.conections_max`; did you mean `clients.connections_max`?",
        ),
        (
            "connections_max = 1",
            "/etc/plugbus.toml:1:1: unknown key `connections_max`; did you mean `http.connections_max`?",
        ),
        ("qqqqqq = 1", "/etc/plugbus.toml:1:1: unknown key `qqqqqq`; `plugbus run --help` lists every key"),
        (
            "[clients]\nconnections_max = \"many\"",
            "/etc/plugbus.toml:2:19: `clients.connections_max` is `many`; a whole number from 1 to 10000 is allowed",
        ),
        (
            "[clients]\nconnections_max = 0",
            "/etc/plugbus.toml:2:19: `clients.connections_max` is 0; a whole number from 1 to 10000 is allowed",
        ),
        (
            "[clients]\nconnections_max = -1",
            "/etc/plugbus.toml:2:19: `clients.connections_max` is -1; a whole number from 1 to 10000 is allowed",
        ),
        ("[log]\nformat = \"xml\"", "/etc/plugbus.toml:2:10: `log.format` is `xml`; one of text, json is allowed"),
        ("serve_socket = 1", "/etc/plugbus.toml:1:16: `serve_socket` is 1; true or false is allowed"),
        ("data_dir = \"\"", "/etc/plugbus.toml:1:12: `data_dir` is ``; a path is needed"),
        (
            "source = \"a\\u001bb\"",
            "/etc/plugbus.toml:1:10: `source` is `a\\u{1b}b`; text of 1 to 255 bytes without control characters is needed",
        ),
        (
            "[http]\nlisten = \"localhost:7117\"",
            "/etc/plugbus.toml:2:10: `http.listen` is `localhost:7117`; an IP address and a port are needed, such as \
             127.0.0.1:7117 or [::1]:7117",
        ),
        ("clients = 1", "/etc/plugbus.toml:1:11: `clients` is a section: write [clients] and its keys below"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).unwrap_err(), expected, "{text}");
    }
    let broken = parse("a = ").unwrap_err();
    assert!(broken.starts_with("/etc/plugbus.toml:1:"), "{broken}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::read(Path::new("/nonexistent/plugbus.toml")).unwrap_err();
    assert_eq!(
        plugbus::report::chain(&error),
        "cannot read /nonexistent/plugbus.toml: No such file or directory (os error 2)"
    );
}

#[test]
fn the_table_of_keys_is_the_configuration_and_names_follow_one_rule() {
    let mut config = Config { socket: Some("s".into()), ..Config::default() };
    config.http.tokens = Some("t".into());
    config.otlp.endpoint = Some("http://c".into());
    config.tls = Tls { cert: Some("c".into()), key: Some("k".into()) };
    let table = toml::Table::try_from(&config).unwrap();
    let mut names = Vec::new();
    for (name, value) in &table {
        match value {
            toml::Value::Table(section) => names.extend(section.keys().map(|leaf| format!("{name}.{leaf}"))),
            _ => names.push(name.clone()),
        }
    }
    names.sort();
    let mut known: Vec<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    known.sort();
    assert_eq!(known, names);
    for key in KEYS {
        assert_eq!(key.flag, key.name.replace(['.', '_'], "-"));
        assert_eq!(key.env, format!("PLUGBUS_{}", key.name.replace('.', "_").to_uppercase()));
        assert!(key.help.contains("[default: "), "{}", key.name);
    }
}

/// `1 MiB` as 1048576, and everything else as it is.
fn plain(text: &str) -> String {
    let units = [(" KiB", 1 << 10), (" MiB", 1 << 20)];
    let found = units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    found.map_or_else(|| text.to_owned(), |(number, bytes)| (number.parse::<u64>().unwrap() * bytes).to_string())
}

#[test]
fn the_defaults_in_the_help_are_the_real_ones() {
    // What is absent unless it is given has no default that could be given.
    for key in KEYS.iter().filter(|key| key.name != "socket" && !key.help.ends_with("[default: none]")) {
        let (_, told) = key.help.split_once("[default: ").unwrap();
        let mut config = Config::default();
        config.set(key.name, &plain(told.trim_end_matches(']')), "the help").unwrap();
        assert_eq!(config, Config::default(), "{}", key.name);
    }
}

#[test]
fn every_key_can_be_set_from_text_and_refuses_nonsense() {
    for key in KEYS {
        let good = match key.kind {
            Kind::Number { min, max } if key.help.ends_with(&format!("[default: {max}]")) => min.to_string(),
            Kind::Number { max, .. } => max.to_string(),
            Kind::Switch => (!key.help.ends_with("[default: true]")).to_string(),
            Kind::Address => "[::1]:1".into(),
            Kind::Collector => "http://[::1]:1".into(),
            Kind::Path | Kind::Text | Kind::Texts => "x".into(),
            Kind::Choice(choices) => choices[choices.len() - 1].to_owned(),
        };
        let mut config = Config::default();
        config.set(key.name, &good, "--flag").unwrap();
        assert_ne!(config, Config::default(), "{}", key.name);
        let bad = match key.kind {
            Kind::Path | Kind::Text => "",
            Kind::Texts => "a\nb",
            _ => "?",
        };
        let error = config.set(key.name, bad, "--flag").unwrap_err().to_string();
        assert!(error.starts_with(&format!("--flag: `{}` is ", key.name)), "{error}");
    }
    let mut config = Config::default();
    // What is an attribute of every event must be one that the bus takes.
    assert!(config.set("source", &"x".repeat(255), "--source").is_ok());
    assert!(config.set("source", &"x".repeat(256), "--source").is_err());
    let mut config = Config::default();
    let error = config.set("loader.rescan", "1", "PLUGBUS_X").unwrap_err().to_string();
    assert_eq!(error, "PLUGBUS_X: unknown key `loader.rescan`; did you mean `loader.rescan_ms`?");
    config.set("loader.rescan_ms", "1_000", "x").unwrap();
    assert_eq!(config.loader.rescan_ms, 1000);
}

#[test]
fn a_configuration_filled_in_by_hand_is_checked_as_strictly() {
    assert!(Config::default().check().is_ok());
    let not_text: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff]);
    let odd_paths = Config { plugins_dir: not_text.into(), ..Config::default() };
    assert!(odd_paths.check().is_ok(), "a path need not be text");
    type Spoil = fn(&mut Config);
    let table: [(Spoil, &str); 6] = [
        (
            |config| config.tls.cert = Some("c".into()),
            "configuration: `tls.cert` and `tls.key` go together; one of them is missing",
        ),
        (|config| config.source = "a\nb".into(), "configuration: `source` is `a\\nb`; text of 1 to 255 bytes"),
        (
            |config| config.clients.connections_max = 0,
            "configuration: `clients.connections_max` is 0; a whole number from 1",
        ),
        (|config| config.loader.rescan_ms = 0, "configuration: `loader.rescan_ms` is 0; a whole number from 50"),
        (|config| config.log.level = String::new(), "configuration: `log.level` is ``; text of 1 to 255"),
        (|config| config.data_dir = PathBuf::new(), "configuration: `data_dir` is empty; a path is needed"),
    ];
    for (spoil, expected) in table {
        let mut config = Config::default();
        spoil(&mut config);
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut config = Config::default();
    config.events.data_bytes_max = u64::MAX;
    assert!(config.check().is_err());
}

#[test]
fn a_line_holds_any_event_that_the_data_bound_allows() {
    let max = plugbus::config::Clients::line_bytes_max(1 << 20);
    assert!(max > (1 << 20) * 3 / 2 + 32 * 2 * 4096);
    assert!(plugbus::config::Clients::line_bytes_max(u64::MAX) > 0);
}
