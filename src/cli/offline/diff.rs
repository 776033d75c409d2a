//! Unified diffs, coloured for people.

use std::io::IsTerminal as _;

use similar::TextDiff;

use crate::config;

/// How many lines around a change are shown, as git has it.
const CONTEXT_LINES: usize = 3;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// For a terminal.
    On,
    /// For a pipe or a file.
    Off,
}

impl Colours {
    /// On a terminal, unless <https://no-color.org> is asked for.
    pub(super) fn of_stdout() -> Self {
        let is_plain = config::variable("NO_COLOR").is_some()
            || config::variable("TERM").is_some_and(|it| *it == "dumb");
        if std::io::stdout().is_terminal() && !is_plain {
            Self::On
        } else {
            Self::Off
        }
    }

    /// The text as it is printed. On a terminal control characters of files do nothing.
    pub(super) fn paint(self, text: &str) -> String {
        match self {
            Self::Off => text.to_owned(),
            Self::On => text.split_inclusive('\n').map(painted).collect(),
        }
    }
}

/// The code of a line by its first characters.
fn code(line: &str) -> Option<&'static str> {
    let is_head = ["#", "--- ", "+++ "].iter().any(|it| line.starts_with(it));
    match line.chars().next() {
        _ if is_head => Some("1"),
        Some('-') => Some("31"),
        Some('+') => Some("32"),
        Some('@') => Some("36"),
        _ => None,
    }
}

fn painted(line: &str) -> String {
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let is_shown = |character: &char| !character.is_control() || *character == '\t';
    let text: String = text.chars().filter(is_shown).collect();
    match code(&text) {
        Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m{end}"),
        None => format!("{text}{end}"),
    }
}

/// The difference of two texts of the name `path`; one that is not there is `None`.
pub(super) fn unified(path: &str, before: Option<&[u8]>, after: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (old, new) = (before.map(text).unwrap_or_default(), text(after));
    let old_name = match before {
        Some(_) => format!("a/{path}"),
        None => "/dev/null".to_owned(),
    };
    let diff = TextDiff::from_lines(&old, &new);
    let mut unified = diff.unified_diff();
    unified
        .context_radius(CONTEXT_LINES)
        .header(&old_name, &format!("b/{path}"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: Option<&str>, after: &str, expected: &str) {
        let diff = unified("f.yaml", before.map(str::as_bytes), after.as_bytes());
        assert_eq!(diff, expected);
    }

    #[test]
    fn a_changed_line_stands_with_three_around_it() {
        check(
            Some("1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
            "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
            "--- a/f.yaml\n+++ b/f.yaml\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
        );
    }

    #[test]
    fn a_new_file_comes_from_nowhere() {
        check(
            None,
            "a\n",
            "--- /dev/null\n+++ b/f.yaml\n@@ -0,0 +1 @@\n+a\n",
        );
    }

    #[test]
    fn a_missing_line_end_is_told() {
        check(
            Some("a"),
            "b",
            "--- a/f.yaml\n+++ b/f.yaml\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\
             \\ No newline at end of file\n",
        );
    }

    #[test]
    fn colours_are_for_a_terminal_and_files_do_nothing_to_it() {
        let text = "# x\n-a\u{1b}[2J\n+b\n c\n";
        assert_eq!(Colours::Off.paint(text), text);
        assert_eq!(
            Colours::On.paint(text),
            "\u{1b}[1m# x\u{1b}[0m\n\u{1b}[31m-a[2J\u{1b}[0m\n\u{1b}[32m+b\u{1b}[0m\n c\n"
        );
    }
}
