//! An error with its causes as one line, for who has one line: a status, an event, an answer.

use std::error::Error;
use std::iter::successors;

/// The error and what caused it, from the outside in. A hint that stands on a line of its own
/// follows after a semicolon.
pub fn in_one_line(error: &dyn Error) -> String {
    let causes: Vec<String> = successors(Some(error), |&cause| cause.source())
        .map(ToString::to_string)
        .collect();
    let text = causes.join(": ");
    text.replace("\nhint: ", "; ").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Row {
        #[error("{0}")]
        Alone(&'static str),
        #[error("{0}")]
        Because(&'static str, #[source] Box<Self>),
    }

    #[track_caller]
    fn check(error: &Row, expected: &str) {
        assert_eq!(in_one_line(error), expected);
    }

    #[test]
    fn causes_follow_each_other_and_no_line_ends() {
        check(&Row::Alone("lost"), "lost");
        let inner = Row::Because("no answer", Box::new(Row::Alone("timeout")));
        let outer = Row::Because("lost\nhint: wait", Box::new(inner));
        check(&outer, "lost; wait: no answer: timeout");
        check(&Row::Alone("two\nlines"), "two lines");
    }
}
