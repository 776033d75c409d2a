//! The tags that `explain` is given: a tag a line, optionally the time of its build after it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use image_update_core::image::{Candidate, Excerpt, Tag, TagError};
use jiff::Timestamp;

use super::failure::{Failure, warn};
use super::input;

/// The most that is read. The longest list a registry is read for has this many bytes of JSON, and
/// is shorter here.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Why a line is not a tag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum LineError {
    #[error("the tag {text} is not valid")]
    Tag {
        text: Excerpt,
        #[source]
        source: TagError,
    },
    #[error("{text} is not a time")]
    Time { text: Excerpt },
    #[error("{text} follows the tag and its time")]
    Rest { text: Excerpt },
}

/// Reads candidates from a file, or from standard input.
pub(super) fn read(path: &Path) -> Result<Vec<Candidate>, Failure> {
    let text = input::read_text(path, LIMIT_BYTES).map_err(|error| {
        let failure = Failure::from(error);
        failure.about("--tags-from")
    })?;
    let mut candidates = Vec::new();
    let mut lines = HashMap::new();
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1_usize..) {
        let candidate = match read_line(line) {
            Ok(Some(candidate)) => candidate,
            Ok(None) => continue,
            Err(error) => {
                let place = format!("--tags-from {}, line {number}", input::shown(path));
                return Err(Failure::input(error).about(place).hint(
                    "write a tag a line, and after a blank, if you like, the time of its build \
                     such as 2024-05-01T12:00:00Z",
                ));
            }
        };
        match lines.entry(candidate.tag.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(number);
                candidates.push(candidate);
            }
            Entry::Occupied(entry) => warn(&format!(
                "--tags-from {}, line {number}: {} stands on line {} already, which counts",
                input::shown(path),
                candidate.tag,
                entry.get()
            )),
        }
    }
    Ok(candidates)
}

/// `None` for a line of blanks.
fn read_line(line: &str) -> Result<Option<Candidate>, LineError> {
    let mut words = line.split_whitespace();
    let Some(tag) = words.next() else {
        return Ok(None);
    };
    let tag: Tag = tag.parse().map_err(|source| LineError::Tag {
        text: Excerpt::new(tag),
        source,
    })?;
    let created = words.next().map(|time| {
        time.parse::<Timestamp>().map_err(|_| LineError::Time {
            text: Excerpt::new(time),
        })
    });
    let created = created.transpose()?;
    if let Some(rest) = words.next() {
        return Err(LineError::Rest {
            text: Excerpt::new(rest),
        });
    }
    Ok(Some(Candidate { tag, created }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, Option<&str>)>) {
        let candidate = read_line(line).expect("the row's line can be read");
        let found = candidate.map(|it| (it.tag.to_string(), it.created.map(|it| it.to_string())));
        let expected = expected.map(|(tag, time)| (tag.to_owned(), time.map(str::to_owned)));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_time_may_follow_a_tag() {
        check("1.0", Some(("1.0", None)));
        check(" 1.0\t2024-05-01T12:00:00+02:00 \r", {
            Some(("1.0", Some("2024-05-01T10:00:00Z")))
        });
        check(" \t", None);
    }

    #[test]
    fn what_is_neither_is_named() {
        let text = |text| Excerpt::new(text);
        let error = |line| read_line(line).expect_err("the row's line is bad");
        assert_eq!(
            error("^1"),
            LineError::Tag {
                text: text("^1"),
                source: TagError::BadStart('^')
            }
        );
        assert_eq!(
            error("1 yesterday"),
            LineError::Time {
                text: text("yesterday")
            }
        );
        assert_eq!(
            error("1 2024-05-01T12:00:00Z x"),
            LineError::Rest { text: text("x") }
        );
    }
}
