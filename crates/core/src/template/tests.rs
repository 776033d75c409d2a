//! One row, one fact about templates. The goldens are the old updater's own.

use proptest::prelude::*;

use super::*;
use crate::remote::BranchName;

fn change(name: &str, old: &str, new: &str) -> ImageChange {
    ImageChange {
        image: name.to_owned(),
        name: name.to_owned(),
        alias: format!("{name}-alias"),
        old: Some(old.to_owned()),
        new: new.to_owned(),
    }
}

fn two() -> Vec<ImageChange> {
    vec![
        change("foo/bar", "1.0", "1.1"),
        change("bar/baz", "2.0", "2.1"),
    ]
}

fn data(changes: &[ImageChange]) -> TemplateData<'_> {
    TemplateData {
        app_name: "shop",
        app_namespace: "team-a",
        changes,
        target_key: "0123abcd",
    }
}

#[test]
fn branches_are_named_as_the_old_updater_named_them() {
    check_branch(
        "image-updater{{range .Images}}-{{.Name}}-{{.NewTag}}{{end}}",
        &two(),
        "image-updater-foo/bar-1.1-bar/baz-2.1",
    );
    check_branch(
        "image-updater-{{.SHA256}}",
        &two()[..1],
        "image-updater-0fcc2782543e4bb067c174c21bf44eb947f3e55c0d62c403e359c1c209cbd041",
    );
    check_branch(
        "image-updater-{{.TargetKey}}-{{.AppNamespace}}/{{.AppName}}",
        &two(),
        "image-updater-0123abcd-team-a/shop",
    );
    check_branch(
        "{{range .Images}}{{.Alias}}{{.OldTag}}{{end}}",
        &two()[..1],
        "foo/bar-alias1.0",
    );
}

#[test]
fn long_name_of_a_branch_is_cut() {
    let name = format!("a{}", "é".repeat(200));
    check_branch(&name, &[], &format!("a{}", "é".repeat(124)));
}

