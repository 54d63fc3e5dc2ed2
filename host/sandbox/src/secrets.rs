//! Secrets: values that a plugin uses without seeing them.
//!
//! A manifest names a secret, where its value is read from, and the origins that may have it. The guest is given a
//! placeholder, in its configuration and its variables; the host puts the value in the placeholder's place in the headers, the
//! path and the query of an HTTP request to one of these origins ([`crate::http`]). A request to any other origin that
//! has the placeholder there is refused. In the headers and trailers of an answer the value becomes the placeholder again. Bodies
//! are passed on as they are, both ways: whoever sends an answer has the value anyhow, and may tell it.
//!
//! The value is read when the plugin is linked, which is at each load and reload; every instance of the generation has
//! the same. It is shown nowhere: the one type that holds it prints nothing of it.
//!
//! The placeholder opens nothing but the secret's origins. Yet whoever knew it could write it into an event, and a plugin that
//! passes text of events on in a query or a header would have the value put into a message, say, which others read. So nobody
//! can tell it beforehand: each process makes its own. A generation after a reload has the same one, as long as the secret's
//! table in the manifest stays the same. In an answer a whole value is found, as it is or percent-encoded, in either case; a
//! part of one, or one in another code (base64), is not.
//!
//! What bounds it: [`SECRETS_MAX`] of a plugin, [`SECRET_CHARS`] of a value, 64 KiB of values put into one request.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::compile::hex;
use crate::config::PluginSpec;
use crate::origin::Origin;

mod read;
mod swap;
mod value;

pub use read::{SecretError, SecretProblem};
pub(crate) use swap::{Misplaced, Place};
pub(crate) use value::Value;

/// Most secrets of one plugin.
pub const SECRETS_MAX: usize = 16;
/// Characters of a value. A shorter one would be found by chance in answers, where it is replaced.
pub const SECRET_CHARS: RangeInclusive<usize> = 8..=8192;

/// One secret, as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretGrant {
    /// Its name.
    pub name: SecretName,
    /// Where its value is.
    pub source: SecretSource,
    /// Who may have it. With none, and not exposed, it goes nowhere.
    pub origins: Vec<Origin>,
    /// Whether the guest is given the value itself, in the placeholder's place. Then nothing holds it back.
    pub expose: bool,
}

/// The name of a secret: 1 to 64 of a-z, 0-9, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SecretName(String);

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// In a variable of the host's environment.
    Env(String),
    /// In a file that nobody but its owner may read or write. One line break at its end is not part of the value.
    File(PathBuf),
}

/// Why a text is no name of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a secret is 1 to 64 of a-z, 0-9, `-` and `_`")]
pub struct SecretNameError;

impl FromStr for SecretName {
    type Err = SecretNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(SecretNameError)
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable `{}`", name.escape_debug()),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// What all placeholders begin with.
const PREFIX: &str = "plugbus-secret-";
/// What makes the placeholders of this process unlike those of any other. Never shown.
static KEY: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

impl SecretGrant {
    /// What stands for the value: letters, digits, `-` and `_`, so that it passes through URLs, headers and JSON unchanged. The
    /// same for an equal grant as long as the process runs. Another plugin whose secret has this name has another one.
    ///
    /// # Panics
    /// Where the system has no random numbers.
    #[must_use]
    pub fn placeholder(&self) -> String {
        let digest = Sha256::digest(format!("{} {self:?}", *KEY));
        format!("{PREFIX}{}-{}", self.name, hex(digest.get(..8).unwrap_or_default()))
    }
}

/// The secrets of one generation, with their values. Its `Debug` shows none.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Those that the guest does not see; the longest placeholders first, as one may begin like another.
    hidden: Vec<Hidden>,
}

/// A secret that the guest does not see.
#[derive(Debug)]
struct Hidden {
    name: SecretName,
    placeholder: String,
    value: Value,
    origins: Vec<Origin>,
}

impl Secrets {
    /// Reads all values. Where the guest is to see one, it takes the placeholder's place in the description.
    pub(crate) fn read(spec: &mut PluginSpec) -> Result<Self, SecretError> {
        let mut hidden = Vec::new();
        for grant in spec.grants.secrets.clone() {
            let value = read::value(&grant)?;
            let placeholder = grant.placeholder();
            if grant.expose {
                spec.config_json = spec.config_json.replace(&placeholder, &value.in_json());
                for variable in spec.grants.env.values_mut() {
                    *variable = variable.replace(&placeholder, value.as_is());
                }
            } else {
                hidden.push(Hidden { name: grant.name, placeholder, value, origins: grant.origins });
            }
        }
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.placeholder.len()));
        Ok(Self { hidden })
    }

    /// Whether there are none that the guest does not see.
    pub(crate) fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(name: &str) -> SecretGrant {
        let source = SecretSource::Env("NOBODY_SETS_THIS".into());
        SecretGrant { name: name.parse().unwrap(), source, origins: Vec::new(), expose: false }
    }

    #[test]
    fn a_placeholder_is_made_of_the_name_and_passes_through_anything() {
        let placeholder = grant("slack_1").placeholder();
        assert_eq!(placeholder, grant("slack_1").placeholder());
        assert!(placeholder.starts_with("plugbus-secret-slack_1-"), "{placeholder}");
        assert!(placeholder.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{placeholder}");
        assert_ne!(placeholder, grant("slack_2").placeholder());
    }

    #[test]
    fn a_placeholder_cannot_be_told_from_what_others_know() {
        // By another plugin with a secret of the same name, or by whoever has read this code.
        let source = SecretSource::Env("OF_ANOTHER_PLUGIN".into());
        assert_ne!(grant("a").placeholder(), SecretGrant { source, ..grant("a") }.placeholder());
        let known = Sha256::digest(format!("{} {:?}", Uuid::nil(), grant("a")));
        assert!(!grant("a").placeholder().ends_with(&hex(&known[..8])));
        assert_eq!(KEY.get_version_num(), 4);
    }

    #[test]
    fn names_are_plain() {
        for name in ["a", "a-b_c9", &"x".repeat(64)] {
            assert!(name.parse::<SecretName>().is_ok(), "{name}");
        }
        for name in ["", "A", "a b", "a.b", "ä", "a}", &"x".repeat(65)] {
            assert!(name.parse::<SecretName>().is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_exposed_takes_the_place_of_its_placeholder_and_what_is_not_stays_one() {
        let path = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let mut seen = SecretGrant { source: SecretSource::Env("CARGO_MANIFEST_DIR".into()), ..grant("seen") };
        let unseen = SecretGrant { name: "unseen".parse().unwrap(), ..seen.clone() };
        seen.expose = true;
        let config = serde_json::json!({ "a": format!("x {}", seen.placeholder()), "b": unseen.placeholder() });
        let mut spec = PluginSpec::new("x");
        spec.config_json = config.to_string();
        spec.grants.env = [("A".to_owned(), seen.placeholder()), ("B".to_owned(), unseen.placeholder())].into();
        spec.grants.secrets = vec![seen, unseen.clone()];
        let secrets = Secrets::read(&mut spec).unwrap();
        let config: serde_json::Value = serde_json::from_str(&spec.config_json).unwrap();
        assert_eq!(config, serde_json::json!({ "a": format!("x {path}"), "b": unseen.placeholder() }));
        assert_eq!((&spec.grants.env["A"], &spec.grants.env["B"]), (&path, &unseen.placeholder()));
        assert_eq!(secrets.hidden.len(), 1);
        assert!(!format!("{secrets:?}").contains(&path));
    }
}
