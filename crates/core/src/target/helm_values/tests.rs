//! One row = one fact about values files. The wider table is the case file.

use super::{ValueEdit, edit, image_edits, read, shared_with};
use crate::target::{EditError, Image, ImageKeys};
use crate::yaml::KeyPath;

#[test]
fn nulls_of_every_spelling_are_replaced_by_text() {
    check("tag: ~ # c\n", "tag=v2", "tag: v2 # c\n");
    check("tag: null\n", "tag=v2", "tag: v2\n");
    check("{tag}\n", "tag=v2", "{tag: v2}\n");
    check("{tag, x: y}\n", "tag=v2", "{tag: v2, x: y}\n");
    check("{\"tag\": }\n", "tag=v2", "{\"tag\": v2 }\n");
    check("? tag\n:\n", "tag=v2", "? tag\n: v2\n");
    check("l:\n-\n- # two\n", "l[0]=v2", "l:\n- v2\n- # two\n");
    check("l:\n- a\n- # two  \n", "l[1]=v2", "l:\n- a\n- v2 # two  \n");
}

#[test]
fn booleans_and_numbers_become_strings() {
    check("tag: true\n", "tag=true", "tag: \"true\"\n");
    check("tag: 1e3\n", "tag=v1", "tag: v1\n");
    check("tag: !!str 5\n", "tag=5", "tag: !!str 5\n");
    check("tag: ! 5\n", "tag=6", "tag: ! \"6\"\n");
}

#[test]
fn block_scalars_with_a_final_line_break_become_flow_scalars() {
    check(
        "tag: | # h\n  v1\n\nb: 1\n",
        "tag=v2",
        "tag: v2 # h\n\nb: 1\n",
    );
    check("tag: >\n  v1\n  x\nb: 1\n", "tag=v2", "tag: v2\nb: 1\n");
    check("tag: |+\n  v1\n\n", "tag=v2", "tag: v2\n\n");
    check(
        "a:\n  tag: |\n    v1\n  # c\n  b: 1\n",
        "a.tag=v2",
        "a:\n  tag: v2\n  # c\n  b: 1\n",
    );
    check("tag: |-\n\n  v1\nb: 1\n", "tag=v2", "tag: |-\n  v2\nb: 1\n");
    check("tag: |-\nb: 1\n", "tag=v2", "tag: v2\nb: 1\n");
    check("tag: |-\n  v1", "tag=v2", "tag: |-\n  v2");
    check("tag: &a |-\n  v1\n", "tag=v2", "tag: &a |-\n  v2\n");
    check("tag: |-\n  v1\n", "tag= v2", "tag: \" v2\"\n");
}

#[test]
fn a_key_goes_behind_a_block_scalar_of_any_kind() {
    check("a: |\n  x\n\n\n", "b=1", "a: |\n  x\nb: \"1\"\n\n\n");
    check("a: |+\n  x\n\n", "b=v", "a: |+\n  x\n\nb: v\n");
    check(
        "a: |-\n  # no comment\n",
        "b=v",
        "a: |-\n  # no comment\nb: v\n",
    );
    check("a: >-\n", "b=v", "a: >-\nb: v\n");
}

#[test]
fn missing_parents_are_created_in_the_look_of_the_file() {
    check(
        "a:\n    b: 1\n",
        "image.tag=v2",
        "a:\n    b: 1\nimage:\n    tag: v2\n",
    );
    check(
        "image: # c\nother: 1\n",
        "image.tag=v2",
        "image: # c\n  tag: v2\nother: 1\n",
    );
    check("image: ~ # c\n", "image.tag=v2", "image: # c\n  tag: v2\n");
    check(
        "image: &i\nx: *i\n",
        "image.tag=v2",
        "image: &i\n  tag: v2\nx: *i\n",
    );
    check(
        "image:\n  # tag: v0\nother: 1\n",
        "image.tag=v2",
        "image:\n  # tag: v0\n  tag: v2\nother: 1\n",
    );
    check("{image: }\n", "image.tag=v2", "{image: {tag: v2} }\n");
    check(
        "a: {b: {c: d}}\n",
        "a.b.e.f=v2",
        "a: {b: {c: d, e: {f: v2}}}\n",
    );
    check("# only\n", "a.b=v2", "# only\na:\n  b: v2\n");
    check("# only", "a.b=v2", "# only\na:\n  b: v2");
    check("---\n# only\n", "a=v2", "---\n# only\na: v2\n");
    check("--- # c\n...\n", "a=v2", "--- # c\na: v2\n...\n");
    check("\u{FEFF}", "a=v2", "\u{FEFF}a: v2\n");
}

