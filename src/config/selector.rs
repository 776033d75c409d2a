//! Reads label selectors as kubectl has them: `team=a,tier in (web,api),!legacy`.
//!
//! The grammar is that of
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api>, without the
//! operators for numbers.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};

/// Why a text is no label selector.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelectorError {
    /// It selects everything.
    #[error("it is empty; write a selector such as team=a")]
    Empty,
    /// A part can't be read.
    #[error("{part:?} is none of key, !key, key=value, key!=value, key in (a,b), key notin (a,b)")]
    Part {
        /// The part.
        part: String,
    },
}

/// Reads a selector.
pub(super) fn parse(text: &str) -> Result<Selector, SelectorError> {
    if text.trim().is_empty() {
        return Err(SelectorError::Empty);
    }
    parts(text).into_iter().map(expression).collect()
}

/// Splits at commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    let split = text.split(|character| {
        match character {
            '(' => is_inside = true,
            ')' => is_inside = false,
            _ => {}
        }
        character == ',' && !is_inside
    });
    split.map(str::trim).collect()
}

fn expression(part: &str) -> Result<Expression, SelectorError> {
    let unreadable = || SelectorError::Part {
        part: part.chars().take(100).collect(),
    };
    let key = |key: &str| {
        let key = key.trim();
        if is_word(key, true) {
            Ok(key.to_owned())
        } else {
            Err(unreadable())
        }
    };
    let value = |value: &str| {
        let value = value.trim();
        if value.is_empty() || is_word(value, false) {
            Ok(value.to_owned())
        } else {
            Err(unreadable())
        }
    };
    if let Some((left, set)) = part.split_once('(') {
        let values = set.strip_suffix(')').ok_or_else(unreadable)?;
        let values: BTreeSet<String> = values.split(',').map(value).collect::<Result<_, _>>()?;
        return match left.split_whitespace().collect::<Vec<_>>().as_slice() {
            [name, "in"] => Ok(Expression::In(key(name)?, values)),
            [name, "notin"] => Ok(Expression::NotIn(key(name)?, values)),
            _ => Err(unreadable()),
        };
    }
    if let Some((left, right)) = part.split_once("!=") {
        return Ok(Expression::NotEqual(key(left)?, value(right)?));
    }
    if let Some((left, right)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Expression::Equal(key(left)?, value(right)?));
    }
    match part.strip_prefix('!') {
        Some(name) => Ok(Expression::DoesNotExist(key(name)?)),
        None => Ok(Expression::Exists(key(part)?)),
    }
}

/// Letters, digits and what may stand between them; in a key, a slash after its prefix, too.
fn is_word(text: &str, is_key: bool) -> bool {
    let is_permitted = |character: char| {
        character.is_ascii_alphanumeric()
            || matches!(character, '-' | '_' | '.')
            || (is_key && character == '/')
    };
    !text.is_empty() && text.len() <= 317 && text.chars().all(is_permitted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt as _;

    use super::*;

    /// Whether labels, written `key=value,…`, are selected; `None` if the selector can't be read.
    #[track_caller]
    fn check(selector: &str, labels: &str, expected: Option<bool>) {
        let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let labels: BTreeMap<String, String> = pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let selected = parse(selector).ok().map(|it| it.matches(&labels));
        assert_eq!(selected, expected, "{selector} of {labels:?}");
    }

    #[test]
    fn each_operator_selects_as_kubectl_has_it() {
        check("team=a", "team=a,x=y", Some(true));
        check("team==a", "team=b", Some(false));
        check("team!=a", "team=b", Some(true));
        check("team!=a", "", Some(true));
        check("team", "team=b", Some(true));
        check("!team", "team=b", Some(false));
        check("team in (a, b)", "team=b", Some(true));
        check("team notin (a,b)", "team=b", Some(false));
        check("team in (a,b),tier=web", "team=b,tier=web", Some(true));
        check("team in (a,b),tier=web", "team=b", Some(false));
        check("example.com/shard=1", "example.com/shard=1", Some(true));
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "",
            " ",
            ",",
            "a=b,",
            "team of (a)",
            "team in (a",
            "a b",
            "a=b=c",
            "=a",
        ] {
            check(text, "", None);
        }
    }
}
