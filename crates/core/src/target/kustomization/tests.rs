//! One row = one fact about `images:` of a kustomization. The wider table is the case file.

use super::{Entry, ImageEdit, edit, read};
use crate::target::EditError;

#[test]
fn any_spelling_of_a_docker_hub_name_finds_the_entry() {
    let file = "images:\n- name: docker.io/library/nginx\n  newTag: v1\n";
    check(
        file,
        "nginx:v2",
        "images:\n- name: docker.io/library/nginx\n  newTag: v2\n",
    );
    let file = "images:\n- name: nginx\n  newTag: v1\n";
    check(
        file,
        "index.docker.io/nginx:v2",
        "images:\n- name: nginx\n  newTag: v2\n",
    );
    check(
        file,
        "library/nginx:v2",
        "images:\n- name: nginx\n  newTag: v2\n",
    );
}

#[test]
fn another_registry_is_another_image() {
    let file = "images:\n- name: nginx\n  newTag: v1\n";
    check(
        file,
        "quay.io/nginx:v2",
        &format!("{file}- name: quay.io/nginx\n  newTag: v2\n"),
    );
}

#[test]
fn the_exact_spelling_wins_over_an_equal_one() {
    check(
        "images:\n- name: docker.io/nginx\n  newTag: v1\n- name: nginx\n  newTag: v1\n",
        "nginx:v2",
        "images:\n- name: docker.io/nginx\n  newTag: v1\n- name: nginx\n  newTag: v2\n",
    );
}

#[test]
fn two_entries_of_one_image_are_refused() {
    let twice = "images:\n- name: a\n  newTag: v1\n- name: a\n  newTag: v1\n";
    check_refused(
        twice,
        "a:v2",
        "two entries, at line 2 column 3 and at line 4 column 3",
    );
    let equal = "images:\n- name: docker.io/a\n- name: library/a\n";
    check_refused(equal, "a:v2", "two entries");
}

#[test]
fn a_new_name_is_written_only_where_it_differs() {
    let file = "images:\n- name: nginx\n  newTag: v1\n";
    check(file, "nginx=docker.io/library/nginx:v1", file);
    check(
        file,
        "nginx=my.io/nginx:v1",
        &format!("{file}  newName: my.io/nginx\n"),
    );
    let renamed = "images:\n- name: nginx\n  newName: docker.io/bitnami/nginx # ours\n";
    check(
        renamed,
        "nginx=bitnami/nginx:v1",
        &format!("{renamed}  newTag: v1\n"),
    );
    check(
        renamed,
        "nginx=nginx:v1",
        "images:\n- name: nginx\n  newName: nginx # ours\n  newTag: v1\n",
    );
}

#[test]
fn a_new_entry_has_no_name_that_says_nothing() {
    check(
        "",
        "nginx=library/nginx:1",
        "images:\n- name: nginx\n  newTag: \"1\"\n",
    );
    check(
        "",
        "nginx=my.io/nginx:1@sha256:aa",
        "images:\n- name: nginx\n  newName: my.io/nginx\n  newTag: \"1\"\n  digest: sha256:aa\n",
    );
}

#[test]
fn a_number_becomes_a_string_though_the_text_is_equal() {
    let file = "images:\n- name: a\n  newTag: 1.20 # pinned\n";
    check(
        file,
        "a:1.20",
        "images:\n- name: a\n  newTag: \"1.20\" # pinned\n",
    );
}

#[test]
fn a_digest_of_its_own_line_goes_with_its_comment_only() {
    check(
        "images:\n- name: a\n  # why\n  digest: sha256:aa # d\n  # next\n  newName: b\n",
        "a:v2",
        "images:\n- name: a\n  # why\n  # next\n  newName: b\n  newTag: v2\n",
    );
}

#[test]
fn a_digest_behind_the_dash_leaves_the_dash() {
    check(
        "images:\n- digest: sha256:aa # d\n  # about the name\n  name: a\n",
        "a:v2",
        "images:\n- # about the name\n  name: a\n  newTag: v2\n",
    );
}

#[test]
fn a_digest_at_the_end_of_a_file_leaves_it_without_a_line_break() {
    check(
        "images:\n- name: a\n  digest: x",
        "a:v2",
        "images:\n- name: a\n  newTag: v2",
    );
    check(
        "images:\r\n- name: a\r\n  newTag: v1\r\n  digest: x",
        "a:v1",
        "images:\r\n- name: a\r\n  newTag: v1",
    );
}

#[test]
fn a_digest_in_brackets_goes_with_its_comma() {
    check(
        "images: [{name: a, digest: x}]\n",
        "a:v2",
        "images: [{name: a, newTag: v2}]\n",
    );
    check(
        "images: [{digest: x, name: a}]\n",
        "a:v2",
        "images: [{name: a, newTag: v2}]\n",
    );
    check(
        "images: [{name: a, digest: x, newTag: v1}]\n",
        "a:v2",
        "images: [{name: a, newTag: v2}]\n",
    );
    check(
        "images: [\n  {\n    name: a, # n\n    digest: x # d\n  }\n]\n",
        "a:v2",
        "images: [\n  {\n    name: a, # n\n    newTag: v2\n  }\n]\n",
    );
}

