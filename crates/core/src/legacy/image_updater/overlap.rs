//! References that may select the same Application. The predecessor takes the one that names it
//! most exactly; policies know no such order.

use super::Selection;
use crate::legacy::diagnostic::{Diagnostic, Problem};
use crate::policy::Glob;

/// What makes a name a pattern.
const WILDCARDS: [char; 4] = ['*', '?', '[', '\\'];

/// Notes for each selection the first one before it that may select the same.
pub(super) fn report(selections: &[Selection], problems: &mut Vec<Diagnostic>) {
    for (number, selection) in selections.iter().enumerate() {
        let mut before = selections[..number].iter();
        if let Some(other) = before.find(|other| may_meet(selection, other)) {
            let path = format!("spec.applicationRefs[{}].namePattern", selection.index);
            let other = other.index;
            problems.push(Diagnostic::of_field(&path, Problem::Overlap { other }));
        }
    }
}

fn may_meet(one: &Selection, other: &Selection) -> bool {
    let mut labels = one.labels.iter();
    let excluded = labels.any(|(key, value)| other.labels.get(key).is_some_and(|it| it != value));
    !excluded && names_meet(&one.name_pattern, &other.name_pattern)
}

/// Whether a name may match both; of two patterns what is before the first wildcard and behind the
/// last one is compared.
fn names_meet(one: &str, other: &str) -> bool {
    let matches = |pattern: &str, name: &str| {
        pattern
            .parse::<Glob>()
            .is_ok_and(|pattern| pattern.matches(name))
    };
    match (one.contains(WILDCARDS), other.contains(WILDCARDS)) {
        (false, false) => one == other,
        (true, false) => matches(one, other),
        (false, true) => matches(other, one),
        (true, true) => {
            let start = |pattern| str::split(pattern, WILDCARDS).next().unwrap_or_default();
            let end = |pattern: &str| {
                let end = pattern.rsplit([']', '*', '?', '[', '\\']).next();
                end.unwrap_or_default().to_owned()
            };
            let (starts, ends) = ((start(one), start(other)), (end(one), end(other)));
            (starts.0.starts_with(starts.1) || starts.1.starts_with(starts.0))
                && (ends.0.ends_with(&ends.1) || ends.1.ends_with(&ends.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        assert_eq!(names_meet(one, other), expected, "{one} {other}");
        assert_eq!(names_meet(other, one), expected, "{other} {one}");
    }

    #[test]
    fn names_meet_unless_their_ends_tell_them_apart() {
        check("shop", "shop", true);
        check("shop", "shops", false);
        check("*", "shop", true);
        check("shop-*", "shop-a", true);
        check("shop-*", "web", false);
        check("shop-*", "web-*", false);
        check("shop-*", "*-prod", true);
        check("*-dev", "*-prod", false);
        check("app-[ab]", "app-?", true);
    }
}
