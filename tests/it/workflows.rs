//! The workflows of `.github`: their syntax and their expressions are right, what they run is named by
//! commit, and they have no right that they do not ask for.

use std::process::Command;

use image_update_testkit::stack::Assets;
use serde_json::Value;

use crate::tidy::root;

const FOLDER: &str = ".github/workflows";

fn workflows() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join(FOLDER)).expect("there are workflows");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        found.push((path.display().to_string(), text));
    }
    assert!(found.len() > 1, "{found:?}");
    found
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a checker of its own judges")]
fn actionlint_finds_nothing_to_complain_about() {
    let actionlint = Assets::locate().and_then(|assets| assets.actionlint());
    let output = Command::new(actionlint.expect("the stack is built"))
        // Not what this machine happens to have.
        .args(["-no-color", "-shellcheck=", "-pyflakes="])
        .args(workflows().iter().map(|(path, _)| path))
        .current_dir(root())
        .output()
        .expect("actionlint runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

/// Whether a step's `uses:` names a commit, and the version that it is of for people.
fn is_pinned(line: &str) -> bool {
    let (name, comment) = line.split_once(" # ").unwrap_or((line, ""));
    let commit = name.split_once('@').map_or("", |(_, commit)| commit);
    let version = comment.strip_prefix('v').unwrap_or_default();
    commit.len() == 40
        && commit
            .bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        && version.split('.').count() == 3
        && version.split('.').all(|it| it.parse::<u32>().is_ok())
}

#[test]
fn what_runs_is_named_by_commit_since_tags_can_be_moved() {
    let mut seen = 0;
    for (path, text) in workflows() {
        for line in text.lines() {
            let line = line.trim_start().trim_start_matches("- ");
            if let Some(used) = line.strip_prefix("uses: ") {
                assert!(is_pinned(used), "{path}: {used}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} actions");
    let commit = "3d3c42e5aac5ba805825da76410c181273ba90b1";
    assert!(is_pinned(&format!("actions/checkout@{commit} # v7.0.1")));
    for unpinned in [
        "actions/checkout@v7".to_owned(),
        format!("actions/checkout@{commit}"),
        format!("actions/checkout@{commit} # v7"),
        format!("actions/checkout@{} # v7.0.1", &commit[1..]),
    ] {
        assert!(!is_pinned(&unpinned), "{unpinned}");
    }
}

#[test]
fn a_workflow_may_read_and_keeps_no_token() {
    for (path, text) in workflows() {
        let workflow: Value = serde_yaml::from_str(&text).expect("it is YAML");
        let permissions = workflow["permissions"].to_string();
        assert_eq!(permissions, r#"{"contents":"read"}"#, "{path}");
        let jobs = workflow["jobs"].as_object().into_iter().flatten();
        for step in jobs.flat_map(|(_, job)| job["steps"].as_array().into_iter().flatten()) {
            let used = step["uses"].as_str().unwrap_or_default();
            if used.starts_with("actions/checkout@") {
                assert_eq!(step["with"]["persist-credentials"], false, "{path}");
            }
        }
    }
}
