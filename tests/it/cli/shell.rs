//! How the program fits into a shell: by what name it is called, completion, manual pages, pipes.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Ran, run, run_with};

const PROGRAM: &str = env!("CARGO_BIN_EXE_image-update-operator");

/// Every command that a user may call.
const COMMANDS: [&str; 18] = [
    "run",
    "test",
    "explain",
    "edit",
    "template",
    "get",
    "suspend",
    "resume",
    "reconcile",
    "pin",
    "release",
    "plan",
    "apply",
    "convert",
    "crds",
    "completion",
    "man",
    "version",
];

/// A run by another name.
fn run_as(name: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let program = folder.path().join(name);
    symlink(env!("CARGO_BIN_EXE_image-update-operator"), &program).expect("a link can be made");
    run_with(&program, folder.path(), arguments, b"", &[])
}

#[test]
fn usage_has_the_name_that_was_called() {
    let check = |name: &str, usage: &str| {
        let ran = run_as(name, &["explain", "--help"]);
        let usage = format!("\nUsage: {usage} explain [OPTIONS]");
        assert!(ran.done().contains(&usage), "{ran:?}");
    };
    check("kubectl-imageupdate", "kubectl imageupdate");
    check("image-update-operator", "image-update-operator");
    let ran = run_as("kubectl-imageupdate", &["version"]);
    assert!(ran.done().starts_with("image-update-operator "));
}

#[test]
fn no_command_is_answered_with_the_list_of_them() {
    let ran = run(&[], "");
    assert_eq!((ran.code, ran.text()), (Some(2), ""));
    for command in COMMANDS {
        assert!(
            ran.stderr.contains(&format!("\n  {command} ")),
            "{command}: {ran:?}"
        );
    }
}

#[test]
fn help_and_version_are_data() {
    assert!(run(&["--help"], "").done().contains("\nCommands:\n"));
    assert!(
        run(&["edit", "markers", "-h"], "")
            .done()
            .contains("--policy")
    );
    assert!(
        run(&["--version"], "")
            .done()
            .starts_with("image-update-operator ")
    );
}

#[test]
fn each_shell_has_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(&["completion", shell], "");
        assert!(
            ran.done().contains("image-update-operator"),
            "{shell}: {ran:?}"
        );
    }
}

/// The examples of each command's help that need no server, in a folder with the files that they name.
#[test]
#[expect(clippy::disallowed_methods, reason = "they are lines for a shell")]
fn examples_of_the_help_do_something() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let deployment = "spec: {template: {spec: {containers: [{name: web, image: 'nginx:1'}]}}}\n";
    let marked = "image: nginx:1 # {\"$imagepolicy\": \"flux-system:web\"}\n";
    for (name, text) in [
        ("values.yaml", "image: {tag: '1'}\n".to_owned()),
        ("kustomization.yaml", "images: []\n".to_owned()),
        (
            "deployment.yaml",
            format!("kind: Deployment\napiVersion: apps/v1\n{deployment}---\n{marked}"),
        ),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    let mut ran = 0;
    for command in [
        "explain",
        "edit helm-values",
        "edit kustomization",
        "edit argocd-source",
        "edit manifests",
        "edit markers",
        "template commit",
        "template branch",
        "crds",
        "completion",
        "man",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(&words, "");
        let (_, examples) = help
            .done()
            .split_once("\nExamples:\n")
            .expect("there are examples");
        let lines = examples.lines().map(str::trim);
        let is_ours = |line: &&str| {
            let needs_more = ["policy team", "kubectl", "man -l", "~/"];
            !line.starts_with('#') && !needs_more.iter().any(|it| line.contains(it))
        };
        for line in lines.filter(is_ours) {
            let line = line.replace("image-update-operator ", &format!("{PROGRAM} "));
            let output = Command::new("bash")
                .args(["--norc", "-o", "pipefail", "-c", &line])
                .current_dir(folder.path())
                .output()
                .expect("bash is there");
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{line}: {output:?}"
            );
            ran += 1;
        }
    }
    assert!(ran >= 9, "only {ran} examples");
}

#[test]
fn each_command_has_a_manual_page() {
    for command in COMMANDS {
        let ran = run(&["man", command], "");
        let page = ran.done();
        assert!(
            page.contains(".SH NAME\n") && page.contains(".SH SYNOPSIS\n"),
            "{page}"
        );
    }
    let page = run(&["man", "edit", "kustomization"], "");
    assert!(page.done().contains("\\-\\-image"), "{page:?}");
    let page = run(&["man"], "");
    assert!(page.done().contains("explain"), "{page:?}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the pipe is closed before the program ends"
)]
fn a_reader_that_has_enough_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let tags: Vec<String> = (0..50_000).map(|number| format!("v{number}")).collect();
    std::fs::write(folder.path().join("tags"), tags.join("\n")).expect("the folder can be written");
    let mut child = Command::new(Path::new(env!("CARGO_BIN_EXE_image-update-operator")))
        .args(["explain", "--strategy=semver", "--tags-from=tags"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("our program can be run");
    let mut stdout = child.stdout.take().expect("it has an output");
    let mut start = [0; 8];
    stdout.read_exact(&mut start).expect("it prints");
    drop(stdout);
    let output = child.wait_with_output().expect("our program ends");
    assert_eq!(&start, b"selected");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}
