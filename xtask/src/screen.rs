//! What whoever watches a task sees while it goes on: numbered steps, each with what happens and why.

use std::io::{self, IsTerminal};

/// Where what is said begins, and how wide a line may be: a terminal has 80 columns at the least.
const INDENT: &str = "   ";
const COLUMNS: usize = 80 - INDENT.len();

/// Counts the steps.
pub(crate) struct Screen {
    step: u32,
    is_terminal: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { step: 0, is_terminal: io::stdout().is_terminal() }
    }

    /// Begins a step: what happens, in a few words.
    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        self.heading(&format!("{}. {title}", self.step));
    }

    /// A heading without a number.
    pub(crate) fn heading(&self, title: &str) {
        if self.is_terminal {
            println!("\n\x1b[1m{title}\x1b[0m");
        } else {
            println!("\n{title}");
        }
    }

    /// More about it. Long lines are broken.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines().flat_map(|line| wrap(line, COLUMNS)) {
            println!("{}", format!("{INDENT}{line}").trim_end());
        }
    }
}

/// Breaks a line between words. What goes on is indented as the line is, and by two more where that begins with a label
/// (`name: …`). A word that is too long stays whole. Pure.
pub(crate) fn wrap(line: &str, columns: usize) -> Vec<String> {
    if line.chars().count() <= columns {
        return vec![line.to_owned()];
    }
    let indent = line.chars().take_while(|c| *c == ' ').count();
    let is_labelled = line.split_whitespace().next().is_some_and(|word| word.ends_with(':'));
    let indent_next = if is_labelled { indent + 2 } else { indent };
    let mut lines = vec![" ".repeat(indent)];
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let Some(last) = lines.last_mut() else { continue };
        let is_empty = last.trim().is_empty();
        if !is_empty && last.chars().count() + 1 + word.chars().count() > columns {
            lines.push(format!("{}{word}", " ".repeat(indent_next)));
        } else {
            last.push_str(if is_empty { "" } else { " " });
            last.push_str(word);
        }
    }
    lines
}

/// The first characters of a text that comes from a guest, on one line and without control characters. Pure.
pub(crate) fn brief(text: &str, characters_max: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut cut: String = flat.trim().chars().take(characters_max).collect();
    if flat.trim().chars().count() > characters_max {
        cut.push('…');
    }
    cut
}

/// Rows under their headings, two spaces apart: the first column to the left, numbers to the right. Pure.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column).unwrap_or_default();
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_the_ends_of_their_headings() {
        let rows = [["plugin", "events"], ["a", "7"], ["größer", "1000000"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(table(&rows), "plugin   events\na             7\ngrößer  1000000");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrap("a  table   stays", 16), ["a  table   stays"]);
        assert_eq!(wrap("  one two three", 9), ["  one two", "  three"]);
        assert_eq!(wrap("  one: two three", 10), ["  one: two", "    three"]);
        assert_eq!(wrap("aaaaaaaaaaaa b", 5), ["aaaaaaaaaaaa", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn a_guest_cannot_write_control_characters_to_the_terminal() {
        assert_eq!(brief(" a\u{1b}[31mb\nc ", 20), "a [31mb c");
        assert_eq!(brief("abcdef", 3), "abc…");
    }
}
