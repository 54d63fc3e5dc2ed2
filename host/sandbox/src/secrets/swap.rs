//! Values for placeholders on the way out, placeholders for values on the way in. Pure.

use super::{Hidden, PREFIX, SecretName, Secrets};
use crate::origin::Origin;

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

    /// A part of an answer, with placeholders in the place of values in any of their forms; nothing where none is in it.
    pub(crate) fn hide(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut forms: Vec<(&[u8], &Hidden)> = Vec::new();
        for secret in &self.hidden {
            let all = [secret.value.as_is(), secret.value.in_path(), secret.value.in_query()];
            forms.extend(
                all.into_iter()
                    .filter(|form| find(text, form.as_bytes()).is_some())
                    .map(|form| (form.as_bytes(), secret)),
            );
        }
        if forms.is_empty() {
            return None;
        }
        // One value may be part of another.
        forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        let mut hidden = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            match forms.iter().find(|(form, _)| rest.starts_with(form)) {
                Some((form, secret)) => {
                    hidden.extend_from_slice(secret.placeholder.as_bytes());
                    rest = rest.get(form.len()..).unwrap_or_default();
                }
                None => {
                    hidden.push(*first);
                    rest = after;
                }
            }
        }
        Some(hidden)
    }
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
}
