//! What somebody took back is not written again.

use super::*;

const OLD: &str = "images:\n- name: registry.example/app\n  newTag: 1.0.0\n";
const NEW: &str = "images:\n- name: registry.example/app\n  newTag: 1.1.0\n";

#[test]
fn what_was_taken_back_is_held_until_there_is_something_newer() {
    let file = OLD;
    let held = app().settled("1.1.0");
    check(&held, Format::Kustomization, file, "held: 1.1.0", "");
    check(
        &app().settled("1.0.5"),
        Format::Kustomization,
        file,
        "registry.example/app: 1.0.0 -> 1.1.0",
        NEW,
    );
    let with_digest = format!("1.1.0@{DIGEST}");
    let image = Image {
        settled: Some(Settled::Everywhere(Box::leak(with_digest.into_boxed_str()))),
        ..app().digest(DigestRule::Always)
    };
    check_with(
        &image,
        Format::Kustomization,
        file,
        Some(DIGEST),
        &format!("held: 1.1.0@{DIGEST}"),
        "",
    );
}

#[test]
fn what_stood_in_some_targets_is_held_where_the_past_shows_it() {
    check_past(None, "awaiting past: 1.1.0", &[]);
    check_past(Some(&[]), "registry.example/app: 1.0.0 -> 1.1.0", &[]);
    check_past(Some(&[None]), "registry.example/app: 1.0.0 -> 1.1.0", &[]);
    check_past(
        Some(&[Some(OLD)]),
        "registry.example/app: 1.0.0 -> 1.1.0",
        &[],
    );
    check_past(Some(&[Some(NEW)]), "held: 1.1.0", &[0]);
    check_past(Some(&[None, Some(OLD), Some(NEW)]), "held: 1.1.0", &[2]);
    // What can't be read says nothing.
    check_past(
        Some(&[Some("images: {")]),
        "registry.example/app: 1.0.0 -> 1.1.0",
        &[],
    );
}

#[test]
fn the_past_is_not_asked_for_where_another_value_is_written() {
    let image = Image {
        settled: Some(Settled::Somewhere("1.0.5")),
        ..app()
    };
    let plan = decide_one(&image, Format::Kustomization, OLD, None);
    assert!(plan.missing_past.is_empty() && plan.is_decided());
    assert_eq!(state(&plan), "registry.example/app: 1.0.0 -> 1.1.0");
}

/// Decides on a file that says 1.0.0 after 1.1.0 has stood in some file.
#[track_caller]
fn check_past(past: Option<&[Option<&'static str>]>, expected: &str, evidence: &[usize]) {
    let image = Image {
        settled: Some(Settled::Somewhere("1.1.0")),
        ..app()
    };
    let bytes = |looks: &[Option<&'static str>]| -> Vec<Option<&[u8]>> {
        looks.iter().map(|it| it.map(str::as_bytes)).collect()
    };
    let past = past.map(|it| (path("k.yaml"), bytes(it)));
    let past: Past<'_> = past.into_iter().collect();
    let files = Files::from([(path("k.yaml"), Some(OLD.as_bytes()))]);
    let targets = [target(Format::Kustomization, &["k.yaml"])];
    let plan = decide(
        &[image.input("app")],
        &targets,
        &files,
        &Digests::new(),
        &past,
    );
    assert_eq!(state(&plan), expected);
    let found: Vec<usize> = plan.evidence.iter().copied().collect();
    assert_eq!(found, evidence);
    assert_eq!(plan.is_decided(), !expected.starts_with("awaiting"));
    assert_eq!(
        plan.missing_past.contains(&path("k.yaml")),
        !plan.is_decided()
    );
}
