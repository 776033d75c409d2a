//! `explain` on any list of tags: its JSON is whole and does not depend on the order of the list.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::run;

/// What `explain -o json` says of these tags.
fn explain(strategy: &str, tags: &[String]) -> Value {
    let ran = run(
        &[
            "explain",
            "--strategy",
            strategy,
            "--current=1.1.0",
            "--ignore-tags=*-rc*",
            "--tags-from=-",
            "-o",
            "json",
        ],
        &tags.join("\n"),
    );
    ran.done();
    ran.json()
}

fn rejected(decision: &Value) -> Vec<String> {
    let rejected = decision["rejected"].as_array().expect("a list");
    let tags = rejected.iter().map(|it| {
        let keys: Vec<&String> = it.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["rule", "tag"]);
        it["tag"].as_str().expect("a text").to_owned()
    });
    tags.collect()
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    let tag = "(v?[0-3]\\.[0-9](\\.[0-9])?(-rc[0-9])?|[a-z]{1,4}|[0-9]{1,3})";
    proptest::collection::btree_set(tag, 0..12)
        .prop_map(|tags| tags.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    // Each row runs the program twice.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_tag_is_selected_or_rejected_in_any_order(
        tags in tags(),
        strategy in "(semver|alphabetical|numerical)",
    ) {
        let decision = explain(&strategy, &tags);
        let rejected = rejected(&decision);
        let selected = decision["selected"].as_str().map(ToOwned::to_owned);
        if let Some(selected) = &selected {
            prop_assert!(!rejected.contains(selected), "{decision}");
        }
        let all: BTreeSet<String> = rejected.into_iter().chain(selected.clone()).collect();
        prop_assert_eq!(all, tags.iter().cloned().collect::<BTreeSet<_>>());

        let mut turned = tags;
        turned.reverse();
        let other = explain(&strategy, &turned);
        prop_assert_eq!(other["selected"].as_str(), selected.as_deref());
        prop_assert_eq!(&other["reason"], &decision["reason"]);
    }
}

#[test]
fn no_tags_are_no_error() {
    let decision = explain("semver", &[]);
    assert_eq!(
        decision,
        serde_json::json!({ "selected": null, "reason": "there are no tags", "rejected": [] })
    );
}

#[test]
fn fifty_thousand_tags_are_read() {
    let tags: Vec<String> = (0..50_000).map(|number| format!("0.{number}.0")).collect();
    let decision = explain("semver", &[&tags[..], &["1.2.0".to_owned()]].concat());
    assert_eq!(decision["selected"], "1.2.0");
    assert_eq!(rejected(&decision).len(), 50_000);
}