#[test]
fn keys_that_might_not_read_as_strings_are_quoted() {
    check("a: 1\n", "on=v2", "a: 1\n\"on\": v2\n");
    check("a: {b: 1}\n", "a.x,y=v2", "a: {b: 1, \"x,y\": v2}\n");
    check("'a': 1\n", "it's=v2", "'a': 1\n'it''s': v2\n");
}

#[test]
fn a_key_goes_to_the_column_of_its_siblings() {
    check("l:\n-   a: 1\n", "l[0].b=v2", "l:\n-   a: 1\n    b: v2\n");
    check(
        "l:\n- - a: 1\n",
        "l[0][0].b=v2",
        "l:\n- - a: 1\n    b: v2\n",
    );
    check("- &k a: 1\n", "[0].b=v2", "- &k a: 1\n  b: v2\n");
    check("- é: 1\n", "[0].b=v2", "- é: 1\n  b: v2\n");
    check("\u{FEFF}a: 1\r\n", "b=v2", "\u{FEFF}a: 1\r\nb: v2\r\n");
}

#[test]
fn a_key_in_brackets_follows_the_last_one() {
    check("{a: 1, b: 2\n}\n", "c=v", "{a: 1, b: 2, c: v\n}\n");
    check(
        "{\n  a: 1,\n  b: 2}\n",
        "c=v",
        "{\n  a: 1,\n  b: 2, c: v}\n",
    );
    check(
        "{\r\n\ta: 1\r\n}\r\n",
        "c=v",
        "{\r\n\ta: 1,\r\n\tc: v\r\n}\r\n",
    );
    check("{a: [x] , # c\n}\n", "c=v", "{a: [x] , c: v # c\n}\n");
    check("{ }\n", "c=v", "{c: v }\n");
}

#[test]
fn a_dotted_key_is_edited_where_it_stands() {
    check("a:\n  b.c: {d: v1}\n", "a.b.c.d=v2", "a:\n  b.c: {d: v2}\n");
    check("a.b: {x: 1}\n", "a.b.c=v2", "a.b: {x: 1, c: v2}\n");
    check(
        "image: x\nimage.tag: v1\n",
        "image.tag=v2",
        "image: x\nimage.tag: v2\n",
    );
    check_refused("a.b: {x: 1}\na:\n  b: {x: 1}\n", "a.b.c=v2", "ambiguous");
}

#[test]
fn an_escaped_dot_is_no_separator() {
    check("a:\n  b: v1\n", r"a\.b=v2", "a:\n  b: v1\na.b: v2\n");
}

#[test]
fn the_value_of_an_alias_is_edited_at_its_anchor() {
    check("x: &t '1'\na: [*t]\n", "a[0]=2", "x: &t '2'\na: [*t]\n");
    check(
        "x: &i {tag: v1}\na: *i\n",
        "a.tag=v2",
        "x: &i {tag: v2}\na: *i\n",
    );
    check_refused("x: &t {a: 1}\nb: *t\n", "b=v2", "not a scalar");
}

#[test]
fn an_inherited_value_gets_a_local_key() {
    let file = "b: &b\n  tag: v1\na:\n  <<: *b\n";
    check(file, "a.tag=v2", &format!("{file}  tag: v2\n"));
    check(file, "a.tag=v1", file);
    check(
        "b: &b {tag: v1}\na: {<<: *b}\n",
        "a.tag=v2",
        "b: &b {tag: v1}\na: {<<: *b, tag: v2}\n",
    );
    check(
        "b: &b\n  x: 1\na:\n  <<: *b\n",
        "a.tag=v2",
        "b: &b\n  x: 1\na:\n  <<: *b\n  tag: v2\n",
    );
    check(
        "a:\n  <<: {tag: v1}\n",
        "a.tag=v2",
        "a:\n  <<: {tag: v1}\n  tag: v2\n",
    );
}

#[test]
fn a_merge_key_behind_the_local_key_is_refused() {
    check_refused(
        "b: &b\n  tag: v1\na:\n  tag: v1\n  <<: *b\n",
        "a.tag=v2",
        "merge key at line 5",
    );
    let harmless = "b: &b\n  x: v1\na:\n  tag: v1\n  <<: *b\n";
    check(
        harmless,
        "a.tag=v2",
        "b: &b\n  x: v1\na:\n  tag: v2\n  <<: *b\n",
    );
}

#[test]
fn only_the_first_document_is_edited() {
    check("a: v1\n---\na: v1\n", "a=v2", "a: v2\n---\na: v1\n");
    check("a: v1\n---\na: v1\n", "b=v2", "a: v1\nb: v2\n---\na: v1\n");
    check_refused(
        "---\n---\na: v1\n",
        "a=v2",
        "the first document is empty and another begins at line 2",
    );
}

