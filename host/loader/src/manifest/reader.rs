//! Reads values out of parsed TOML, with the place of each kept for the error message.

use std::ops::Range;
use std::path::Path;

use plugbus_bus::Start;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ManifestError, Problem};
use super::keys::{self, Key, Kind};

/// Longest text that a message quotes.
const QUOTED_CHARS_MAX: usize = 80;
/// Most bytes in a value of [`Kind::Text`].
const TEXT_BYTES_MAX: usize = 255;

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// The text of a manifest and where it came from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// An error at a place of the text.
    pub(super) fn error(&self, at: Range<usize>, problem: Problem) -> ManifestError {
        let (line, column) = line_and_column(self.text, at.start);
        ManifestError { path: self.path.to_owned(), line, column, problem }
    }
}

/// One table of the manifest whose keys have been checked against [`keys::KEYS`].
pub(super) struct Section<'a> {
    source: Source<'a>,
    name: &'static str,
    table: &'a DeTable<'a>,
    /// Where the table begins.
    span: Range<usize>,
}

impl<'a> Section<'a> {
    /// Takes a table as the section of this name.
    pub(super) fn new(
        source: Source<'a>,
        name: &'static str,
        table: &'a DeTable<'a>,
        span: Range<usize>,
    ) -> Result<Self, ManifestError> {
        for key in table.keys() {
            if keys::find(name, key.get_ref()).is_none() {
                let hint = hint(name, key.get_ref());
                let problem = Problem::UnknownKey { key: quoted(&dotted(name, key.get_ref())), hint };
                return Err(source.error(key.span(), problem));
            }
        }
        Ok(Self { source, name, table, span })
    }

    /// The section inside this one; an empty one where it is left out.
    pub(super) fn section(&self, key: &str, name: &'static str) -> Result<Option<Self>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let Some(table) = value.get_ref().as_table() else { return Err(self.wrong(key, value)) };
        Section::new(self.source, name, table, value.span()).map(Some)
    }

