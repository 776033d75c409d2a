//! A JSON object while it is read: where it stands, which fields were asked for, and which have
//! another type than they should.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::legacy::diagnostic::{Diagnostic, Problem};
use crate::text::visible;

/// The most that is shown of the name of a field that is not known, in characters.
const LONGEST_NAME: usize = 80;

/// An object and its place; one that is not there has no fields.
pub(super) struct Fields<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    read: BTreeSet<&'static str>,
}

/// A value, and the field that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

impl<'a> Fields<'a> {
    /// The object at `path`; something else there is a problem.
    pub(super) fn of(
        path: String,
        value: Option<&'a Value>,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let map = value.and_then(Value::as_object);
        if map.is_none() && value.is_some_and(|value| !value.is_null()) {
            let problem = Problem::FieldType {
                expected: "an object",
            };
            problems.push(Diagnostic::of_field(&path, problem));
        }
        let read = BTreeSet::new();
        Self { path, map, read }
    }

    /// Whether the object is there.
    pub(super) fn is_set(&self) -> bool {
        self.map.is_some()
    }

    /// The place of a field.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A field's value, unless it is null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.insert(name);
        self.map?.get(name).filter(|value| !value.is_null())
    }

    /// A field that is an object.
    pub(super) fn object(&mut self, name: &'static str, problems: &mut Vec<Diagnostic>) -> Self {
        Self::of(self.path_of(name), self.take(name), problems)
    }

    /// A field that is a list, with the place of each item.
    pub(super) fn list(
        &mut self,
        name: &'static str,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<(String, &'a Value)> {
        let path = self.path_of(name);
        let Some(value) = self.take(name) else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            let problem = Problem::FieldType { expected: "a list" };
            problems.push(Diagnostic::of_field(&path, problem));
            return Vec::new();
        };
        let items = items.iter().enumerate();
        items
            .map(|(index, item)| (format!("{path}[{index}]"), item))
            .collect()
    }

    /// A field that is text, a truth value, or a list of texts, as an annotation has it.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Text> {
        let path = self.path_of(name);
        let text = match self.take(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Array(items) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                items.map(|items| items.join(","))
            }
            Value::Null | Value::Number(_) | Value::Object(_) => None,
        };
        let Some(text) = text else {
            let problem = Problem::FieldType { expected: "text" };
            problems.push(Diagnostic::of_field(&path, problem));
            return None;
        };
        Some(Text { path, text })
    }

    /// A field that is true or false; absent is false.
    pub(super) fn flag(&mut self, name: &'static str, problems: &mut Vec<Diagnostic>) -> bool {
        let path = self.path_of(name);
        match self.take(name) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                let expected = "true or false";
                let problem = Problem::FieldType { expected };
                problems.push(Diagnostic::of_field(&path, problem));
                false
            }
        }
    }

    /// A field that holds texts by name.
    pub(super) fn texts(
        &mut self,
        name: &'static str,
        problems: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, String> {
        let path = self.path_of(name);
        let Some(value) = self.take(name) else {
            return BTreeMap::new();
        };
        let entries = value.as_object().and_then(|map| {
            let entries = map.iter();
            entries
                .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        });
        entries.unwrap_or_else(|| {
            let expected = "texts by name";
            problems.push(Diagnostic::of_field(&path, Problem::FieldType { expected }));
            BTreeMap::new()
        })
    }

    /// Says of the named fields, where they are set, that they do nothing.
    pub(super) fn without_effect(
        &mut self,
        names: &[&'static str],
        problems: &mut Vec<Diagnostic>,
    ) {
        for &name in names {
            if self.take(name).is_some() {
                let path = self.path_of(name);
                problems.push(Diagnostic::of_field(&path, Problem::FieldWithoutEffect));
            }
        }
    }

    /// Notes which fields nobody asked for.
    pub(super) fn finish(self, problems: &mut Vec<Diagnostic>) {
        let names = self.map.into_iter().flat_map(|map| map.keys());
        for name in names.filter(|name| !self.read.contains(name.as_str())) {
            let path = self.path_of(&visible(name, LONGEST_NAME));
            problems.push(Diagnostic::of_field(&path, Problem::UnknownField));
        }
    }
}
