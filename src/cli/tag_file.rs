//! The tags that `explain` is given: a tag a line, optionally the time of its build after it.
//!
//! What is no tag is left out, as from a registry's list, because nobody could pull it; it is told.

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
    #[error("{text} is not a time")]
    Time { text: Excerpt },
    #[error("{text} follows the tag and its time")]
    Rest { text: Excerpt },
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct TagFile {
    /// Every tag once, in the order of the lines.
    pub(super) candidates: Vec<Candidate>,
    /// What is no tag, in the order of the lines.
    pub(super) others: Vec<NoTag>,
}

/// A text that stands where a tag belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoTag {
    /// What it begins with.
    pub(super) text: Excerpt,
    /// Why it is no tag.
    pub(super) why: TagError,
}

/// A line that is not empty.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Candidate(Candidate),
    Other(NoTag),
}

/// Reads candidates from a file, or from standard input.
pub(super) fn read(path: &Path) -> Result<TagFile, Failure> {
    let text = input::read_text(path, LIMIT_BYTES)
        .map_err(|error| Failure::from(error).about("--tags-from"))?;
    let mut file = TagFile::default();
    let mut lines = HashMap::new();
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1_usize..) {
        let place = || format!("--tags-from {}, line {number}", input::shown(path));
        let line = read_line(line).map_err(|error| {
            Failure::input(error).about(place()).hint(
                "write a tag a line, and after a blank, if you like, the time of its build \
                 such as 2024-05-01T12:00:00Z",
            )
        })?;
        match line {
            None => {}
            Some(Line::Other(other)) => file.others.push(other),
            Some(Line::Candidate(candidate)) => match lines.entry(candidate.tag.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(number);
                    file.candidates.push(candidate);
                }
                Entry::Occupied(entry) => warn(&format!(
                    "{}: {} stands on line {} already, which counts",
                    place(),
                    candidate.tag,
                    entry.get()
                )),
            },
        }
    }
    Ok(file)
}

/// `None` for a line of blanks.
fn read_line(line: &str) -> Result<Option<Line>, LineError> {
    let mut words = line.split_whitespace();
    let Some(text) = words.next() else {
        return Ok(None);
    };
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
    Ok(Some(match text.parse::<Tag>() {
        Ok(tag) => Line::Candidate(Candidate { tag, created }),
        Err(why) => Line::Other(NoTag {
            text: Excerpt::new(text),
            why,
        }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, tag: &str, created: Option<&str>) {
        let candidate = Candidate {
            tag: tag.parse().expect("the row's tag is one"),
            created: created.map(|time| time.parse().expect("the row's time is one")),
        };
        assert_eq!(read_line(line), Ok(Some(Line::Candidate(candidate))));
    }

    #[test]
    fn a_time_may_follow_a_tag() {
        check("1.0", "1.0", None);
        let time = "2024-05-01T10:00:00Z";
        check(" 1.0\t2024-05-01T12:00:00+02:00 \r", "1.0", Some(time));
        assert_eq!(read_line(" \t"), Ok(None));
    }

    #[test]
    fn what_is_no_tag_is_kept_apart() {
        let other = NoTag {
            text: Excerpt::new("1.2.3+meta"),
            why: TagError::BadCharacter('+'),
        };
        assert_eq!(read_line("1.2.3+meta"), Ok(Some(Line::Other(other))));
    }

    #[test]
    fn what_follows_and_is_no_time_is_an_error() {
        let text = Excerpt::new;
        let error = |line| read_line(line).expect_err("the row's line is bad");
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
