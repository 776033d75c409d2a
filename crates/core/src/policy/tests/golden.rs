//! Selections from tag lists as registries have them, a directory each.
//!
//! `tests/golden/policy/<case>/` holds `policy.json`, `tags.txt` (a tag a line, optionally the
//! time of its build after it) and `decision.txt`, what is decided and why. Adding a case needs no
//! Rust: `UPDATE_GOLDENS=1 cargo test -p image-update-core golden` writes the decision.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::{Extract, Filter, Policy, Strategy, candidates, select, tag};
use crate::policy::parse_allow_tags;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/policy");

/// The settings of a case, named as the command line names them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    strategy: String,
    constraint: Option<String>,
    current: Option<String>,
    #[serde(default)]
    allow_tags: String,
    #[serde(default)]
    ignore_tags: Vec<String>,
    /// The pattern, and what to make of it.
    extract: Option<(String, String)>,
    #[serde(default)]
    allow_downgrade: bool,
    pin: Option<String>,
    #[serde(default)]
    skip: BTreeSet<String>,
}

impl Settings {
    fn policy(&self) -> Policy {
        let name = self.strategy.parse().expect("the case's strategy exists");
        let strategy = Strategy::new(name, self.constraint.as_deref());
        let ignore = self.ignore_tags.iter().map(|pattern| pattern.parse());
        let extract = self
            .extract
            .as_ref()
            .map(|(pattern, value)| Extract::new(pattern, value));
        Policy {
            filter: Filter {
                allow: parse_allow_tags(&self.allow_tags).expect("the case's allowTags is valid"),
                ignore: ignore
                    .collect::<Result<_, _>>()
                    .expect("the case's globs are valid"),
                extract: extract.transpose().expect("the case's extract is valid"),
            },
            allow_downgrade: self.allow_downgrade,
            pin: self.pin.as_deref().map(tag),
            skip: self.skip.iter().map(|text| tag(text)).collect(),
            ..Policy::new(strategy.expect("the case's constraint is valid"))
        }
    }
}

#[test]
fn golden_decisions_are_as_written() {
    let mut cases = 0;
    for entry in fs::read_dir(CASES).expect("the directory of cases exists") {
        check(&entry.expect("the directory can be read").path());
        cases += 1;
    }
    assert!(cases > 0, "there are cases in {CASES}");
}

#[track_caller]
fn check(case: &Path) {
    let read = |name: &str| {
        fs::read_to_string(case.join(name)).expect("each case has policy.json and tags.txt")
    };
    let settings: Settings =
        serde_json::from_str(&read("policy.json")).expect("policy.json has settings");
    // A time follows its tag after a blank, as in the file the command line reads.
    let tags = read("tags.txt")
        .lines()
        .map(|line| line.trim().replace(' ', "@") + "\n")
        .collect::<String>();

    let decision = select(
        &settings.policy(),
        settings.current.as_deref(),
        &candidates(&tags),
    );
    let selected = decision
        .selected
        .as_ref()
        .map_or("nothing", |tag| tag.as_str());
    let actual = format!(
        "selected: {selected}\n{}: {decision}\n",
        decision.reason.name()
    );

    let path = case.join("decision.txt");
    if is_updating() {
        fs::write(&path, &actual).expect("the decision can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual,
        expected,
        "{}: if this is right, run UPDATE_GOLDENS=1 cargo test -p image-update-core golden",
        case.display()
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says whether to update"
)]
fn is_updating() -> bool {
    std::env::var("UPDATE_GOLDENS").is_ok_and(|value| value == "1")
}
