//! The message of a commit.

use std::fmt::Write as _;

/// The longest subject line; longer names are cut, so that `git log --oneline` stays readable.
const LONGEST_SUBJECT: usize = 100;

/// A value that a commit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeLine<'a> {
    /// The image, as it stands in the file.
    pub image: &'a str,
    /// The old tag or digest; `None` if there was none.
    pub old: Option<&'a str>,
    /// The new tag or digest.
    pub new: &'a str,
}

/// The message that is used unless a template says otherwise.
///
/// It is the old updater's default message, so that whoever searches a history for it goes on
/// finding what they look for.
///
/// # Examples
///
/// ```
/// use image_update_core::message::{ChangeLine, default_message};
///
/// let change = ChangeLine { image: "nginx", old: Some("1.26"), new: "1.27" };
/// assert_eq!(
///     default_message("shop", &[change]),
///     "build: automatic update of shop\n\nupdates image nginx tag '1.26' to '1.27'\n"
/// );
/// ```
pub fn default_message(name: &str, changes: &[ChangeLine<'_>]) -> String {
    let subject = format!("build: automatic update of {name}");
    let mut message: String = subject.chars().take(LONGEST_SUBJECT).collect();
    message.push_str("\n\n");
    for change in changes {
        // Writing to a String can't fail.
        let _ = writeln!(
            message,
            "updates image {} tag '{}' to '{}'",
            change.image,
            change.old.unwrap_or_default(),
            change.new
        );
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_its_line() {
        let changes = [
            ChangeLine {
                image: "a",
                old: None,
                new: "1",
            },
            ChangeLine {
                image: "b",
                old: Some("2"),
                new: "3",
            },
        ];
        assert_eq!(
            default_message("x", &changes),
            "build: automatic update of x\n\nupdates image a tag '' to '1'\nupdates image b tag '2' to '3'\n"
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        let message = default_message(&"é".repeat(300), &[]);
        assert_eq!(
            message.lines().next().map(|line| line.chars().count()),
            Some(100)
        );
    }
}
