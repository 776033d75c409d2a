//! What was written to an Application, noted on it: so a person's change back is told from an update
//! that is due, by every replica and after every restart, whatever number of Applications there is.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};

/// The annotation of an Application that holds the note, as JSON. It is written with the values.
pub const ANNOTATION: &str = "image-update.dev/wrote";

/// The most policies of which there is a note: each image is of one policy only, so more of them
/// are those that are gone.
const MOST_POLICIES: usize = 16;

/// Values by the policy that wrote them and the alias of the image.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Wrote(BTreeMap<String, BTreeMap<String, String>>);

impl Wrote {
    /// Reads the annotation of an Application. What can't be read says nothing.
    pub fn on(application: &ObjectMeta) -> Self {
        let annotations = application.annotations.as_ref();
        Self::parse(
            annotations
                .and_then(|all| all.get(ANNOTATION))
                .map(String::as_str),
        )
    }

    fn parse(annotation: Option<&str>) -> Self {
        annotation
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The value that `policy` wrote for the image `alias`.
    pub fn value(&self, policy: &str, alias: &str) -> Option<&str> {
        self.0.get(policy)?.get(alias).map(String::as_str)
    }

    /// Adds values that `policy` writes, by alias.
    pub fn note(&mut self, policy: &str, values: impl IntoIterator<Item = (String, String)>) {
        let own = self.0.entry(policy.to_owned()).or_default();
        own.extend(values);
        while self.0.len() > MOST_POLICIES {
            let other = self.0.keys().find(|name| *name != policy).cloned();
            let Some(other) = other else { return };
            self.0.remove(&other);
        }
    }

    /// The annotation.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(alias: &str, value: &str) -> (String, String) {
        (alias.to_owned(), value.to_owned())
    }

    #[test]
    fn what_was_noted_is_read_back() {
        let mut wrote = Wrote::parse(Some(r#"{"shop":{"web":"1.0.0","db":"2"}}"#));
        wrote.note("shop", [pair("web", "1.1.0")]);
        wrote.note("other", [pair("web", "3")]);
        let again = Wrote::parse(Some(&wrote.to_annotation()));
        assert_eq!(again.value("shop", "web"), Some("1.1.0"));
        assert_eq!(again.value("shop", "db"), Some("2"));
        assert_eq!(again.value("other", "web"), Some("3"));
        assert_eq!(again.value("other", "db"), None);
    }

    #[test]
    fn what_can_not_be_read_says_nothing() {
        for text in [None, Some(""), Some("["), Some(r#"{"shop":"1"}"#)] {
            assert_eq!(Wrote::parse(text), Wrote::default(), "{text:?}");
        }
    }

    #[test]
    fn policies_that_are_gone_do_not_fill_it() {
        let mut wrote = Wrote::default();
        for index in 0..100 {
            wrote.note(&format!("p{index:03}"), [pair("web", "1")]);
        }
        assert_eq!(wrote.0.len(), MOST_POLICIES);
        assert_eq!(wrote.value("p099", "web"), Some("1"));
    }
}
