//! New entries and items as text, in the look of the file they go to.

use super::document::{CollectionStyle, Kind, NodeId, Stream};
use super::scalar::{self, ScalarStyle};

/// Indentation where a file shows none to follow, as `kubectl` and kustomize print.
const DEFAULT_STEP: usize = 2;

/// Something to be added to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    True,
    Mapping(Vec<(String, Self)>),
    Sequence(Vec<Self>),
}

impl Value {
    /// A mapping with one key.
    pub(crate) fn entry(key: &str, value: Self) -> Self {
        Self::Mapping(vec![(key.to_owned(), value)])
    }

    /// `keys` as nested mappings around the value.
    pub(crate) fn nested(self, keys: &[String]) -> Self {
        keys.iter()
            .rev()
            .fold(self, |value, key| Self::entry(key, value))
    }
}

/// How a file is laid out, as far as new text has to follow it.
pub(super) struct Look {
    newline: String,
    /// Columns from a mapping to the mapping in it.
    step: usize,
    /// Columns from a mapping to the dashes of a list in it.
    dash: usize,
}

impl Look {
    /// Takes the look from the first of each in the file.
    pub(super) fn of(stream: &Stream, newline: String) -> Self {
        let mut step = None;
        let mut dash = None;
        for id in stream.ids() {
            let node = stream.node(id);
            let Some(parent) = node
                .parent
                .filter(|parent| is_block_mapping(stream, *parent))
            else {
                continue;
            };
            let outer = stream.column(stream.node(parent).span.start);
            let items = match &node.kind {
                Kind::Mapping {
                    style: CollectionStyle::Block,
                    ..
                } => {
                    let inner = stream.column(node.span.start);
                    step = step.or_else(|| inner.checked_sub(outer).filter(|step| *step > 0));
                    continue;
                }
                Kind::Sequence {
                    style: CollectionStyle::Block,
                    items,
                } => items,
                Kind::Scalar { .. }
                | Kind::Alias { .. }
                | Kind::Sequence { .. }
                | Kind::Mapping { .. } => continue,
            };
            if dash.is_none() {
                let first = items
                    .first()
                    .and_then(|item| stream.dash_of_item(*item).ok());
                dash = first.and_then(|offset| stream.column(offset).checked_sub(outer));
            }
            if step.is_some() && dash.is_some() {
                break;
            }
        }
        Self {
            newline,
            step: step.unwrap_or(DEFAULT_STEP),
            dash: dash.unwrap_or(0),
        }
    }

    pub(super) fn step(&self) -> usize {
        self.step
    }

    pub(super) fn dash(&self) -> usize {
        self.dash
    }

    /// A line break and the indentation of a line that begins at `column`.
    pub(super) fn break_to(&self, column: usize) -> String {
        format!("{}{}", self.newline, " ".repeat(column))
    }

    /// `key: value` for a block mapping at `column`, the first line not indented.
    pub(super) fn block_entry(&self, key: &str, value: &Value, column: usize) -> String {
        match value {
            Value::Text(text) => {
                format!("{key}: {}", scalar::write(text, ScalarStyle::Plain, false))
            }
            Value::True => format!("{key}: true"),
            Value::Mapping(_) => {
                let column = column + self.step;
                format!(
                    "{key}:{}{}",
                    self.break_to(column),
                    self.block(value, column)
                )
            }
            Value::Sequence(_) => {
                let column = column + self.dash;
                format!(
                    "{key}:{}{}",
                    self.break_to(column),
                    self.block(value, column)
                )
            }
        }
    }

    /// `value` as a block at `column`, the first line not indented.
    pub(super) fn block(&self, value: &Value, column: usize) -> String {
        match value {
            Value::Text(text) => scalar::write(text, ScalarStyle::Plain, false),
            Value::True => "true".to_owned(),
            Value::Mapping(entries) => {
                let lines = entries.iter().map(|(key, value)| {
                    self.block_entry(&key_text(key, ScalarStyle::Plain, false), value, column)
                });
                lines.collect::<Vec<_>>().join(&self.break_to(column))
            }
            Value::Sequence(items) => {
                let lines = items
                    .iter()
                    .map(|item| format!("- {}", self.block(item, column + 2)));
                lines.collect::<Vec<_>>().join(&self.break_to(column))
            }
        }
    }
}

/// `value` between brackets on one line; `style` is that of keys and text, as JSON quotes both.
pub(super) fn flow(value: &Value, style: ScalarStyle) -> String {
    match value {
        Value::Text(text) => scalar::write(text, style, true),
        Value::True => "true".to_owned(),
        Value::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| flow_entry(key, value, style));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Sequence(items) => {
            let items = items.iter().map(|item| flow(item, style));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `key: value` for a mapping in brackets.
pub(super) fn flow_entry(key: &str, value: &Value, style: ScalarStyle) -> String {
    format!("{}: {}", key_text(key, style, true), flow(value, style))
}

/// A key in the quotes of `style`.
pub(super) fn key_text(key: &str, style: ScalarStyle, in_flow: bool) -> String {
    scalar::write(key, style, in_flow)
}

/// Quotes of a key that is there, for new ones beside it.
pub(super) fn key_style(stream: &Stream, key: NodeId) -> ScalarStyle {
    match &stream.node(key).kind {
        Kind::Scalar { style, .. } => *style,
        Kind::Alias { .. } | Kind::Sequence { .. } | Kind::Mapping { .. } => ScalarStyle::Plain,
    }
}

fn is_block_mapping(stream: &Stream, id: NodeId) -> bool {
    matches!(
        stream.node(id).kind,
        Kind::Mapping {
            style: CollectionStyle::Block,
            ..
        }
    )
}
