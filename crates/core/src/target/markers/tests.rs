//! One row = one fact about setter markers. The wider table is the case file.

use super::{MarkedValue, MarkerEdit, Part, edit, read};
use crate::target::{EditError, Image};
use crate::yaml::Position;

const REFERENCE: &str = r#"# {"$imagepolicy": "ns:p"}"#;
const TAG: &str = r#"# {"$imagepolicy": "ns:p:tag"}"#;
const NAME: &str = r#"# {"$imagepolicy": "ns:p:name"}"#;
const DIGEST: &str = r#"# {"$imagepolicy": "ns:p:digest"}"#;

#[test]
fn each_part_is_written_by_its_marker() {
    check(
        &format!("a: x:1 {REFERENCE}\nb: x {NAME}\nc: '1' {TAG}\nd: x {DIGEST}\n"),
        "r/i:v2@sha256:aa",
        &format!(
            "a: r/i:v2@sha256:aa {REFERENCE}\nb: r/i {NAME}\nc: 'v2' {TAG}\nd: sha256:aa {DIGEST}\n"
        ),
    );
}

#[test]
fn an_unknown_part_or_another_policy_is_left_alone() {
    for marker in ["ns:p:other", "ns:p2", "ns2:p", "p", "ns:p:tag:x", ""] {
        let file = format!("a: x # {{\"$imagepolicy\": \"{marker}\"}}\n");
        check(&file, "r:v2", &file);
    }
}

#[test]
fn words_and_other_keys_may_stand_around_a_marker() {
    let file = "a: v1 # see {here} {\"x\": 1, \"$imagepolicy\": \"ns:p:tag\"} for more\n";
    check(file, "r:v2", &file.replace("v1", "v2"));
    let file = "a: v1 #{\"$imagepolicy\":\"ns:p:tag\"}\n";
    check(file, "r:v2", &file.replace("v1", "v2"));
}

#[test]
fn a_commented_out_line_is_no_marked_value() {
    let file = format!("a: 1\n# image: x:1 {REFERENCE}\n  {TAG}\nb: 1\n");
    check(&file, "r:v2", &file);
}

#[test]
fn the_same_image_keeps_its_spelling() {
    let file = format!("a: docker.io/library/nginx:1 {REFERENCE}\nb: docker.io/nginx {NAME}\n");
    check(&file, "nginx:2", &file.replace(":1", ":2"));
}

#[test]
fn nothing_where_a_value_belongs_is_filled() {
    check(&format!("a: {TAG}\n"), "r:v2", &format!("a: v2 {TAG}\n"));
    check(&format!("- {TAG}\n"), "r:v2", &format!("- v2 {TAG}\n"));
}

#[test]
fn the_value_of_an_alias_is_edited_at_its_anchor() {
    let file = format!("a: &t v1\nb: *t {TAG}\n");
    check(&file, "r:v2", &format!("a: &t v2\nb: *t {TAG}\n"));
}

#[test]
fn two_parts_of_one_anchor_conflict() {
    check_refused(
        &format!("a: &t v1 {NAME}\nb: *t {TAG}\n"),
        "r:v2",
        "conflict",
    );
}

#[test]
fn the_end_of_a_long_value_counts() {
    let file = format!("a: \"v\n  1\" {TAG}\nb: v1\n");
    check(&file, "r:v2", &file.replace("\"v\n  1\"", "\"v2\""));
    let file = format!("x: {{a: b,\n  c: v1}} {TAG}\n");
    check(&file, "r:v2", &file.replace("v1", "v2"));
}

#[test]
fn a_marker_for_no_single_value_is_refused() {
    check_refused(
        &format!("a: {REFERENCE}\n  b: 1\n"),
        "r:v2",
        "no value before it",
    );
    check_refused(&format!("a: [b, c] {TAG}\n"), "r:v2", "several values");
    check_refused(&format!("a: > {TAG}\n  b\n"), "r:v2", "block scalar");
    check_refused(&format!("a: b {DIGEST}\n"), "r:v2", "asks for the digest");
    check_refused(&format!("a: b {TAG}\n"), "r@sha256:aa", "asks for the tag");
    check_refused(&format!("a: !x b {TAG}\n"), "r:v2", "explicit tag `!x`");
}

#[test]
fn reads_the_marked_values() {
    let file = format!("a: x:1 {REFERENCE}\n---\nb:\n- 1.0 {TAG}\n");
    let want = [
        MarkedValue {
            part: Part::Reference,
            value: "x:1".to_owned(),
            at: Position { line: 1, column: 4 },
        },
        MarkedValue {
            part: Part::Tag,
            value: "1.0".to_owned(),
            at: Position { line: 4, column: 3 },
        },
    ];
    assert_eq!(read(file.as_bytes(), "ns:p"), Ok(want.to_vec()));
    assert_eq!(read(file.as_bytes(), "ns:other"), Ok(Vec::new()));
}

fn edits(image: &str) -> [MarkerEdit; 1] {
    [MarkerEdit {
        policy: "ns:p".to_owned(),
        image: Image::parse(image),
    }]
}

#[track_caller]
fn check(file: &str, image: &str, want: &str) {
    let edited = edit(file.as_bytes(), &edits(image)).expect("the row's edit is possible");
    let edited = edited.unwrap_or_else(|| file.into());
    assert_eq!(String::from_utf8_lossy(&edited), want);
}

#[track_caller]
fn check_refused(file: &str, image: &str, message: &str) {
    let result: Result<_, EditError> = edit(file.as_bytes(), &edits(image));
    let error = result.expect_err("the row's edit is refused");
    assert!(error.to_string().contains(message), "{error}");
}
