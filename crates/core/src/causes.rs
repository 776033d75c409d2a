//! An error with its causes as one line, for who has one line: a status, an event, an answer.

use std::error::Error;
use std::iter::successors;

/// The error and what caused it, from the outside in, without a cause that an error names itself. A
/// hint that stands on a line of its own follows after a semicolon.
pub fn in_one_line(error: &dyn Error) -> String {
    let mut line = String::new();
    let mut last = String::new();
    for cause in successors(Some(error), |&cause| cause.source()) {
        let text = cause.to_string();
        let is_said = format!(": {line}: ").contains(&format!(": {text}: "));
        if !is_said {
            match text.strip_prefix(&last) {
                // Some libraries begin with the words of the error before.
                Some(more) if !last.is_empty() && line.ends_with(&last) => line.push_str(more),
                Some(_) | None if line.is_empty() => line.push_str(&text),
                Some(_) | None => line.extend([": ", &text]),
            }
        }
        last = text;
    }
    line.replace("\nhint: ", "; ").replace('\n', " ")
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

    #[test]
    fn a_cause_that_is_named_already_is_not_named_again() {
        let because = |text, cause| Row::Because(text, Box::new(cause));
        let named = because("no answer: timeout", Row::Alone("timeout"));
        check(&named, "no answer: timeout");
        let longer = because("dns error", Row::Alone("dns error: no such name"));
        check(
            &because("client: dns error", longer),
            "client: dns error: no such name",
        );
    }
}
