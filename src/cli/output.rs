//! Data on standard output: as a table for people, as JSON or YAML for programs.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::failure::Failure;

/// How data is printed.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct OutputFlag {
    /// How the outcome is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// A form of data.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
enum Format {
    /// Lines for people; their form may change.
    Table,
    /// One JSON object.
    Json,
    /// One YAML document.
    Yaml,
}

impl OutputFlag {
    /// Prints `data`; `table` is what people get.
    pub(super) fn print<T: Serialize>(
        self,
        data: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self.output {
            Format::Table => table(data),
            Format::Json => {
                let json = serde_json::to_string_pretty(data);
                json.context("could not write JSON")? + "\n"
            }
            Format::Yaml => serde_yaml::to_string(data).context("could not write YAML")?,
        };
        write(text.as_bytes())
    }
}

/// Writes data to standard output. Whoever stops reading has what they want: that is no failure.
pub(super) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.context("could not write to standard output")?),
    }
}

/// Lines whose cells stand below each other, two blanks apart; nothing follows the last cell, and nothing
/// in one acts on a terminal.
pub(super) fn columns<const N: usize>(rows: &[[&str; N]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String does not fail.
            let cell: String = cell.chars().filter(|it| !it.is_control()).collect();
            write!(line, "{cell:width$}  ").ok();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let rows = [["TAG", "RULE"], ["1.10.0-é", "Outranked"], ["2", ""]];
        assert_eq!(columns(&rows), "TAG       RULE\n1.10.0-é  Outranked\n2\n");
        assert_eq!(columns(&[["a\u{1b}[2Jb"]]), "a[2Jb\n");
    }
}