#[test]
fn name_that_git_refuses_is_told_with_what_is_wrong() {
    for (template, message) in [
        (
            "a:{{.AppName}}",
            r#""a:application" is not the name of a branch: the name of the branch contains ':'"#,
        ),
        (
            "{{if false}}x{{end}}",
            r#""" is not the name of a branch: the name of the branch is empty"#,
        ),
        (
            "-{{.AppName}}",
            r#""-application" is not the name of a branch: the name of the branch starts with a dash"#,
        ),
    ] {
        let error = BranchTemplate::checked(template).expect_err("git refuses the name");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn old_forms_of_branches_are_read() {
    let form = |text: &str| -> Result<(Option<String>, Option<String>), String> {
        let form: BranchForm = text
            .parse()
            .map_err(|it: BranchTemplateError| it.to_string())?;
        let base = form.base.map(|base| base.to_string());
        Ok((base, form.push.map(|push| push.as_str().to_owned())))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(form("main"), Ok((some("main"), None)));
    assert_eq!(form("main:new"), Ok((some("main"), some("new"))));
    assert_eq!(
        form(":new-{{.SHA256}}"),
        Ok((None, some("new-{{.SHA256}}")))
    );
    assert_eq!(
        form("main:{{$a := 1}}x{{$a}}"),
        Ok((some("main"), some("{{$a := 1}}x{{$a}}")))
    );
    assert!(form("main:new:other").is_err_and(|it| it.contains("contains ':'")));
    assert!(form("main:").is_err_and(|it| it.contains("is empty")));
}

#[test]
fn legacy_message_is_rendered_as_before() {
    check(
        "build: automatic update of {{ .AppName }}\n\n{{ range .AppChanges -}}\n\
         updates image {{ .Image }} tag '{{ .OldTag }}' to '{{ .NewTag }}'\n{{ end -}}\n",
        &two(),
        "build: automatic update of shop\n\n\
         updates image foo/bar tag '1.0' to '1.1'\n\
         updates image bar/baz tag '2.0' to '2.1'\n",
    );
}

#[test]
fn functions_of_go_are_there() {
    check(
        "{{len .AppChanges}} {{printf \"%q %05d\" .AppName 7}} {{if and (eq 1 1) (gt 2 1)}}yes{{end}}",
        &two(),
        "2 \"shop\" 00007 yes",
    );
    check("{{(index .AppChanges 0).Image}}", &two(), "foo/bar");
    check("{{with $x := .AppName}}{{$x}}{{end}}", &[], "shop");
    check(
        "{{range $i, $c := .Images}}{{$i}}{{$c.Name}}{{end}}",
        &two(),
        "0foo/bar1bar/baz",
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    check_error(
        "update\n\n{{ .AppNam }}",
        "line 3, column 4: no field `AppNam`\nhint: there are .AppName",
    );
    check_error(
        "{{range .AppChanges}}{{.Name}}{{end}}",
        "no field `Name`\nhint",
    );
    check_error("{{ .AppName", "line 1, column ");
    check_error("{{ if }}", "line 1, column ");
    check_error("{{ upper .AppName }}", "line 1, column ");
    check_error("{{ template \"x\" . }}", "line 1, column ");
    check_error(
        &"x".repeat(5_000),
        "the template has 5000 bytes; at most 4096 are read",
    );
}

#[test]
fn hostile_templates_end() {
    let nested = format!(
        "{}x{}",
        "{{range $.AppChanges}}".repeat(40),
        "{{end}}".repeat(40)
    );
    let template: Template = nested.parse().expect("it can be read");
    let error = template
        .render(&data(&two()))
        .expect_err("it does too much");
    assert!(matches!(error, TemplateError::TooMuch { .. }), "{error:?}");
    // Go itself refuses such a width, in the text.
    check(
        "{{printf \"%999999999d\" 1}}",
        &[],
        "%!(NOVERB)%!(EXTRA int=1)",
    );
    for text in [
        "{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\" .}}",
        "{{range 1000000000}}{{end}}",
        "{{range 90000}}xxxxxxxxxx{{end}}",
        "{{$s := \"x\"}}{{range 100}}{{$s = print $s $s}}{{end}}",
    ] {
        let error = Template::checked(text).expect_err("it does too much");
        assert!(!error.to_string().is_empty(), "{text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_template_never_panics_and_never_writes_too_much(text in ".{0,200}") {
        try_all(&text);
    }

    #[test]
    fn arbitrary_actions_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{{-", "-}}", "range", "if", "else", "end", "with", "define", "template",
            "block", "break", "continue", ".AppChanges", ".Images", ".Image", ".", "$", "$x", ":=",
            "=", "|", "(", ")", "\"a\"", "`b", "'c'", "1", "-9e9", "0x", "printf", "len", "index",
            "slice", "call", "html", "%v", " ", "\n", "/*", "*/", "nil", "true", ",", "é",
        ]), 0..40)
    ) {
        try_all(&words.concat());
        try_all(&words.join(" "));
    }
}

/// The body of the fuzz target too: reads and renders, and holds the output to its bound.
fn try_all(text: &str) {
    if let Ok(template) = text.parse::<Template>()
        && let Ok(rendered) = template.render(&data(&two()))
    {
        assert!(rendered.len() <= MAX_OUTPUT_BYTES);
    }
    drop(text.parse::<BranchForm>());
}

#[track_caller]
fn check(template: &str, changes: &[ImageChange], expected: &str) {
    let template = Template::checked(template);
    let rendered = template.and_then(|(template, _)| template.render(&data(changes)));
    assert_eq!(rendered.as_deref(), Ok(expected));
}

#[track_caller]
fn check_branch(template: &str, changes: &[ImageChange], expected: &str) {
    let template = BranchTemplate::checked(template);
    let rendered = template.and_then(|template| template.render(&data(changes)));
    assert_eq!(rendered.as_ref().map(BranchName::as_str), Ok(expected));
}

#[track_caller]
fn check_error(template: &str, expected: &str) {
    let error = Template::checked(template).expect_err("the row's template is wrong");
    let text = error.to_string();
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("map["), "the data is not dumped: {text}");
}