#[test]
fn several_values_are_written_at_once() {
    let file = b"a: v1\nb: v1\n";
    let edits = [value("a=v2"), value("b=v2"), value("c=v2")];
    let edited = edit(file, &edits)
        .expect("all are possible")
        .expect("all change");
    assert_eq!(edited, b"a: v2\nb: v2\nc: v2\n");
}

#[test]
fn two_values_for_one_anchor_conflict() {
    let edits = [value("a=v2"), value("b=v3")];
    let error = edit(b"a: &t v1\nb: *t\n", &edits).expect_err("a and b are one value");
    assert_eq!(
        error.to_string(),
        "conflict: value `a` is undone by another edit of the same file; they share a value"
    );
}

#[test]
fn what_readers_disagree_about_is_refused() {
    check_refused(
        "a: &x:y v1\n",
        "a=v2",
        "anchor name `x:y` at line 1 column 4",
    );
    check_refused(
        "a: v1\n\u{FEFF}b: 1\n",
        "a=v2",
        "byte order mark inside the file at line 2",
    );
    check_refused(
        "# c\u{85}a: v1\n",
        "a=v2",
        "separator U+0085 at line 1 column 4",
    );
    check_refused("a: {b: v1}\n", "a[0]=v2", "not a list");
    check_refused("a: !!binary aGk=\n", "a=v2", "explicit tag `!!binary`");
    check_refused("? a\n: v1\n", "b=v2", "unusual YAML");
    check_refused("null\n", "b=v2", "unusual YAML");
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read() {
    let file = vec![b'#'; crate::yaml::MAX_FILE_BYTES + 1];
    let error = edit(&file, &[value("a=v2")]).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "the file has 4194305 bytes, more than the 4194304 that are edited"
    );
}

#[test]
fn a_file_may_not_grow_over_the_limit() {
    let mut file = b"a: 1\n".to_vec();
    file.resize(crate::yaml::MAX_FILE_BYTES, b'\n');
    let error = edit(&file, &[value("b=v2")]).expect_err("too large");
    assert!(
        matches!(error, EditError::Yaml(crate::yaml::Error::TooLarge { .. })),
        "{error}"
    );
}

#[test]
fn messages_have_no_control_characters_and_an_end() {
    let path = format!("\u{1b}[31m{}", "x".repeat(10_000));
    let error = path.parse::<KeyPath>().expect_err("an escape is no index");
    let message = error.to_string();
    assert!(
        message.len() < 300 && !message.contains('\u{1b}'),
        "{message}"
    );
}

#[test]
fn reads_the_text_of_a_value() {
    check_read("a: {b: 1.20}\n", "a.b", Some("1.20"));
    check_read("a: {b: ~}\n", "a.b", None);
    check_read("a: {b: ''}\n", "a.b", Some(""));
    check_read("x: &x v1\na: [*x]\n", "a[0]", Some("v1"));
    check_read("x: &x {b: v1}\na: {<<: *x}\n", "a.b", Some("v1"));
    check_read("", "a.b", None);
    check_read("a:\n", "a.b", None);
}

#[test]
fn a_name_is_written_only_where_another_stands() {
    let split = "image:\n  repository: nginx\n  tag: v1\n";
    check_image(
        split,
        "nginx:v2",
        &["image.repository=nginx", "image.tag=v2"],
    );
    check_image(
        split,
        "docker.io/library/nginx:v2",
        &["image.repository=nginx", "image.tag=v2"],
    );
    check_image("image:\n  tag: v1\n", "ghcr.io/x/y:v2", &["image.tag=v2"]);
    check_image(
        "image:\n  repository: ''\n",
        "ghcr.io/x/y:v2",
        &["image.tag=v2"],
    );
    check_image(
        "image:\n  repository: quay.io/x/y\n",
        "ghcr.io/x/y:v2",
        &["image.repository=ghcr.io/x/y", "image.tag=v2"],
    );
}

#[test]
fn a_name_without_a_registry_stays_without_one() {
    let file = "image:\n  registry: ghcr.io\n  repository: x/y\n";
    check_image(
        file,
        "ghcr.io/x/y:v2",
        &["image.repository=x/y", "image.tag=v2"],
    );
}

#[test]
fn a_tag_value_holds_the_digest_too() {
    check_image("", "nginx:v2@sha256:aa", &["image.tag=v2@sha256:aa"]);
    check_image("", "nginx@sha256:aa", &["image.tag=latest@sha256:aa"]);
}

