//! Topics and filters: what events are published on and what subscriptions ask for.
//!
//! The rules are those of NATS subjects: dot-separated tokens; in a filter `*` stands for exactly one token and a final
//! `>` for one or more. Both types are parsed once at the edge and cannot hold anything malformed afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Most bytes in a topic or filter.
pub const TOPIC_BYTES_MAX: usize = 255;
/// Most tokens in a topic or filter.
pub const TOPIC_TOKENS_MAX: usize = 16;
/// First token of the topics that only the host publishes.
pub const HOST_TOKEN: &str = "plugbus";

/// A valid topic, for example `hook.pre-tool-use.bash`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// A valid topic filter, for example `hook.*.bash` or `hook.>`. Cheap to clone.
///
/// A filter whose first token is a wildcard does not match the host's own `plugbus.` topics, so that a relay of everything
/// never loops on reports about itself; `plugbus.>` asks for them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(Arc<str>);

/// Why a text is not a topic or filter. Carries what was wrong and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is empty.
    #[error("is empty; a topic has 1 to {TOPIC_TOKENS_MAX} tokens separated by dots")]
    Empty,
    /// The text is longer than [`TOPIC_BYTES_MAX`].
    #[error("has {bytes} bytes; at most {TOPIC_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// More tokens than [`TOPIC_TOKENS_MAX`].
    #[error("`{}` has {tokens} tokens; at most {TOPIC_TOKENS_MAX} are allowed", text.escape_debug())]
    TooManyTokens {
        /// The text as given.
        text: String,
        /// Tokens found.
        tokens: usize,
    },
    /// Two dots in a row, or a dot at either end.
    #[error(
        "`{}` has an empty token at position {position}; write one dot between tokens and none at the ends",
        text.escape_debug()
    )]
    EmptyToken {
        /// The text as given.
        text: String,
        /// Token number, counted from 1.
        position: usize,
    },
    /// White space, a control character, or a wildcard where none may stand.
    #[error("`{}` has {character:?} in token {position}; {hint}", text.escape_debug())]
    BadCharacter {
        /// The text as given.
        text: String,
        /// The character.
        character: char,
        /// Token number, counted from 1.
        position: usize,
        /// How to mend it.
        hint: &'static str,
    },
}

impl Topic {
    /// Parses a topic.
    ///
    /// # Errors
    /// [`TopicError`] names the first thing that is wrong.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, TopicError> {
        let text = text.as_ref();
        check_tokens(text, |token, position, _last| check_characters(text, token, position))?;
        Ok(Self(text.into()))
    }

    /// The text of the topic.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens, first to last.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the topic is the host's own: its first token is `plugbus`.
    #[must_use]
    pub fn is_host(&self) -> bool {
        is_host(&self.0)
    }
}

impl Filter {
    /// Parses a filter. Every topic is also a filter that matches just itself.
    ///
    /// # Errors
    /// [`TopicError`] names the first thing that is wrong.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, TopicError> {
        let text = text.as_ref();
        check_tokens(text, |token, position, last| match token {
            "*" => Ok(()),
            ">" if last => Ok(()),
            _ => check_characters(text, token, position),
        })?;
        Ok(Self(text.into()))
    }

    /// The text of the filter.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens, first to last.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the filter matches the topic. Takes time in the length of the shorter one.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        if topic.is_host() && self.starts_with_wildcard() {
            return false;
        }
        let mut wanted = self.tokens();
        let mut found = topic.tokens();
        loop {
            match (wanted.next(), found.next()) {
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(_)) => {}
                (Some(want), Some(have)) if want == have => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }

    /// Whether every topic that `narrower` matches is matched by this filter too.
    #[must_use]
    pub fn covers(&self, narrower: &Self) -> bool {
        if self.starts_with_wildcard() && narrower.tokens().next() == Some(HOST_TOKEN) {
            return false;
        }
        let mut wide = self.tokens();
        let mut narrow = narrower.tokens();
        loop {
            match (wide.next(), narrow.next()) {
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(token)) if token != ">" => {}
                (Some(want), Some(have)) if want == have => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }

    /// Whether the filter is about the host's own topics.
    #[must_use]
    pub fn is_host(&self) -> bool {
        is_host(&self.0)
    }

    fn starts_with_wildcard(&self) -> bool {
        matches!(self.tokens().next(), Some("*" | ">"))
    }
}

impl From<&Topic> for Filter {
    fn from(topic: &Topic) -> Self {
        Self(topic.0.clone())
    }
}

