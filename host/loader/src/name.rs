//! Names of plugins.

use std::fmt;
use std::sync::Arc;

/// Most bytes in the name of a plugin.
pub const PLUGIN_NAME_BYTES_MAX: usize = 64;

/// The name of a plugin, which is the stem of its file: 1 to 64 of `a`–`z`, `0`–`9` and `-`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct PluginName(Arc<str>);

/// Why a text is not the name of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a plugin name: 1 to {PLUGIN_NAME_BYTES_MAX} of a-z, 0-9 and - are allowed; rename the file", text.escape_debug())]
pub struct PluginNameError {
    /// The text, cut to 100 characters.
    pub text: String,
}

impl PluginName {
    /// Parses a name.
    ///
    /// # Errors
    /// Where the text is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, PluginNameError> {
        let fits = (1..=PLUGIN_NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(PluginNameError { text: text.chars().take(100).collect() }) }
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the plugin's subscription, which is the source of what it publishes too: `plugin/<name>`.
    #[must_use]
    pub fn subscription(&self) -> String {
        format!("plugin/{}", self.0)
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_letters_digits_and_dashes() {
        for good in ["a", "normalize-hooks", "9", &"x".repeat(64)] {
            assert!(PluginName::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "A", "a_b", "a.b", "a b", "ä", "../a", &"x".repeat(65)] {
            assert!(PluginName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(PluginName::parse("a-b").unwrap().subscription(), "plugin/a-b");
    }
}
