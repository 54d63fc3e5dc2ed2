//! The rules of topics and filters, for plugins that build topics or match them.
//!
//! A topic is 1 to 16 tokens separated by dots, at most 255 bytes; a token is any text without white space, control
//! characters, `.`, `*` and `>`. In a filter `*` stands for exactly one token and a final `>` for one or more. The
//! host checks all of this again.

/// Most bytes in a topic or filter.
pub const TOPIC_BYTES_MAX: usize = 255;
/// Most tokens in a topic or filter.
pub const TOPIC_TOKENS_MAX: usize = 16;
/// Most bytes in a token that [`token`] makes.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Makes a token in kebab-case out of a name from outside: ASCII letters and digits in lower case, a `-` between words.
///
/// Words end before a capital letter and at anything that is no ASCII letter or digit. At most 64 bytes; `None` where
/// nothing is left.
///
/// ```
/// use plugbus_sdk::topic::token;
/// assert_eq!(token("PreToolUse").as_deref(), Some("pre-tool-use"));
/// assert_eq!(token("mcp__github__create_issue").as_deref(), Some("mcp-github-create-issue"));
/// assert_eq!(token("HTTPServer v2").as_deref(), Some("http-server-v2"));
/// assert_eq!(token("…"), None);
/// ```
#[must_use]
pub fn token(name: &str) -> Option<String> {
    let mut token = String::new();
    let mut before: Option<char> = None;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        if token.len() >= TOKEN_BYTES_MAX {
            break;
        }
        if character.is_ascii_alphanumeric() {
            let next_is_lower = characters.peek().is_some_and(char::is_ascii_lowercase);
            let starts_word = character.is_ascii_uppercase()
                && before.is_some_and(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || (b.is_ascii_uppercase() && next_is_lower)
                });
            if starts_word {
                token.push('-');
            }
            token.push(character.to_ascii_lowercase());
        } else if !token.is_empty() && !token.ends_with('-') {
            token.push('-');
        }
        before = Some(character);
    }
    token.truncate(TOKEN_BYTES_MAX);
    let kept = token.trim_end_matches('-').len();
    token.truncate(kept);
    Some(token).filter(|token| !token.is_empty())
}

/// Whether a filter matches a topic. A filter that begins with a wildcard does not match the host's own `plugbus.` topics.
///
/// ```
/// use plugbus_sdk::topic::matches;
/// assert!(matches("hook.*.bash", "hook.pre-tool-use.bash"));
/// assert!(matches("hook.>", "hook.stop"));
/// assert!(!matches(">", "plugbus.plugin.loaded"));
/// ```
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut wanted = filter.split('.');
    let mut found = topic.split('.');
    if is_host(topic) && matches!(filter.split('.').next(), Some("*" | ">")) {
        return false;
    }
    loop {
        match (wanted.next(), found.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(want), Some(have)) if want == have => {}
            _ => return false,
        }
    }
}

/// Whether the topic is the host's own: its first token is `plugbus`.
#[must_use]
pub fn is_host(topic: &str) -> bool {
    topic.split('.').next() == Some("plugbus")
}

/// Whether a text is a topic.
///
/// # Errors
/// Says what is wrong and where.
pub fn check(topic: &str) -> Result<(), TopicError> {
    check_tokens(topic, false)
}

/// Whether a text is a filter.
///
/// # Errors
/// Says what is wrong and where.
pub fn check_filter(filter: &str) -> Result<(), TopicError> {
    check_tokens(filter, true)
}

/// Why a text is not a topic or filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Empty, or over the limit in bytes.
    #[error("has {0} bytes; 1 to {TOPIC_BYTES_MAX} are allowed")]
    Length(usize),
    /// Too many tokens.
    #[error("has {0} tokens; at most {TOPIC_TOKENS_MAX} are allowed")]
    TooManyTokens(usize),
    /// Two dots in a row, or one at an end.
    #[error("has an empty token at position {0}")]
    EmptyToken(usize),
    /// A character that is not allowed where it stands.
    #[error("has {1:?} in token {0}, where it is not allowed")]
    BadCharacter(usize, char),
}

fn check_tokens(text: &str, is_filter: bool) -> Result<(), TopicError> {
    if !(1..=TOPIC_BYTES_MAX).contains(&text.len()) {
        return Err(TopicError::Length(text.len()));
    }
    let tokens = text.split('.').count();
    if tokens > TOPIC_TOKENS_MAX {
        return Err(TopicError::TooManyTokens(tokens));
    }
    for (token, position) in text.split('.').zip(1..) {
        if token.is_empty() {
            return Err(TopicError::EmptyToken(position));
        }
        if is_filter && (token == "*" || (token == ">" && position == tokens)) {
            continue;
        }
        let bad = |c: &char| matches!(c, '*' | '>') || c.is_whitespace() || c.is_control();
        if let Some(character) = token.chars().find(bad) {
            return Err(TopicError::BadCharacter(position, character));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_tokens() {
        let table = [
            ("Bash", Some("bash")),
            ("WebFetch", Some("web-fetch")),
            ("TodoWrite", Some("todo-write")),
            ("mcp__server__tool", Some("mcp-server-tool")),
            ("a.b *>c", Some("a-b-c")),
            ("--x--", Some("x")),
            ("ÄÖ", None),
            ("Grüße", Some("gr-e")),
            ("v2Beta", Some("v2-beta")),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(token(name).as_deref(), expected, "{name}");
        }
        assert_eq!(token(&"x".repeat(500)).map(|t| t.len()), Some(TOKEN_BYTES_MAX));
        assert_eq!(token(&"aB".repeat(500)).map(|t| t.len() <= TOKEN_BYTES_MAX), Some(true));
    }

    /// Texts of the few characters that matter, so that most draws come near to a topic.
    fn near_topic() -> impl Strategy<Value = String> {
        "[ab.*> \u{e9}\n]{0,12}|(plugbus|a|b|\\*)(\\.(a|b|\\*)){0,17}(\\.>)?|a{250,260}"
    }

    proptest! {
        #[test]
        fn the_rules_are_those_of_the_bus(filter in near_topic(), topic in near_topic()) {
            let bus_topic = plugbus_bus::Topic::parse(&topic);
            let bus_filter = plugbus_bus::Filter::parse(&filter);
            prop_assert_eq!(check(&topic).is_ok(), bus_topic.is_ok(), "topic {:?}", topic);
            prop_assert_eq!(check_filter(&filter).is_ok(), bus_filter.is_ok(), "filter {:?}", filter);
            if let (Ok(bus_topic), Ok(bus_filter)) = (bus_topic, bus_filter) {
                prop_assert_eq!(matches(&filter, &topic), bus_filter.matches(&bus_topic), "{:?} on {:?}", filter, topic);
            }
        }

        #[test]
        fn a_token_is_always_a_topic(name in "\\PC{0,100}") {
            if let Some(token) = token(&name) {
                prop_assert!(check(&token).is_ok() && !token.contains('.'), "{:?}", token);
            }
        }
    }
}