/// Splits into tokens and checks what topics and filters have in common.
fn check_tokens(
    text: &str,
    mut check: impl FnMut(&str, usize, bool) -> Result<(), TopicError>,
) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > TOPIC_BYTES_MAX {
        return Err(TopicError::TooLong { bytes: text.len() });
    }
    let tokens = text.split('.').count();
    if tokens > TOPIC_TOKENS_MAX {
        return Err(TopicError::TooManyTokens { text: text.into(), tokens });
    }
    for (token, position) in text.split('.').zip(1..) {
        if token.is_empty() {
            return Err(TopicError::EmptyToken { text: text.into(), position });
        }
        check(token, position, position == tokens)?;
    }
    Ok(())
}

fn check_characters(text: &str, token: &str, position: usize) -> Result<(), TopicError> {
    let bad = |character, hint| TopicError::BadCharacter { text: text.into(), character, position, hint };
    for character in token.chars() {
        match character {
            '*' => return Err(bad(character, "a wildcard is allowed only in a filter, as a whole token")),
            '>' => return Err(bad(character, "`>` is allowed only in a filter, as the whole last token")),
            c if c.is_whitespace() || c.is_control() => {
                return Err(bad(character, "white space and control characters are not allowed"));
            }
            _ => {}
        }
    }
    Ok(())
}

macro_rules! text_type {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.0)
            }
        }
        impl FromStr for $type {
            type Err = TopicError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl TryFrom<&str> for $type {
            type Error = TopicError;
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }
        impl TryFrom<String> for $type {
            type Error = TopicError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(text).map_err(serde::de::Error::custom)
            }
        }
    };
}
text_type!(Topic);
text_type!(Filter);

/// Whether the first token is the host's.
fn is_host(text: &str) -> bool {
    text.strip_prefix(HOST_TOKEN).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::parse(text).unwrap()
    }
    fn filter(text: &str) -> Filter {
        Filter::parse(text).unwrap()
    }

    #[test]
    fn filters_match_by_the_rules_of_nats() {
        let table = [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "a.b", false),
            ("a.b", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.*.c", "a.b.c", true),
            ("*", "a", true),
            ("*", "a.b", false),
            (">", "a", true),
            (">", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c", true),
            ("*.>", "a", false),
            ("*.>", "a.b", true),
            (">", "plugbus.plugin.loaded", false),
            ("*.plugin.loaded", "plugbus.plugin.loaded", false),
            ("plugbus.>", "plugbus.plugin.loaded", true),
            ("plugbus.plugin.*", "plugbus.plugin.loaded", true),
            (">", "plugbusy.x", true),
            ("größe.*", "größe.ok", true),
        ];
        for (f, t, expected) in table {
            assert_eq!(filter(f).matches(&topic(t)), expected, "{f} on {t}");
        }
    }

    #[test]
    fn a_filter_covers_what_it_contains() {
        let table = [
            ("a.>", "a.b", true),
            ("a.>", "a.*", true),
            ("a.>", "a.>", true),
            ("a.*", "a.>", false),
            ("a.*", "a.b", true),
            ("a.b", "a.*", false),
            (">", "plugbus.>", false),
            (">", ">", true),
            ("a", "a", true),
            ("a", "a.b", false),
        ];
        for (wide, narrow, expected) in table {
            assert_eq!(filter(wide).covers(&filter(narrow)), expected, "{wide} covers {narrow}");
        }
    }

    #[test]
    fn malformed_topics_are_refused_with_the_place() {
        assert_eq!(Topic::parse(""), Err(TopicError::Empty));
        assert!(matches!(Topic::parse("a..b"), Err(TopicError::EmptyToken { position: 2, .. })));
        assert!(matches!(Topic::parse(".a"), Err(TopicError::EmptyToken { position: 1, .. })));
        assert!(matches!(Topic::parse("a."), Err(TopicError::EmptyToken { position: 2, .. })));
        assert!(matches!(Topic::parse("a.*"), Err(TopicError::BadCharacter { character: '*', position: 2, .. })));
        assert!(matches!(Topic::parse("a.b c"), Err(TopicError::BadCharacter { character: ' ', .. })));
        assert!(matches!(Topic::parse("a\u{0}"), Err(TopicError::BadCharacter { .. })));
        assert!(matches!(Topic::parse("x".repeat(256)), Err(TopicError::TooLong { bytes: 256 })));
        assert!(Topic::parse("x".repeat(255)).is_ok());
        assert!(matches!(Topic::parse(["a"; 17].join(".")), Err(TopicError::TooManyTokens { tokens: 17, .. })));
        assert!(Topic::parse(["a"; 16].join(".")).is_ok());
    }

    #[test]
    fn malformed_filters_are_refused_with_the_place() {
        assert!(matches!(Filter::parse("a.>.b"), Err(TopicError::BadCharacter { character: '>', position: 2, .. })));
        assert!(matches!(Filter::parse("a*"), Err(TopicError::BadCharacter { character: '*', position: 1, .. })));
        assert!(matches!(Filter::parse("a.b>"), Err(TopicError::BadCharacter { character: '>', position: 2, .. })));
    }
}