    /// The whole number under a key, within the bounds of the key.
    pub(super) fn integer(&self, key: &str) -> Result<Option<u64>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let number = value.get_ref().as_integer().and_then(|i| i128::from_str_radix(i.as_str(), i.radix()).ok());
        let number = number.and_then(|number| u64::try_from(number).ok());
        match (number, self.key(key).map(|key| key.kind)) {
            (Some(number), Some(Kind::Integer { min, max, .. })) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(key, value)),
        }
    }

    /// Where to begin: a word, or the number of an event.
    pub(super) fn start(&self, key: &str) -> Result<Option<Start>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let number = value.get_ref().as_integer().and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok());
        match (value.get_ref().as_str(), number) {
            (Some("new"), _) => Ok(Some(Start::New)),
            (Some("earliest"), _) => Ok(Some(Start::Earliest)),
            (_, Some(seq)) if seq > 0 => Ok(Some(Start::Seq(seq))),
            _ => Err(self.wrong(key, value)),
        }
    }

    /// The truth value under a key.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong(key, value))
    }

    /// The text under a key, 1 to 255 bytes without control characters.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        match value.get_ref().as_str() {
            Some(text) if (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) => {
                Ok(Some(text))
            }
            _ => Err(self.wrong(key, value)),
        }
    }

    /// The word under a key, out of those the key allows, as the key writes it.
    pub(super) fn choice(&self, key: &str) -> Result<Option<&'static str>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let words = match self.key(key).map(|key| key.kind) {
            Some(Kind::Choice(words)) => words,
            _ => &[],
        };
        let same = |word: &&&str| {
            value.get_ref().as_str().is_some_and(|text| word.replace('-', "_") == text.replace('-', "_"))
        };
        words.iter().find(same).map(|word| Some(*word)).ok_or_else(|| self.wrong(key, value))
    }

    /// The elements of the array under a key; none where it is left out.
    pub(super) fn array(&self, key: &str) -> Result<&'a [Value<'a>], ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(&[]) };
        let max = match self.key(key).map(|key| key.kind) {
            Some(Kind::Array { max, .. }) => max,
            _ => 0,
        };
        let array = value.get_ref().as_array().filter(|array| array.len() <= max);
        array.map(|array| &**array).ok_or_else(|| self.wrong(key, value))
    }

    /// The free-form table under a key.
    pub(super) fn table(&self, key: &str) -> Result<Option<&'a DeTable<'a>>, ManifestError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        value.get_ref().as_table().map(Some).ok_or_else(|| self.wrong(key, value))
    }

    /// A value that is read some other way, or the error that the key is missing.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, ManifestError> {
        value.ok_or_else(|| {
            let expected = self.key(key).map_or_else(String::new, |key| key.kind.expected());
            self.source.error(self.span.clone(), Problem::MissingKey { key: dotted(self.name, key), expected })
        })
    }

    /// The error that a value is not what was expected.
    pub(super) fn wrong(&self, key: &str, value: &Value<'_>) -> ManifestError {
        let expected = self.key(key).map_or_else(String::new, |key| key.kind.expected());
        self.unexpected(key, value.span(), self.found(key, value), expected)
    }

    /// The error that the value under a key breaks a rule that is told in words.
    pub(super) fn broken(&self, key: &str, expected: impl Into<String>) -> ManifestError {
        match self.table.get(key) {
            Some(value) => self.unexpected(key, value.span(), self.found(key, value), expected.into()),
            None => self.unexpected(key, self.span.clone(), "left out".into(), expected.into()),
        }
    }

    /// The error that one value under a key is not what was expected.
    pub(super) fn unexpected(&self, key: &str, at: Range<usize>, found: String, expected: String) -> ManifestError {
        self.source.error(at, Problem::WrongValue { key: dotted(self.name, key), found, expected })
    }

    /// The text this section is part of.
    pub(super) fn source(&self) -> Source<'a> {
        self.source
    }

    /// What stands under a key, for a message.
    fn found(&self, key: &str, value: &Value<'_>) -> String {
        // The likeliest mistake is to write the secret where its variable is to be named.
        match value.get_ref() {
            DeValue::String(_) if (self.name, key) == ("secrets", "env") => "a text that is not shown".into(),
            other => described(other),
        }
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        keys::find(self.name, name)
    }
}

/// What a value is, for a message: a scalar itself, of others the type.
pub(super) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", quoted(text)),
        DeValue::Integer(number) => quoted(&number.to_string()),
        DeValue::Float(number) => quoted(&number.to_string()),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => quoted(&time.to_string()),
        DeValue::Array(array) => format!("an array of {} elements", array.len()),
        DeValue::Table(_) => "a table".into(),
    }
}

/// Text from outside, fit for a message: cut and escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(QUOTED_CHARS_MAX) {
        match character {
            // Harmless on a terminal, and easier to read as they are.
            '"' | '\'' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The nearest right key: one that is written like it, or the same one of another table, or else all there are.
fn hint(section: &str, key: &str) -> String {
    let wanted: String = key.chars().take(QUOTED_CHARS_MAX).collect::<String>().to_lowercase().replace('-', "_");
    let distance = |name: &str| strsim::damerau_levenshtein(name, &wanted);
    let near = |name: &str| distance(name) <= (name.len() / 3).max(1);
    let nearest = keys::of_section(section).filter(|key| near(key.name)).min_by_key(|key| distance(key.name));
    if let Some(found) = nearest {
        return format!("did you mean `{}`?", dotted(section, found.name));
    }
    let elsewhere = keys::KEYS.iter().filter(|key| near(key.name)).min_by_key(|key| distance(key.name));
    match elsewhere {
        Some(found) if found.section.is_empty() => {
            format!("`{}` stands at the top of the file, before any table", found.name)
        }
        Some(found) => format!("did you mean `{}` in `[{}]`?", found.name, found.section),
        None => {
            let all: Vec<_> = keys::of_section(section).map(|key| key.name).collect();
            format!("allowed here: {}", all.join(", "))
        }
    }
}

/// Line and character of a byte offset, both counted from 1.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}
