//! The annotations while they are read: which were, and what was wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Problem};
use super::keys::PREFIX;

/// The annotations of one Application that have the predecessor's prefix.
pub(super) struct Annotations<'a> {
    values: BTreeMap<&'a str, &'a str>,
    read: BTreeSet<&'a str>,
    problems: Vec<Diagnostic>,
}

/// A value, and the annotation that it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// The name without the prefix.
    pub(super) key: &'a str,
    /// The text, as it was written.
    pub(super) text: &'a str,
}

/// A part of a value that is separated by commas, blanks at its ends removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// What it says.
    pub(super) text: &'a str,
    /// Its first character's place in the value, from 1.
    pub(super) column: usize,
}

impl<'a> Value<'a> {
    /// Its parts, without empty ones.
    pub(super) fn items(self) -> impl Iterator<Item = Item<'a>> {
        let mut before = 0;
        self.text.split(',').filter_map(move |part| {
            let text = part.trim();
            let blanks = part.chars().take_while(|it| it.is_whitespace()).count();
            let column = before + blanks + 1;
            before += part.chars().count() + 1;
            (!text.is_empty()).then_some(Item { text, column })
        })
    }
}

impl<'a> Annotations<'a> {
    pub(super) fn new(all: &'a BTreeMap<String, String>) -> Self {
        let ours = |(name, text): (&'a String, &'a String)| {
            let key = name.strip_prefix(PREFIX)?;
            Some((key, text.as_str()))
        };
        Self {
            values: all.iter().filter_map(ours).collect(),
            read: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// What other fields say, as annotations by their names without the prefix.
    pub(super) fn of_rows(rows: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            values: rows.collect(),
            read: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// The value of `key`, even an empty one.
    pub(super) fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let (&key, &text) = self.values.get_key_value(key)?;
        self.read.insert(key);
        Some(Value { key, text })
    }

    /// The value of `key`, blanks at its ends removed. An empty one is none.
    pub(super) fn take_text(&mut self, key: &str) -> Option<Value<'a>> {
        let Value { key, text } = self.take(key)?;
        let text = text.trim();
        (!text.is_empty()).then_some(Value { key, text })
    }

    /// Notes a problem of `value` as a whole.
    pub(super) fn report(&mut self, value: Value<'_>, problem: Problem) {
        self.report_at(value, 1, problem);
    }

    /// Notes a problem of `value` at a column.
    pub(super) fn report_at(&mut self, value: Value<'_>, column: usize, problem: Problem) {
        self.problems
            .push(Diagnostic::new(value.key, column, problem));
    }

    /// Notes which annotations nobody asked for.
    pub(super) fn report_unread(&mut self) {
        let unread = self.values.keys().filter(|key| !self.read.contains(*key));
        let unread = unread.map(|key| Diagnostic::new(key, 1, Problem::Unused));
        self.problems.extend(unread);
    }

    pub(super) fn into_problems(self) -> Vec<Diagnostic> {
        self.problems
    }
}
