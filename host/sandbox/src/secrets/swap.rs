//! Values for placeholders on the way out, placeholders for values on the way in. Pure.

use std::cmp::Reverse;

use super::value::folded;
use super::{Hidden, PREFIX, SecretName, Secrets};
use crate::origin::Origin;

/// How often something in an answer is percent-decoded to find a value in it: a server that sends a URL on inside of another
/// one encodes it once more, and a third time is not unheard of.
const DECODINGS_MAX: usize = 3;

/// Where in a request something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The value of a header.
    Header,
    /// The path of the URL.
    Path,
    /// What follows the `?`.
    Query,
}

/// Why a request must not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// The secret is not for this origin.
    Elsewhere(SecretName),
    /// There is no room for so many values.
    NoRoom,
    /// The method asks the server to send the request back.
    Echoed,
}

impl Secrets {
    /// A part of a request to an origin, with values in it; nothing where no placeholder is in it. `room` is how many bytes of
    /// values may still go into the request.
    pub(crate) fn fill(
        &self,
        text: &[u8],
        place: Place,
        origin: &Origin,
        room: &mut usize,
    ) -> Result<Option<Vec<u8>>, Misplaced> {
        let mut filled = Vec::new();
        let mut rest = text;
        while let Some(at) = find(rest, PREFIX.as_bytes()) {
            let (before, from) = rest.split_at(at);
            filled.extend_from_slice(before);
            let Some(secret) = self.hidden.iter().find(|secret| from.starts_with(secret.placeholder.as_bytes())) else {
                // Nothing of ours.
                let (first, after) = from.split_at(PREFIX.len());
                filled.extend_from_slice(first);
                rest = after;
                continue;
            };
            if !secret.origins.contains(origin) {
                return Err(Misplaced::Elsewhere(secret.name.clone()));
            }
            let value = secret.at(place);
            *room = room.checked_sub(value.len()).ok_or(Misplaced::NoRoom)?;
            filled.extend_from_slice(value.as_bytes());
            rest = from.get(secret.placeholder.len()..).unwrap_or_default();
        }
        // Whatever begins like a placeholder and is none was copied too.
        filled.extend_from_slice(rest);
        Ok((filled != text).then_some(filled))
    }

    /// A part of an answer, with placeholders in the place of whole values, as they are or percent-encoded in whatever way, in
    /// upper or lower case; nothing where none is in it. Takes time that grows with the text alone, whoever wrote it.
    pub(crate) fn hide(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        let mut decoded = Decoded::new(text);
        for _ in 0..=DECODINGS_MAX {
            for secret in &self.hidden {
                found.extend(decoded.places(secret.value.folded()).map(|(start, end)| (start, end, secret)));
            }
            let Some(further) = decoded.further() else { break };
            decoded = further;
        }
        if found.is_empty() {
            return None;
        }
        // One value may be part of another, or begin where another has not yet ended: nothing of either stays.
        found.sort_by_key(|(start, end, _)| (*start, Reverse(*end)));
        let mut hidden = Vec::with_capacity(text.len());
        let mut at = 0;
        for (start, end, secret) in found {
            if start >= at {
                hidden.extend_from_slice(text.get(at..start).unwrap_or_default());
                hidden.extend_from_slice(secret.placeholder.as_bytes());
            }
            at = at.max(end);
        }
        hidden.extend_from_slice(text.get(at..).unwrap_or_default());
        Some(hidden)
    }
}

/// A text after some percent-decodings, its bytes folded.
struct Decoded {
    bytes: Vec<u8>,
    /// Where each byte begins in the text as it came, and where the last one ends.
    begins: Vec<usize>,
}

impl Decoded {
    fn new(text: &[u8]) -> Self {
        Self { bytes: text.iter().copied().map(folded).collect(), begins: (0..=text.len()).collect() }
    }