#[test]
fn the_json_look_is_kept() {
    check(
        "{\"images\": [{\"name\": \"a\", \"digest\": \"x\"}]}\n",
        "a:2",
        "{\"images\": [{\"name\": \"a\", \"newTag\": \"2\"}]}\n",
    );
    check(
        "{\"images\": [{\"name\": \"a\"}]}\n",
        "b:v2",
        "{\"images\": [{\"name\": \"a\"}, {\"name\": \"b\", \"newTag\": \"v2\"}]}\n",
    );
}

#[test]
fn nothing_and_null_become_a_list() {
    check(
        "images:\nx: 1\n",
        "a:v1",
        "images:\n- name: a\n  newTag: v1\nx: 1\n",
    );
    check(
        "images: null # none\n",
        "a:v1",
        "images: # none\n- name: a\n  newTag: v1\n",
    );
    check(
        "{images: , x: 1}\n",
        "a:v1",
        "{images: [{name: a, newTag: v1}] , x: 1}\n",
    );
    check(
        "# only a comment\n",
        "a:v1",
        "# only a comment\nimages:\n- name: a\n  newTag: v1\n",
    );
    check("---\n", "a:v1", "---\nimages:\n- name: a\n  newTag: v1\n");
}

#[test]
fn an_anchored_list_is_edited_and_not_lengthened_through_its_alias() {
    let file = "x: &i\n- name: a\n  newTag: v1\nimages: *i\n";
    check(file, "a:v2", "x: &i\n- name: a\n  newTag: v2\nimages: *i\n");
    check_refused(file, "b:v2", "alias at line 4 column 9");
}

#[test]
fn an_anchored_tag_that_others_use_is_not_removed() {
    check_refused(
        "images:\n- name: a\n  newTag: &t v1\n- name: b\n  newTag: *t\n",
        "a@sha256:aa",
        "could not remove `newTag` at line 3",
    );
}

#[test]
fn two_edits_of_one_anchor_conflict() {
    let file = b"images:\n- name: a\n  newTag: &t v1\n- name: b\n  newTag: *t\n";
    let error = edit(file, &[image("a:v2"), image("b:v3")]).expect_err("one tag, two values");
    assert!(matches!(error, EditError::Conflict { .. }), "{error}");
    let both = edit(file, &[image("a:v2"), image("b:v2")]).expect("both want one value");
    let want = "images:\n- name: a\n  newTag: &t v2\n- name: b\n  newTag: *t\n";
    assert_eq!(both.as_deref(), Some(want.as_bytes()));
}

#[test]
fn what_is_no_kustomization_is_refused() {
    check_refused("images: x\n", "a:v2", "not a list");
    check_refused("- images\n", "a:v2", "not a mapping");
    check_refused(
        "images:\nimages:\n",
        "a:v2",
        "duplicate key `images` at line 2",
    );
    check_refused("---\n---\n", "a:v2", "more than one document");
    check_refused("images:\n- name: a\n  newTag: {}\n", "a:v2", "not a scalar");
    check_refused(
        "images:\n- name: a\n  newTag: !!int 5\n",
        "a:v2",
        "explicit tag `!!int`",
    );
}

#[test]
fn entries_of_other_shapes_are_passed_over() {
    check(
        "images:\n- just text\n- newTag: v1\n- name: {}\n- name: a\n  newTag: v1\n",
        "a:v2",
        "images:\n- just text\n- newTag: v1\n- name: {}\n- name: a\n  newTag: v2\n",
    );
}

#[test]
fn an_empty_value_is_never_written() {
    let empty = ImageEdit {
        new_tag: Some(String::new()),
        ..image("a:v1")
    };
    let error = edit(b"", &[empty]).expect_err("an empty tag");
    assert_eq!(
        error.to_string(),
        "an empty newTag cannot be written for `a`; leave it out instead"
    );
}

#[test]
fn an_edit_of_nothing_changes_nothing() {
    check("images: []\n", "a", "images: []\n");
}

#[test]
fn reads_what_the_file_says() {
    let file = b"images:\n- name: docker.io/nginx\n  newTag: 1.20\n  digest:\n  newName: ''\n";
    let entry = Entry {
        name: "docker.io/nginx".to_owned(),
        new_name: None,
        new_tag: Some("1.20".to_owned()),
        digest: None,
    };
    assert_eq!(read(file, "nginx"), Ok(Some(entry)));
    assert_eq!(read(file, "redis"), Ok(None));
    assert_eq!(read(b"", "nginx"), Ok(None));
    assert_eq!(read(b"images:\n", "nginx"), Ok(None));
}

/// `NAME[=NEWNAME][:TAG][@DIGEST]`.
fn image(text: &str) -> ImageEdit {
    let (name, new) = text.split_once('=').unwrap_or((text, text));
    let new = crate::target::Image::parse(new);
    ImageEdit {
        name: if name == text {
            new.name.clone()
        } else {
            name.to_owned()
        },
        new_name: (name != text).then_some(new.name),
        new_tag: new.tag,
        digest: new.digest,
    }
}

#[track_caller]
fn check(file: &str, image_text: &str, want: &str) {
    let edited = edit(file.as_bytes(), &[image(image_text)]).expect("the row's edit is possible");
    assert_eq!(
        edited.is_none(),
        file == want,
        "None means that nothing changes"
    );
    let edited = edited.unwrap_or_else(|| file.into());
    assert_eq!(String::from_utf8_lossy(&edited), want);
}

#[track_caller]
fn check_refused(file: &str, image_text: &str, message: &str) {
    let error = edit(file.as_bytes(), &[image(image_text)]).expect_err("the row's edit is refused");
    assert!(error.to_string().contains(message), "{error}");
}
