//! The schema of a `CustomResourceDefinition`: types, fields, bounds, patterns. It knows the keywords that
//! ours use, and a schema with another one is refused by the tests, not read in part.
//!
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::refusal::Refusals;

/// What a value is held to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Node {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    nullable: bool,
    default: Option<IgnoredAny>,
    #[serde(default)]
    properties: BTreeMap<String, Self>,
    #[serde(default)]
    required: Vec<String>,
    additional_properties: Option<Box<Self>>,
    max_properties: Option<usize>,
    items: Option<Box<Self>>,
    #[serde(default)]
    min_items: usize,
    max_items: Option<usize>,
    #[serde(default, rename = "x-kubernetes-list-type")]
    list_type: ListType,
    #[serde(default, rename = "x-kubernetes-list-map-keys")]
    list_keys: Vec<String>,
    #[serde(rename = "enum")]
    supported: Option<Vec<Value>>,
    #[serde(default)]
    min_length: usize,
    max_length: Option<usize>,
    #[serde(default, deserialize_with = "pattern")]
    pattern: Option<Regex>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    /// For people, and for rules, which others look at.
    #[serde(rename = "title")]
    _title: Option<IgnoredAny>,
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "format")]
    _format: Option<IgnoredAny>,
    #[serde(rename = "x-kubernetes-validations")]
    _rules: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Object,
    Array,
    String,
    Integer,
    Boolean,
}

/// What entries of a list may not have in common.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ListType {
    #[default]
    Atomic,
    Set,
    Map,
}

fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Regex>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Regex::new(&text).map(Some).map_err(D::Error::custom)
}

impl Node {
    /// Reads a schema of ours.
    pub(super) fn of(schema: Value) -> Self {
        serde_json::from_value(schema).expect("our schemas have the keywords that are known here")
    }

    /// Collects what is wrong with the value at `path`.
    pub(super) fn check(&self, value: &Value, path: &str, found: &mut Refusals) {
        if value.is_null() && self.nullable {
            return;
        }
        match (self.kind, value) {
            (Kind::Object, Value::Object(members)) => self.check_members(members, path, found),
            (Kind::Array, Value::Array(items)) => self.check_items(items, path, found),
            (Kind::String, Value::String(text)) => self.check_text(text, value, path, found),
            (Kind::Integer, Value::Number(number)) if is_whole(number) => {
                self.check_number(value, path, found);
            }
            (Kind::Boolean, Value::Bool(_)) => {}
            _ => found.invalid(
                path,
                value,
                &format!("must be of type {}, not {}", self.kind.name(), name(value)),
            ),
        }
    }

    fn check_members(&self, members: &Map<String, Value>, path: &str, found: &mut Refusals) {
        for key in &self.required {
            let node = self.properties.get(key);
            let is_there = members
                .get(key)
                .is_some_and(|value| !value.is_null() || node.is_some_and(|it| it.nullable));
            // A default is there before anything is required.
            if !is_there && node.is_none_or(|it| it.default.is_none()) {
                found.required(&join(path, key));
            }
        }
        if let Some(most) = self.max_properties.filter(|most| members.len() > *most) {
            found.too_many(path, members.len(), most);
        }
        for (key, value) in members {
            let path = join(path, key);
            match (self.properties.get(key), &self.additional_properties) {
                // A field that is null is not there. A key of a map is, whatever its value.
                (Some(_), _) if value.is_null() => {}
                (Some(node), _) => node.check(value, &path, found),
                (None, Some(node)) => node.check(value, &path, found),
                (None, None) => {
                    let known = self.properties.keys().map(String::as_str);
                    found.unknown(&path, meant(key, known));
                }
            }
        }
    }

    fn check_items(&self, items: &[Value], path: &str, found: &mut Refusals) {
        if items.len() < self.min_items {
            let rule = format!("should have at least {} items", self.min_items);
            found.invalid(path, &items.len().into(), &rule);
        }
        if let Some(most) = self.max_items.filter(|most| items.len() > *most) {
            // Not one by one, then: there may be very many.
            return found.too_many(path, items.len(), most);
        }
        if let Some(node) = &self.items {
            for (index, item) in items.iter().enumerate() {
                node.check(item, &format!("{path}[{index}]"), found);
            }
        }
        let mut seen = BTreeSet::new();
        for key in items.iter().filter_map(|item| self.key(item)) {
            let compared: Vec<String> = key.iter().map(|(_, value)| value.to_string()).collect();
            if !seen.insert(compared) {
                found.duplicate(path, &key);
            }
        }
    }

    /// What no other entry of the list may have: the values of its keys, or in a set itself.
    fn key<'a>(&'a self, item: &'a Value) -> Option<Vec<(&'a str, &'a Value)>> {
        match self.list_type {
            ListType::Atomic => None,
            ListType::Set => Some(vec![("", item)]),
            ListType::Map => {
                let keys = self.list_keys.iter();
                keys.map(|key| Some((key.as_str(), item.get(key)?)))
                    .collect()
            }
        }
    }

    fn check_text(&self, text: &str, value: &Value, path: &str, found: &mut Refusals) {
        if let Some(supported) = self.supported.as_ref().filter(|it| !it.contains(value)) {
            return found.unsupported(path, value, supported);
        }
        let length = text.chars().count();
        if let Some(most) = self.max_length.filter(|most| length > *most) {
            return found.too_long(path, most);
        }
        if length < self.min_length {
            let rule = format!("should be at least {} chars long", self.min_length);
            found.invalid(path, value, &rule);
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|it| !it.is_match(text)) {
            found.invalid(path, value, &format!("should match '{pattern}'"));
        }
    }

    fn check_number(&self, value: &Value, path: &str, found: &mut Refusals) {
        let number = value.as_f64().unwrap_or_default();
        if let Some(least) = self.minimum.filter(|least| number < *least) {
            let rule = format!("should be greater than or equal to {least}");
            found.invalid(path, value, &rule);
        }
        if let Some(most) = self.maximum.filter(|most| number > *most) {
            let rule = format!("should be less than or equal to {most}");
            found.invalid(path, value, &rule);
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
        }
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64()
}

/// The type of a value, as schemas name it.
fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The field that somebody means who wrote it in another case, or with other separators.
pub(super) fn meant<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let wanted = letters(key);
    known.into_iter().find(|it| letters(it) == wanted)
}