    /// Decoded once more; nothing where that changes nothing.
    fn further(&self) -> Option<Self> {
        let (mut bytes, mut begins) = (Vec::with_capacity(self.bytes.len()), Vec::with_capacity(self.begins.len()));
        let mut at = 0;
        while let (Some(byte), Some(begin)) = (self.bytes.get(at), self.begins.get(at)) {
            let decoded = self.bytes.get(at..at + 3).and_then(decoded);
            bytes.push(folded(decoded.unwrap_or(*byte)));
            begins.push(*begin);
            at += if decoded.is_some() { 3 } else { 1 };
        }
        begins.extend(self.begins.last());
        (bytes.len() < self.bytes.len()).then_some(Self { bytes, begins })
    }

    /// Where a folded value stands: begin and end in the text as it came.
    fn places(&self, value: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let place = move |at: usize| Some((*self.begins.get(at)?, *self.begins.get(at + value.len())?));
        memchr::memmem::find_iter(&self.bytes, value).filter_map(place)
    }
}

/// The byte that a `%` and two hexadecimal digits stand for. Pure.
fn decoded(code: &[u8]) -> Option<u8> {
    let [b'%', high, low] = *code else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

impl Hidden {
    fn at(&self, place: Place) -> &str {
        match place {
            Place::Header => self.value.as_is(),
            Place::Path => self.value.in_path(),
            Place::Query => self.value.in_query(),
        }
    }
}

/// Where something begins in a text. It is never empty.
fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len().max(1)).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{SecretGrant, SecretSource, Value};

    const HERE: &str = "https://here.example";

    fn secrets(all: &[(&str, &str)]) -> Secrets {
        let hidden = |(name, value): &(&str, &str)| {
            let name: SecretName = name.parse().unwrap();
            let source = SecretSource::Env("X".into());
            let origins = vec![HERE.parse().unwrap()];
            let grant = SecretGrant { name: name.clone(), source, origins: origins.clone(), expose: false };
            Hidden { name, placeholder: grant.placeholder(), value: Value::new(value).unwrap(), origins }
        };
        let mut hidden: Vec<_> = all.iter().map(hidden).collect();
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.placeholder.len()));
        Secrets { hidden }
    }

    fn fill(secrets: &Secrets, text: &str, place: Place, room: usize) -> Result<Option<String>, Misplaced> {
        let filled = secrets.fill(text.as_bytes(), place, &HERE.parse().unwrap(), &mut { room })?;
        Ok(filled.map(|filled| String::from_utf8(filled).unwrap()))
    }

    #[test]
    fn placeholders_become_values_in_the_form_of_their_place() {
        let secrets = secrets(&[("a", "one/two&3"), ("b", "four five")]);
        let [a, b] = [&secrets.hidden[0].placeholder, &secrets.hidden[1].placeholder];
        let fill = |text: &str, place| fill(&secrets, text, place, 1000).unwrap();
        assert_eq!(fill(&format!("Bearer {a}"), Place::Header).unwrap(), "Bearer one/two&3");
        assert_eq!(
            fill(&format!("/x/{a}/{b}{a}"), Place::Path).unwrap(),
            "/x/one/two&3/four%20fiveone/two&3".replace('&', "%26")
        );
        assert_eq!(fill(&format!("t={a}&u={b}"), Place::Query).unwrap(), "t=one%2Ftwo%263&u=four%20five");
        for text in ["", "nothing", "plugbus-secret-", "plugbus-secret-a-0123", "xplugbus-secret-plugbus-secret-c"] {
            assert_eq!(fill(text, Place::Header), None, "{text}");
        }
        let tricky = format!("plugbus-secret-{a}");
        assert_eq!(fill(&tricky, Place::Header).unwrap(), "plugbus-secret-one/two&3");
    }

    #[test]
    fn a_placeholder_that_begins_like_another_is_itself() {
        let short = secrets(&[("a", "the short one")]);
        let tail = short.hidden[0].placeholder.strip_prefix(PREFIX).unwrap().to_owned();
        let both = secrets(&[("a", "the short one"), (&tail, "the long one")]);
        let [long, short] = [&both.hidden[0].placeholder, &both.hidden[1].placeholder];
        assert!(long.starts_with(short.as_str()));
        let filled = fill(&both, &format!("{short},{long}"), Place::Header, 1000).unwrap().unwrap();
        assert_eq!(filled, "the short one,the long one");
    }

    #[test]
    fn other_origins_and_too_many_values_are_refused() {
        let secrets = secrets(&[("a", "hunter2 hunter2")]);
        let text = format!("x {}", secrets.hidden[0].placeholder);
        for other in ["http://here.example", "https://here.example:444", "https://there.example"] {
            let refused = secrets.fill(text.as_bytes(), Place::Header, &other.parse().unwrap(), &mut 1000);
            assert_eq!(refused, Err(Misplaced::Elsewhere("a".parse().unwrap())), "{other}");
        }
        assert_eq!(fill(&secrets, &text, Place::Header, 14), Err(Misplaced::NoRoom));
        assert_eq!(fill(&secrets, &(text.clone() + &text), Place::Header, 29), Err(Misplaced::NoRoom));
        assert!(fill(&secrets, &text, Place::Header, 15).is_ok());
    }

    #[test]
    fn values_become_placeholders_in_any_form_the_longest_first() {
        let secrets = secrets(&[("part", "hunter2/x"), ("whole", "my hunter2/x")]);
        let placeholder = |name: &str| {
            let named = secrets.hidden.iter().find(|secret| secret.name.as_str() == name);
            named.unwrap().placeholder.clone()
        };
        let (part, whole) = (placeholder("part"), placeholder("whole"));
        let hide = |text: &str| secrets.hide(text.as_bytes()).map(|hidden| String::from_utf8(hidden).unwrap());
        assert_eq!(hide("a hunter2/x b"), Some(format!("a {part} b")));
        assert_eq!(hide("/my%20hunter2/x"), Some(format!("/{whole}")));
        assert_eq!(hide("?q=hunter2%2Fx&r=my%20hunter2%2Fx"), Some(format!("?q={part}&r={whole}")));
        assert_eq!(hide("my hunter2/xhunter2/x"), Some(format!("{whole}{part}")));
        assert_eq!((hide(""), hide("hunter2")), (None, None));
    }

    #[test]
    fn a_value_is_found_however_a_server_encodes_it_once_more() {
        let secrets = secrets(&[("a", "T0/B 1+(x)%41")]);
        let placeholder = &secrets.hidden[0].placeholder;
        let hide = |text: &str| secrets.hide(text.as_bytes()).map(|hidden| String::from_utf8(hidden).unwrap());
        for form in [
            "T0/B 1+(x)%41",
            "t0/b 1+(X)%41",
            "T0%2FB%201%2B%28x%29%2541",
            "T0%2fB%201%2b%28x%29%2541",
            "T0/B+1%2B(x)%2541",
            "%540/B%201+(%78)%2541",
            "T0%252FB%25201%252B%2528x%2529%252541",
            "T0%25252fB%2525201%25252B(x)%25252541",
        ] {
            assert_eq!(
                hide(&format!("/login?next=%2Fa{form}%")),
                Some(format!("/login?next=%2Fa{placeholder}%")),
                "{form}"
            );
        }
        for text in ["T0/B 1+(x)A", "T0/B%2", "%", "%%%", "%2", "%zz%2F"] {
            assert_eq!(hide(text), None, "{text}");
        }
    }

    #[test]
    fn of_values_that_overlap_nothing_stays() {
        let secrets = secrets(&[("a", "abcdefgh"), ("b", "efghijkl")]);
        let named = |name: &str| secrets.hidden.iter().find(|secret| secret.name.as_str() == name).unwrap();
        assert_eq!(secrets.hide(b"<abcdefghijkl>").unwrap(), format!("<{}>", named("a").placeholder).as_bytes());
        assert_eq!(secrets.hide(b"<efghijkl>").unwrap(), format!("<{}>", named("b").placeholder).as_bytes());
    }
}
