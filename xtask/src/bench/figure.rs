//! One figure, as JSON and as a row of the table.

use serde::Deserialize;
use serde_json::{Value, json};

/// What was measured, beside what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Figure {
    /// `<figure>/<what>`.
    pub(crate) name: String,
    pub(crate) value: f64,
    /// `ns`, `ms`, `KiB`, …: of both values.
    pub(crate) unit: String,
    /// What it is set beside, if anything.
    pub(crate) beside: Option<String>,
    pub(crate) beside_value: Option<f64>,
}

impl Figure {
    /// Value over value beside. None where there is none, or where it is zero.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.beside_value.filter(|beside| *beside != 0.0).map(|beside| self.value / beside)
    }

    /// As it stands in the summary.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "beside": self.beside,
            "beside_value": self.beside_value,
            "ratio": self.ratio(),
        })
    }

    fn cells(&self) -> [String; 5] {
        let shown = |value: f64| scaled(value, &self.unit);
        [
            self.name.clone(),
            shown(self.value),
            self.beside.clone().unwrap_or_default(),
            self.beside_value.map(shown).unwrap_or_default(),
            self.ratio().map(|ratio| format!("{}×", digits(ratio))).unwrap_or_default(),
        ]
    }
}

/// A table with a heading, its columns as wide as they must be.
pub(crate) fn table(figures: &[Figure]) -> String {
    let headings = ["figure", "value", "beside", "value", "ratio"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(headings).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..5).filter_map(width).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 2 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A value in the unit in which it reads best.
fn scaled(value: f64, unit: &str) -> String {
    let steps: &[(&str, f64)] = match unit {
        "ns" => &[("s", 1e9), ("ms", 1e6), ("µs", 1e3)],
        _ => &[],
    };
    let (unit, step) = steps.iter().find(|(_, step)| value >= *step).copied().unwrap_or((unit, 1.0));
    format!("{} {unit}", digits(value / step))
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, unit: &str, beside: Option<f64>) -> Figure {
        Figure {
            name: "call/it".into(),
            value,
            unit: unit.into(),
            beside: beside.map(|_| "something else".into()),
            beside_value: beside,
        }
    }

    #[test]
    fn a_ratio_needs_something_beside() {
        assert_eq!(figure(3.0, "ns", Some(2.0)).to_json()["ratio"], 1.5);
        assert_eq!(figure(3.0, "ns", None).to_json()["ratio"], Value::Null);
        assert_eq!(figure(3.0, "ns", Some(0.0)).ratio(), None);
    }

    #[test]
    fn values_are_shown_with_three_digits_in_a_fitting_unit() {
        let table = [
            (12.345, "ns", "12.3 ns"),
            (1234.5, "ns", "1.23 µs"),
            (2.5e6, "ns", "2.50 ms"),
            (7e9, "ns", "7.00 s"),
            (1.234, "ms", "1.23 ms"),
            (2048.0, "KiB", "2048 KiB"),
        ];
        for (value, unit, expected) in table {
            assert_eq!(scaled(value, unit), expected);
        }
    }

    #[test]
    fn the_columns_of_the_table_stand_under_each_other() {
        let table = table(&[figure(1500.0, "ns", Some(1000.0)), figure(2.0, "MiB", None)]);
        let expected = "\
figure      value  beside            value  ratio
call/it   1.50 µs  something else  1.00 µs  1.50×
call/it  2.00 MiB";
        assert_eq!(table, expected);
    }
}
