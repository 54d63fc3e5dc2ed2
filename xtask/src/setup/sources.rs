//! Reads apt's lists of sources, both formats, to learn which mirror the system itself uses. No I/O in here.

/// A place that serves Debian's main archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    /// As written in the sources, for example with a scheme of `http` or `file`.
    pub(super) uri: String,
    /// The keyring that the system checks it with; apt's own trusted keys when `None`.
    pub(super) signed_by: Option<String>,
}

impl Mirror {
    /// The line of a `sources.list` for one suite of this mirror.
    pub(super) fn line(&self, suite: &str) -> String {
        let options = self.signed_by.as_ref().map(|key| format!("[signed-by={key}] ")).unwrap_or_default();
        format!("deb {options}{} {suite} main", self.uri)
    }
}

/// The first mirror in a `*.list` file that serves `main` of one of `suites`.
pub(super) fn from_list(text: &str, suites: &[&str]) -> Option<Mirror> {
    text.lines().filter_map(entry_of_line).find_map(|entry| entry.mirror(suites))
}

/// The first mirror in a deb822 `*.sources` file that serves `main` of one of `suites`.
pub(super) fn from_deb822(text: &str, suites: &[&str]) -> Option<Mirror> {
    stanzas(text).iter().filter_map(|stanza| entry_of_stanza(stanza)).find_map(|entry| entry.mirror(suites))
}

/// One source, whichever format it was written in.
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
}

impl Entry {
    fn mirror(&self, suites: &[&str]) -> Option<Mirror> {
        let serves = self.suites.iter().any(|suite| suites.contains(&suite.as_str()))
            && self.components.iter().any(|component| component == "main");
        // A disc holds one release, never the packages wanted here.
        let uri = self.uris.iter().find(|uri| !uri.starts_with("cdrom:"));
        let uri = uri.filter(|_| serves)?.trim_end_matches('/').to_owned();
        Some(Mirror { uri, signed_by: self.signed_by.clone() })
    }
}

/// `deb [options] uri suite component…`
fn entry_of_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    Some(Entry {
        uris: vec![uri],
        suites: vec![suite],
        components: words.collect(),
        signed_by: signed_by.filter(|key| key.starts_with('/')).map(str::to_owned),
    })
}

/// Splits a deb822 text into stanzas of (field in lower case, value), with continuation lines joined and comments left out.
fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::<(String, String)>::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.trim().is_empty() {
            all.push(Vec::new());
            continue;
        }
        let Some(stanza) = all.last_mut() else { continue };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((field, value)) = line.split_once(':') {
            stanza.push((field.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    all
}

fn entry_of_stanza(stanza: &[(String, String)]) -> Option<Entry> {
    let field = |name: &str| stanza.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let words = |name: &str| field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let off = matches!(field("enabled"), Some("no" | "false" | "0" | "off"));
    if off || !words("types").iter().any(|kind| kind == "deb") {
        return None;
    }
    Some(Entry {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        // A key written into the file itself is not a path; apt's trusted keys then have to do.
        signed_by: field("signed-by").filter(|key| key.starts_with('/')).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITES: &[&str] = &["bookworm", "stable"];

    fn mirror(uri: &str, signed_by: Option<&str>) -> Option<Mirror> {
        Some(Mirror { uri: uri.to_owned(), signed_by: signed_by.map(str::to_owned) })
    }

    #[test]
    fn a_list_gives_the_first_line_of_a_wanted_suite_with_main() {
        let text = "# deb http://old.example/debian bookworm main\n\
                    deb-src http://src.example/debian bookworm main\n\
                    deb cdrom:[Debian]/ bookworm main\n\
                    deb http://other.example/apt cloud main\n\
                    deb http://free.example/debian bookworm non-free\n\
                    deb [ arch=amd64 signed-by=/keys/d.gpg ] http://mirror.example/debian/ bookworm main contrib # own\n";
        assert_eq!(from_list(text, SUITES), mirror("http://mirror.example/debian", Some("/keys/d.gpg")));
        assert_eq!(from_list("deb http://m.example/d stable main", SUITES), mirror("http://m.example/d", None));
        assert_eq!(from_list("debris http://m.example/d stable main\ndeb\ndeb [x", SUITES), None);
    }

    #[test]
    fn deb822_gives_the_first_enabled_stanza_of_a_wanted_suite_with_main() {
        let text = "Types: deb\n# a comment\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n\n\
                    Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
                    Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\n\
                    Components: main\nSigned-By: /keys/d.gpg\n";
        assert_eq!(from_deb822(text, SUITES), mirror("http://mirror.example/debian", Some("/keys/d.gpg")));
    }

    #[test]
    fn a_key_inside_the_file_is_not_taken_for_a_path() {
        let text = "Types: deb\nURIs: file:/srv/debian\nSuites: stable\nComponents: main\nSigned-By:\n -----BEGIN PGP-----\n .\n";
        assert_eq!(from_deb822(text, SUITES), mirror("file:/srv/debian", None));
    }

    #[test]
    fn a_mirror_writes_its_own_line() {
        let with_key = Mirror { uri: "http://m.example/d".into(), signed_by: Some("/k.gpg".into()) };
        assert_eq!(with_key.line("forky"), "deb [signed-by=/k.gpg] http://m.example/d forky main");
        let without = Mirror { signed_by: None, ..with_key };
        assert_eq!(without.line("sid"), "deb http://m.example/d sid main");
    }
}
