const README: &str = include_str!("../../../../../README.md");

const MODULES: &[(&str, &str)] = &[
    ("pyee", include_str!("pyee.rs")),
    ("blinker", include_str!("blinker.rs")),
    ("asyncio-signal-bus", include_str!("asyncio_signal_bus.rs")),
    ("python-dispatch", include_str!("python_dispatch.rs")),
    ("asyncio_dispatch", include_str!("asyncio_dispatch.rs")),
    ("pypubsub", include_str!("pypubsub.rs")),
    ("zope.event", include_str!("zope_event.rs")),
    ("louie", include_str!("louie.rs")),
    ("smokesignal", include_str!("smokesignal.rs")),
    ("none of them", include_str!("none_of_them.rs")),
];

/// A row: the bus, its word, and what stands for it here.
type Row<'a> = (&'a str, &'a str, &'a str);

/// The rows of the table under "The old buses". A row without a bus belongs to the bus above it.
fn rows() -> Vec<Row<'static>> {
    let section = README.split("\n## The old buses\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut bus = "";
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [first, word, here] = cells[..] else { panic!("not three cells: {line}") };
        bus = if first.is_empty() { bus } else { first };
        rows.push((bus, word, here));
    }
    rows
}

/// The name of the test for a word: `responds-to queries` is `responds_to_queries`.
fn test_name(word: &str) -> String {
    let plain = word.replace('`', "").to_lowercase();
    plain.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

#[test]
fn every_row_has_a_test_that_uses_what_the_row_names() {
    let rows = rows();
    assert!(MODULES.iter().all(|(name, _)| rows.iter().any(|(bus, ..)| bus == name)), "a bus has no row");
    for (bus, word, here) in rows {
        let (_, module) =
            MODULES.iter().find(|(name, _)| *name == bus).unwrap_or_else(|| panic!("no module for {bus}"));
        let start = format!("fn {}() {{\n", test_name(word));
        let body = module.split(&start).nth(1).unwrap_or_else(|| panic!("{bus}: no test `{}`", test_name(word)));
        let body = body.split("\n}\n").next().unwrap();
        let named: Vec<&str> = here.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{bus}, {word}: nothing is named");
        for code in named {
            let name = code.rsplit("::").next().unwrap();
            // A trait is implemented beside the test.
            let place = if name.starts_with(char::is_uppercase) { *module } else { body };
            assert!(place.contains(name), "{bus}, {word}: the test does not use `{code}`");
        }
    }
}
