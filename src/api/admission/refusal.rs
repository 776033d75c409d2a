//! What is wrong with an object, in the words of an API server: field, kind of mistake, value, rule.

use std::fmt;

use image_update_core::image::Excerpt;
use serde_json::Value;

/// How many are told; the others are counted.
const MAX_TOLD: usize = 8;

/// Everything that is wrong with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(Vec<String>);

impl Refusals {
    /// The value of a field breaks a rule.
    pub(super) fn invalid(&mut self, field: &str, value: &Value, rule: &str) {
        let field = shown_field(field);
        match shown_value(value) {
            Some(value) => self
                .0
                .push(format!("{field}: Invalid value: {value}: {rule}")),
            None => self.0.push(format!("{field}: Invalid value: {rule}")),
        }
    }

    /// A field has to be there, and is not.
    pub(super) fn required(&mut self, field: &str) {
        self.0
            .push(format!("{}: Required value", shown_field(field)));
    }

    /// A list or map has more than it may.
    pub(super) fn too_many(&mut self, field: &str, count: usize, most: usize) {
        let field = shown_field(field);
        self.0.push(format!(
            "{field}: Too many: {count}: must have at most {most} items"
        ));
    }

    /// A text has more characters than it may.
    pub(super) fn too_long(&mut self, field: &str, most: usize) {
        let field = shown_field(field);
        self.0.push(format!(
            "{field}: Too long: may not be more than {most} characters"
        ));
    }

    /// A value is none of those that there are.
    pub(super) fn unsupported(&mut self, field: &str, value: &Value, supported: &[Value]) {
        let supported: Vec<String> = supported.iter().map(ToString::to_string).collect();
        let rule = format!("supported values: {}", supported.join(", "));
        let value = shown_value(value).unwrap_or_default();
        let field = shown_field(field);
        self.0
            .push(format!("{field}: Unsupported value: {value}: {rule}"));
    }

    /// Two entries of a list have the same key.
    pub(super) fn duplicate(&mut self, field: &str, key: &[(&str, &Value)]) {
        let shown = |(key, value): &(&str, &Value)| {
            let value = shown_value(value).unwrap_or_default();
            if key.is_empty() {
                value
            } else {
                format!("{key}={value}")
            }
        };
        let key: Vec<String> = key.iter().map(shown).collect();
        let field = shown_field(field);
        self.0.push(format!(
            "{field}: duplicate entries for key [{}]",
            key.join(",")
        ));
    }

    /// There is no such field; `meant` may be another one.
    pub(super) fn unknown(&mut self, field: &str, meant: Option<&str>) {
        let meant = meant.map(|it| format!(": did you mean {it}?"));
        let field = Excerpt::new(field);
        self.0.push(format!(
            "unknown field {field}{}",
            meant.unwrap_or_default()
        ));
    }

    pub(super) fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = &self.0[..self.0.len().min(MAX_TOLD)];
        formatter.write_str(&told.join("; "))?;
        match self.0.len() - told.len() {
            0 => Ok(()),
            more => write!(formatter, "; and {more} more"),
        }
    }
}

impl std::error::Error for Refusals {}

/// A path, made harmless: keys of maps in it are somebody's text.
fn shown_field(field: &str) -> String {
    Excerpt::new(field).as_str().to_owned()
}

/// A plain value, short and harmless. An address with a password in it is not repeated.
fn shown_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.contains("://") && text.contains('@') => None,
        Value::String(text) => Some(Excerpt::new(text).to_string()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