#[test]
fn a_whole_reference_keeps_the_spelling_of_its_name() {
    let keys = ImageKeys::Spec(path("image"));
    let edits = |file: &str, image: &str| {
        image_edits(file.as_bytes(), &keys, &Image::parse(image)).expect("the row can be planned")
    };
    assert_eq!(
        edits("image: docker.io/library/nginx:v1\n", "nginx:v2"),
        [value("image=docker.io/library/nginx:v2")]
    );
    assert_eq!(
        edits("image: x/y:v1\n", "ghcr.io/x/y:v2"),
        [value("image=ghcr.io/x/y:v2")]
    );
    assert_eq!(
        edits("", "nginx:v2@sha256:aa"),
        [value("image=nginx:v2@sha256:aa")]
    );
}

#[test]
fn an_image_without_a_tag_is_refused() {
    let keys = ImageKeys::Spec(path("image"));
    let error = image_edits(b"", &keys, &Image::parse("nginx")).expect_err("nothing to write");
    assert!(
        matches!(error, EditError::EmptyValue { field: "tag", .. }),
        "{error}"
    );
}

#[test]
fn the_paths_that_share_a_value_are_told() {
    check_shared(
        "common: &t v1\na: {tag: *t}\nb: [*t]\n",
        "a.tag",
        &["b[0]", "common"],
    );
    check_shared(
        "x: &x {tag: v1}\na: *x\nb: {<<: *x}\n",
        "x.tag",
        &["a.tag", "b.tag"],
    );
    check_shared("x: &x {tag: v1}\nb: {<<: [*x], tag: v2}\n", "x.tag", &[]);
    check_shared(
        "x: &x {y: &y {tag: v1}}\na: *x\nb: *y\n",
        "b.tag",
        &["a.y.tag", "x.y.tag"],
    );
    check_shared("a: v1\n", "a", &[]);
    check_shared(
        "x: &x {y: 1}\na: *x\nb: {<<: *x}\n",
        "x.tag",
        &["a.tag", "b.tag"],
    );
    check_shared("x: &x\na: *x\n", "x.y.tag", &["a.y.tag"]);
    check_shared(
        "x: &x {tag: v1}\na: &a {<<: *x}\nb: *a\n",
        "a.tag",
        &["b.tag"],
    );
}

#[test]
fn the_list_of_shared_paths_ends() {
    let levels = (1..=20).map(|level| {
        let below = level - 1;
        format!("a{level}: &a{level} {{k: *a{below}, l: *a{below}}}\n")
    });
    let file = "a0: &a0 {k: v1}\n".to_owned() + &levels.collect::<String>();
    let paths = shared_with(file.as_bytes(), &path("a0.k"), 10).expect("the value is there");
    assert_eq!(paths.len(), 10);
}

fn path(text: &str) -> KeyPath {
    text.parse().expect("the row's path is one")
}

/// `path=value`.
fn value(text: &str) -> ValueEdit {
    let (key, value) = text.split_once('=').expect("a row has `=`");
    ValueEdit {
        path: path(key),
        value: value.to_owned(),
    }
}

#[track_caller]
fn check(file: &str, change: &str, want: &str) {
    let edited = edit(file.as_bytes(), &[value(change)]).expect("the row's edit is possible");
    assert_eq!(
        edited.is_none(),
        file == want,
        "None means that nothing changes"
    );
    let edited = edited.unwrap_or_else(|| file.into());
    assert_eq!(String::from_utf8_lossy(&edited), want);
}

#[track_caller]
fn check_refused(file: &str, change: &str, message: &str) {
    let error = edit(file.as_bytes(), &[value(change)]).expect_err("the row's edit is refused");
    assert!(error.to_string().contains(message), "{error}");
}

#[track_caller]
fn check_read(file: &str, key: &str, want: Option<&str>) {
    let value = read(file.as_bytes(), &path(key)).expect("the row's path can be read");
    assert_eq!(value.as_deref(), want);
}

#[track_caller]
fn check_image(file: &str, image: &str, want: &[&str]) {
    let keys = ImageKeys::NameAndTag {
        name: Some(path("image.repository")),
        tag: path("image.tag"),
    };
    let edits = image_edits(file.as_bytes(), &keys, &Image::parse(image));
    let want: Vec<_> = want.iter().map(|change| value(change)).collect();
    assert_eq!(edits, Ok(want));
}

#[track_caller]
fn check_shared(file: &str, key: &str, want: &[&str]) {
    let paths = shared_with(file.as_bytes(), &path(key), 10).expect("the row's path can be read");
    let paths: Vec<_> = paths.iter().map(KeyPath::to_string).collect();
    assert_eq!(paths, want);
}
