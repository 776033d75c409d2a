//! Wrong input: one row = one mistake, with its exit code and what is said about it. Standard output
//! stays empty, and standard error has `error: …` and `hint: …`, a line each.

use super::{Ran, run, run_in};

/// `explain` with these flags behind a strategy and a list of tags.
#[track_caller]
fn check_explain(flags: &[&str], error: &str, hint: &str) {
    let always = ["explain", "--tags-from", "-"];
    check(&[&always, flags].concat(), error, hint);
}

/// The command is given the tag `1.0`, and a file is not there.
#[track_caller]
fn check(arguments: &[&str], error: &str, hint: &str) {
    check_ran(&run(arguments, "1.0\n"), 2, error, hint);
}

#[track_caller]
fn check_ran(ran: &Ran, code: i32, error: &str, hint: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.text(), "", "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let [first, second] = lines[..] else {
        unreachable!("an error and a hint: {ran:?}");
    };
    assert!(
        first.starts_with("error: ") && first.contains(error),
        "{ran:?}"
    );
    assert!(
        second.starts_with("hint: ") && second.contains(hint),
        "{ran:?}"
    );
}

#[test]
fn a_bad_flag_of_a_selection_is_named_with_its_value() {
    let semver = ["--strategy", "semver"];
    let semver = |flags: &[&'static str]| [&semver, flags].concat();
    check_explain(
        &semver(&["--constraint", "latest"]),
        "--constraint \"latest\": the constraint is not valid",
        "write a range",
    );
    check_explain(
        &semver(&["--allow-tags", "^v"]),
        "--allow-tags \"^v\": ",
        "regexp:",
    );
    check_explain(
        &semver(&["--allow-tags", "regexp:("]),
        "--allow-tags \"regexp:(\": the regular expression",
        "regexp:",
    );
    check_explain(
        &semver(&["--ignore-tags", "*-rc,["]),
        "--ignore-tags \"[\": the glob is not valid",
        "write a glob",
    );
    check_explain(
        &semver(&["--ignore-tags", "regexp:a,regexp:["]),
        "--ignore-tags \"regexp:[\": the regular expression is not valid",
        "write regexp:",
    );
    check_explain(
        &semver(&["--extract", "(", "--extract-to", "$1"]),
        "--extract \"(\": the pattern to extract is not valid",
        "--extract-to '$n'",
    );
    check_explain(
        &semver(&["--extract", "(a)", "--extract-to", "$2"]),
        "--extract-to \"$2\": the value to extract names the group \"2\"",
        "--extract-to '$n'",
    );
}

#[test]
fn a_bad_tag_of_digest_is_named() {
    let digest = |constraint: &'static str| ["--strategy", "digest", "--constraint", constraint];
    check_explain(
        &digest("^1"),
        "--constraint \"^1\": the tag to follow",
        "such as latest",
    );
    check_explain(
        &["--strategy", "digest"],
        "the digest strategy needs the tag to follow",
        "--constraint TAG",
    );
}

#[test]
fn a_flag_that_is_missing_or_unknown_is_named() {
    check_explain(&[], "--strategy <STRATEGY>", "--help");
    check_explain(&["--strategy", "semvr"], "'semvr'", "'semver'");
    check_explain(
        &["--strategy", "semver", "--extract", "a"],
        "--extract-to <VALUE>",
        "--help",
    );
    check_explain(&["--strategy", "semver", "-o", "xml"], "'xml'", "'yaml'");
    check(
        &["explain", "--strategy", "semver"],
        "--tags-from <FILE>",
        "--help",
    );
    check(&["explode"], "'explode'", "'explain'");
    check(&["--log-level", "a=b=c", "version"], "--log-level", "info");
    check(
        &["run", "--otlp-endpoint=grpc://collector:4317"],
        "--otlp-endpoint",
        "http://HOST:PORT",
    );
    check(
        &["run", "--otlp-sampling-ratio=2"],
        "--otlp-sampling-ratio",
        "--help",
    );
}

#[test]
fn a_list_that_cannot_be_read_is_named() {
    let explain = |tags: &'static str| ["explain", "--strategy=semver", "--tags-from", tags];
    check(
        &explain("nothing"),
        "--tags-from: nothing: there is no such file",
        "check the name",
    );
    check(
        &explain("."),
        "--tags-from: .: it is not a file",
        "check the name",
    );
    for (list, error) in [
        (
            "1.0\n\n1.1 now\n",
            "standard input, line 3: \"now\" is not a time",
        ),
        (
            "1.0 2024-05-01T00:00:00Z x\n",
            "line 1: \"x\" follows the tag and its time",
        ),
    ] {
        check_ran(&run(&explain("-"), list), 2, error, "write a tag a line");
    }
}

#[test]
fn text_that_is_not_utf_8_is_told_by_its_place() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let arguments = ["explain", "--strategy=semver", "--tags-from=-"];
    let ran = run_in(folder.path(), &arguments, b"1.0\n\xff");
    check_ran(
        &ran,
        2,
        "--tags-from: standard input: it is not UTF-8 at byte 4",
        "as UTF-8",
    );
}

#[test]
fn what_acts_on_a_terminal_is_not_repeated() {
    let bad = "\u{1b}]0;title\u{7}\u{1b}[31m";
    let explain = |strategy: &str, constraint: &str, tags: &str| {
        let flags = [
            "explain",
            "--strategy",
            strategy,
            "--constraint",
            constraint,
        ];
        let ran = run(&[&flags[..], &["--tags-from", tags]].concat(), "");
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(!ran.stderr.contains(['\u{1b}', '\u{7}']), "{ran:?}");
    };
    explain(bad, "1", "-");
    explain("semver", bad, "-");
    explain("semver", "1", bad);
}

