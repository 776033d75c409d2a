//! A plan in parts: nothing is lost, and no file is in two of them.

use std::sync::Arc;

use super::*;
use crate::argocd;

const FILE: &str = "images:\n- name: registry.example/app\n  newTag: 1.0.0\n";

#[test]
fn each_application_has_a_part_of_its_own() {
    check(
        &[("b", "b/k.yaml"), ("a", "a/k.yaml")],
        &["a: a/k.yaml", "b: b/k.yaml"],
    );
}

#[test]
fn a_file_of_two_applications_is_in_the_part_of_the_first() {
    check(
        &[("a", "a/k.yaml"), ("b", "a/k.yaml"), ("b", "b/k.yaml")],
        &["a,b: a/k.yaml", "b: b/k.yaml"],
    );
}

#[test]
fn what_changes_nothing_has_no_part() {
    check(&[], &[]);
}

/// `targets` are Applications and their files; `expected` the Applications and files of each part.
#[track_caller]
fn check(targets: &[(&str, &str)], expected: &[&str]) {
    let image = app();
    let files: Files<'_> = targets
        .iter()
        .map(|(_, file)| (path(file), Some(FILE.as_bytes())))
        .collect();
    let targets: Vec<Target> = targets
        .iter()
        .map(|(name, file)| Target {
            application: Some(Arc::new(argocd::Application {
                namespace: "argocd".to_owned(),
                name: (*name).to_owned(),
                ..argocd::Application::default()
            })),
            ..target(Format::Kustomization, &[file])
        })
        .collect();
    let plan = decide(
        &[image.input("app")],
        &targets,
        &files,
        &Digests::new(),
        &Past::new(),
    );
    let shown = |part: &Part<'_>| {
        let names = part
            .changes
            .iter()
            .filter_map(|(it, _)| it.application.as_deref());
        let names: Vec<&str> = names
            .map(|name| name.trim_start_matches("argocd/"))
            .collect();
        let files: Vec<String> = part.files.keys().map(ToString::to_string).collect();
        format!("{}: {}", names.join(","), files.join(","))
    };
    let parts: Vec<String> = plan.by_application().iter().map(shown).collect();
    assert_eq!(parts, expected);
    let whole = plan.whole().unwrap_or_default();
    assert_eq!(whole.files.len(), plan.files.len());
    assert_eq!(whole.changes.len(), plan.changes().count());
}
