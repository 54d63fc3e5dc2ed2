//! The packets of Socket.IO that a client of the figures gets. Pure.

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// The server asks whether the client is there.
    Ping,
    /// The answer to a request: its arguments, a JSON array.
    Answer(&'a str),
    /// An event under this name, with the arguments that follow it: JSON, up to the end of the array.
    Event(&'a str, &'a str),
    /// Anything else.
    Other,
}

/// Reads a packet of the main namespace.
pub(crate) fn parse(text: &str) -> Packet<'_> {
    if text == "2" {
        return Packet::Ping;
    }
    if let Some(rest) = text.strip_prefix("43") {
        return Packet::Answer(rest.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    // No name of ours has a quote or a backslash in it.
    let event = text.strip_prefix("42[\"").and_then(|rest| rest.split_once('"'));
    event.map_or(Packet::Other, |(name, rest)| Packet::Event(name, rest.trim_start_matches(',')))
}

/// The number that follows a key, the first time that it comes: a text is searched, and no JSON parsed, since a client gets many.
pub(crate) fn number(json: &str, key: &str) -> Option<u64> {
    let (_, rest) = json.split_once(&format!("\"{key}\":"))?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}
