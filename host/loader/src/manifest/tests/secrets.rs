//! Tables under `[secrets]`, and texts that name one.

use plugbus_sandbox::{SECRETS_MAX, SecretSource};

use super::{bad, good};

/// A manifest with one secret in it, granted an origin for it.
fn with_secret(lines: &str) -> String {
    format!("[grants]\nhttp = [\"https://a.b\", \"http://c.d\", \"http://127.0.0.1:1\"]\n[secrets.s]\n{lines}")
}

#[test]
fn a_secret_has_one_place_and_origins_that_are_granted_or_is_exposed() {
    let secret = |lines: &str| good(&with_secret(lines)).grants.secrets.remove(0);
    let kept = secret("file = \"s\"\norigins = [\"https://a.b\", \"http://127.0.0.1:1\"]");
    assert_eq!(kept.source, SecretSource::File("plugins.d/s".into()));
    assert_eq!((kept.name.as_str(), kept.origins.len(), kept.expose), ("s", 2, false));
    let exposed = secret("env = \"S\"\nexpose = true");
    assert_eq!((exposed.source, exposed.expose), (SecretSource::Env("S".into()), true));
    for (lines, expected) in [
        (
            "origins = [\"https://a.b\"]",
            "p.toml:3:1: `secrets.env` is left out; expected the name of a variable, or `file`",
        ),
        ("env = \"S\"\nfile = \"s\"", "p.toml:5:8: `secrets.file` is \"s\"; expected no such key beside `env`"),
        ("env = \"S=\"", "p.toml:4:7: `secrets.env` is a text that is not shown; expected the name of a variable: "),
        ("env = \"S\"", "p.toml:3:1: `secrets.origins` is left out; expected the origins that may have it"),
        ("env = \"S\"\norigins = []", "expected the origins that may have it"),
        ("env = \"S\"\norigins = [\"https://a.b\"]\nexpose = true", "p.toml:5:11: `secrets.origins` is an array"),
        ("env = \"S\"\norigins = [\"http://c.d\"]", "expected https, or else `localhost` or an address"),
        ("env = \"S\"\norigins = [\"https://e.f\"]", "add `https://e.f` to `http` under `[grants]`"),
        (
            "env = \"S\"\norigins = [\"https://a.b/\"]",
            "p.toml:5:12: `secrets.origins` is \"https://a.b/\"; expected an origin",
        ),
        ("env = \"S\"\norigin = []", "did you mean `secrets.origins`?"),
    ] {
        let error = bad(&with_secret(lines));
        assert!(error.contains(expected), "{lines}\n  said:     {error}\n  expected: {expected}");
    }
    assert!(bad("[secrets.S]\nenv = \"S\"").contains("p.toml:1:10: `secrets` is `S`; expected another name: "));
    let long = "hunter2".repeat(40);
    for mistaken in ["TOKEN=hunter2", "xoxb-hunter2", "hunter2 hunter2", "2hunter2", long.as_str()] {
        let error = bad(&with_secret(&format!("env = \"{mistaken}\"\norigins = [\"https://a.b\"]")));
        assert!(error.contains("`secrets.env` is a text that is not shown") && !error.contains("hunter2"), "{error}");
    }
    assert!(bad("secrets = { s = \"hunter2\" }").contains("is of type string for `s`; expected a table"));
    let many = |count| (0..count).map(|n| format!("[secrets.s{n}]\nenv = \"S\"\nexpose = true\n")).collect::<String>();
    assert_eq!(good(&many(SECRETS_MAX)).grants.secrets.len(), SECRETS_MAX);
    assert!(bad(&many(SECRETS_MAX + 1)).contains("at most 16 secrets"));
}

#[test]
fn what_names_a_secret_in_the_configuration_becomes_its_placeholder() {
    let manifest = good(&with_secret(
        "env = \"S\"\norigins = [\"https://a.b\"]\n[grants.env]\nA = \"x ${secret:s}\"\n[config]\nurl = \"https://a.b/${secret:s}\"\nlist = [{ t = \"${secret:s}\" }]",
    ));
    let placeholder = manifest.grants.secrets[0].placeholder();
    assert_eq!(manifest.grants.env["A"], format!("x {placeholder}"));
    let config: serde_json::Value = serde_json::from_str(&manifest.config_json).unwrap();
    let expected = serde_json::json!({ "url": format!("https://a.b/{placeholder}"), "list": [{ "t": placeholder }] });
    assert_eq!(config, expected);
    let unknown = "expected a secret that has a table of its own, such as `[secrets.token]`";
    let error = bad("[config]\nx = \"hunter2 ${secret:t}\"");
    assert!(error.contains(&format!("p.toml:2:5: `config` is a text with `${{secret:t}}`; {unknown}")), "{error}");
    let error = bad("[grants.env]\nX = \"hunter2 ${secret:t}\"");
    assert!(error.contains(&format!("p.toml:2:5: `grants.env` is a text with `${{secret:t}}`; {unknown}")), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