#[test]
fn a_bad_argument_of_an_edit_is_named_before_any_file_is_read() {
    let edit = |format: &'static str, flag: &'static str, value: &'static str| {
        ["edit", format, "missing.yaml", flag, value]
    };
    let values = |value| edit("helm-values", "--set", value);
    check(
        &values("image.tag"),
        "--set \"image.tag\": there is no =",
        "KEY=VALUE",
    );
    check(
        &values("a..b=1"),
        "--set \"a..b=1\": the key cannot be used",
        "a.b[0].c",
    );
    let image = |value| edit("kustomization", "--image", value);
    check(
        &image("nginx"),
        "--image \"nginx\": there is no tag and no digest",
        ":TAG",
    );
    check(
        &image("nginx:^1"),
        "--image \"nginx:^1\": the tag is not valid",
        "a tag has letters",
    );
    check(
        &image("nginx@sha256"),
        "the digest is not valid",
        "hexadecimal digits",
    );
    check(
        &image("nginx:1=x:2"),
        "the name before the = has a tag",
        "NAME=NEWNAME:TAG",
    );
    let manifests = |value| edit("manifests", "--image", value);
    check(
        &manifests("r:5000/nginx"),
        "there is no tag and no digest",
        ":TAG",
    );
    let markers = |value| edit("markers", "--policy", value);
    check(
        &markers("a:b=Nginx:1"),
        "the repository is not valid",
        "registry/repository",
    );
    check(
        &markers("podinfo=x:1"),
        "not of the form namespace:name",
        "as the marker has it",
    );
    check(&markers("a:b=x"), "there is no tag and no digest", ":TAG");
    check(
        &edit("argocd-source", "--helm", "a"),
        "--helm \"a\": there is no =",
        "KEY=VALUE",
    );
    check(
        &["edit", "argocd-source", "x.yaml"],
        "--helm <NAME=VALUE>",
        "--help",
    );
    check(
        &[
            "edit",
            "argocd-source",
            "x",
            "--helm=a=b",
            "--kustomize=a:1",
        ],
        "cannot be used with",
        "--help",
    );
}

#[test]
fn a_file_that_cannot_be_edited_is_named() {
    let set = "--set=image.tag=2";
    check(
        &["edit", "helm-values", "x.yaml", set],
        "x.yaml: there is no such file",
        "name",
    );
    check(
        &["edit", "helm-values", ".", set],
        ".: it is not a file",
        "name",
    );
    check(
        &["edit", "helm-values", ".", "-i", set],
        "-i: .: it is not a file",
        "name",
    );
    check(
        &["edit", "helm-values", "-", "-i", set],
        "standard input",
        "leave out -i",
    );
    for (file, error) in [
        (
            "image: {",
            "standard input: could not parse the file at line 1",
        ),
        (
            "image: [1]\n",
            "standard input: the list at line 1 column 8 needs an index",
        ),
        (
            "image: {tag: 1, tag: 2}\n",
            "standard input: duplicate key `tag`",
        ),
    ] {
        let ran = run(&["edit", "helm-values", "-", set], file);
        check_ran(&ran, 2, error, "nothing was written");
    }
    let ran = run(&["edit", "manifests", "-", "--image=nginx:1"], "a: 1\n");
    check_ran(&ran, 2, "image `nginx` not found", "nothing was written");
}

#[test]
fn a_bad_template_is_told_with_its_place_and_what_there_is() {
    let ran = run(&["template", "commit", "-"], "a\n{{.Nope}}");
    check_ran(
        &ran,
        2,
        "standard input: line 2, column 3: no field `Nope`",
        ".AppName",
    );
    let ran = run(&["template", "branch", "a b"], "");
    let error = "\"a b\" is not the name of a branch: the name of the branch contains ' '\n";
    assert!(
        ran.stderr.starts_with(&format!("error: {error}")),
        "{ran:?}"
    );
    check_ran(&ran, 2, "a b", "git check-ref-format");
    let ran = run(&["template", "branch", "{{.Nope}}"], "");
    check_ran(&ran, 2, "line 1, column 3: no field `Nope`", ".AppName");
    let ran = run(&["template", "commit", "-"], &"x".repeat(5000));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "error: standard input: the template has 5000 bytes; at most 4096 are read\n"
    );
}

#[test]
fn other_arguments_that_are_not_known_are_named() {
    check(&["man", "nope"], "\"nope\" is not a command", "--help");
    check(
        &["man", "edit", "nope"],
        "\"nope\" is not a command of image-update-operator edit",
        "",
    );
    check(&["completion", "fishy"], "'fishy'", "'fish'");
    check(
        &["test", "nginx@sha256:1"],
        "IMAGE: the digest is not valid",
        "registry/repository",
    );
    check(
        &["test", "nginx:^1", "--constraint=^2"],
        "and --constraint another",
        "one of them",
    );
    check(
        &["test", "nginx", "--timeout=0s"],
        "longer than nothing",
        "--help",
    );
    check(&["test", "nginx", "--strategy=zz"], "'zz'", "--help");
    check(
        &["test", "nginx", "--docker-config=x"],
        "--docker-config: x: there is no",
        "name",
    );
    check(
        &["test", "nginx", "--ca-file=x"],
        "--ca-file: x: there is no such file",
        "name",
    );
}
