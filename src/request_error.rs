//! What is said of a request to the API server that failed: in words, for statuses, events and logs.
//!
//! `kube` prints the whole answer as a structure, and in its causes all of it again.

use image_update_core::causes;

/// A request to the API server that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}", words(.0))]
pub struct RequestError(Box<kube::Error>);

impl RequestError {
    /// The failure that `kube` tells of.
    pub fn new(error: kube::Error) -> Self {
        Self(Box::new(error))
    }

    /// The HTTP status, if the API server answered.
    pub fn code(&self) -> Option<u16> {
        if let kube::Error::Api(answer) = self.0.as_ref() {
            Some(answer.code)
        } else {
            None
        }
    }
}

/// What the API server said, or why it could not be asked, on one line.
pub fn words(error: &kube::Error) -> String {
    let kube::Error::Api(answer) = error else {
        return causes::in_one_line(error);
    };
    let said = if answer.message.is_empty() {
        &answer.reason
    } else {
        &answer.message
    };
    let said: String = said.chars().filter(|it| !it.is_control()).collect();
    if said.is_empty() {
        format!("the API server answered {}", answer.code)
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use kube::core::Status;

    use super::*;

    #[track_caller]
    fn check(error: kube::Error, expected: &str) {
        let error = RequestError::new(error);
        assert_eq!(causes::in_one_line(&error), expected);
    }

    fn answer(message: &str, reason: &str) -> kube::Error {
        let answer = Status::failure(message, reason).with_code(403);
        kube::Error::Api(answer.boxed())
    }

    #[test]
    fn an_answer_is_told_in_the_servers_words_alone() {
        check(
            answer("secrets is forbidden: no\u{1b}pe", "Forbidden"),
            "secrets is forbidden: nope",
        );
        check(answer("", "Forbidden"), "Forbidden");
        check(answer("", ""), "the API server answered 403");
    }

    #[test]
    fn each_cause_of_silence_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("client error (Connect)")]
        struct Connect(#[source] Lookup);
        #[derive(Debug, thiserror::Error)]
        #[error("dns error")]
        struct Lookup(#[source] io::Error);

        let cause = io::Error::other("dns error: name not known");
        let error = kube::Error::Service(Box::new(Connect(Lookup(cause))));
        check(
            error,
            "ServiceError: client error (Connect): dns error: name not known",
        );
    }
}
