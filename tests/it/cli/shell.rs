//! How the program fits into a shell: by what name it is called, completion, manual pages, pipes.

use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Ran, run, run_with};

/// Every command that a user may call.
const COMMANDS: [&str; 9] = [
    "run",
    "test",
    "explain",
    "edit",
    "template",
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
fn each_shell_completes_each_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(&["completion", shell], "");
        let script = ran.done();
        for command in COMMANDS.iter().chain(&["helm-values", "ignore-tags"]) {
            assert!(
                script.contains(command),
                "{shell} does not complete {command}"
            );
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "only bash knows what bash reads")]
fn bash_reads_its_completion() {
    let script = run(&["completion", "bash"], "");
    let (function, _) = script
        .done()
        .split_once('(')
        .expect("it begins with a function");
    let ask = format!(
        "COMP_WORDS=(image-update-operator edit '') COMP_CWORD=2\n\
         {function} image-update-operator '' edit\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &format!("{}\n{ask}", script.done())])
        .output()
        .expect("bash is there");
    let completed = String::from_utf8_lossy(&output.stdout);
    let completed: Vec<&str> = completed.lines().collect();
    for format in [
        "helm-values",
        "kustomization",
        "argocd-source",
        "manifests",
        "markers",
    ] {
        assert!(completed.contains(&format), "{completed:?}");
    }
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
