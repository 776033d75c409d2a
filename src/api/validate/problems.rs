//! What is wrong with a spec, collected, so that a user sees all of it at once.

use std::fmt;

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    field: String,
    message: String,
}

impl Problems {
    /// For what can't be read though nothing was found to be wrong with it.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

/// Collects problems while a spec is read.
#[derive(Default)]
pub(super) struct Collector(Vec<Problem>);

impl Collector {
    pub(super) fn add(&mut self, field: &str, message: &str) {
        self.0.push(Problem {
            field: field.to_owned(),
            message: message.to_owned(),
        });
    }

    pub(super) fn parse<T, E: fmt::Display>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, &error.to_string());
                None
            }
        }
    }

    pub(super) fn each<T, E: fmt::Display>(
        &mut self,
        field: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| self.parse(&format!("{field}[{index}]"), text, &parse))
            .collect()
    }

    pub(super) fn finish(self) -> Result<(), Problems> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problems(self.0))
        }
    }
}
