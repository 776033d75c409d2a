//! `edit` gives the bytes of the case file of the YAML edits, whatever the format; and an edit that
//! is done twice is done once.

use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;
use serde_json::Value;

use super::run_in;

#[derive(Deserialize)]
struct Case {
    id: String,
    kind: String,
    /// Cases of bytes and of great length have other fields; the core's tests have them.
    file: Option<String>,
    edits: Vec<Value>,
    want: Option<String>,
}

/// The command of a case; `None` where the case has a value that the command refuses or that no
/// command line can hold.
fn command(case: &Case) -> Option<Vec<String>> {
    let (format, flag) = match case.kind.as_str() {
        "helmvalues" => ("helm-values", "--set"),
        "kustomization" => ("kustomization", "--image"),
        "argocd-source" => ("argocd-source", ""),
        "manifest" => ("manifests", "--image"),
        "marker" => ("markers", "--policy"),
        other => unreachable!("{other} is no kind of case"),
    };
    let mut command = vec!["edit".to_owned(), format.to_owned(), "file".to_owned()];
    for edit in &case.edits {
        let (own_flag, value) = argument(&case.kind, edit)?;
        if value.contains('\0') {
            return None;
        }
        let flag = if flag.is_empty() { own_flag } else { flag };
        command.push(format!("{flag}={value}"));
    }
    Some(command)
}

fn argument(kind: &str, edit: &Value) -> Option<(&'static str, String)> {
    let text = |key: &str| edit[key].as_str().filter(|text| !text.is_empty());
    let with = |mark: &str, key: &str| {
        let text = text(key);
        text.map(|text| format!("{mark}{text}")).unwrap_or_default()
    };
    Some(match kind {
        "helmvalues" => {
            let path = text("path").filter(|path| !path.contains('='))?;
            ("", format!("{path}={}", edit["value"].as_str()?))
        }
        "kustomization" => {
            let parts = [
                with("=", "newName"),
                with(":", "newTag"),
                with("@", "digest"),
            ];
            if edit["newTag"] == "" || parts.concat().is_empty() {
                return None;
            }
            ("", text("name")?.to_owned() + &parts.concat())
        }
        "argocd-source" => match text("param") {
            Some(name) => ("--helm", format!("{name}={}", text("value")?)),
            None => ("--kustomize", text("value")?.to_owned()),
        },
        "manifest" => ("", text("value")?.to_owned()),
        _ => {
            let image = text("name")?.to_owned() + &with(":", "tag") + &with("@", "digest");
            ("", format!("{}={image}", text("policy")?))
        }
    })
}

#[test]
fn every_case_gives_its_bytes_and_twice_is_once() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../golden/yaml/cases.json"))
        .expect("the case file has cases");
    let mut failures = String::new();
    let (mut edited, mut refused) = (0, 0);
    for case in &cases {
        let (Some(file), Some(command)) = (&case.file, command(case)) else {
            continue;
        };
        let result = if let Some(want) = &case.want {
            edited += 1;
            check_edited(file, &command, want)
        } else {
            refused += 1;
            check_refused(file, &command)
        };
        if let Err(difference) = result {
            writeln!(failures, "{}: {command:?}: {difference}", case.id)
                .expect("a string takes all");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(
        edited > 140 && refused > 20,
        "{edited} edited, {refused} refused"
    );
}

/// Prints the wanted bytes, writes them in place, and writes nothing the second time.
fn check_edited(file: &str, command: &[String], want: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("file");
    fs::write(&path, file).expect("the folder can be written");
    let mut command: Vec<&str> = command.iter().map(String::as_str).collect();
    let run = |command: &[&str]| run_in(folder.path(), command, b"");
    let printed = run(&command);
    if printed.code != Some(0) || printed.stdout != want.as_bytes() {
        return Err(format!("want {want:?}, got {printed:?}"));
    }
    if fs::read_to_string(&path).ok().as_deref() != Some(file) {
        return Err("printing changed the file".to_owned());
    }
    command.push("-i");
    for time in ["once", "twice"] {
        let ran = run(&command);
        let now = fs::read_to_string(&path).unwrap_or_default();
        if ran.code != Some(0) || !ran.stdout.is_empty() || now != want {
            return Err(format!("in place, {time}: {now:?}, {ran:?}"));
        }
    }
    Ok(())
}

/// Leaves the file alone, prints nothing, and says why in two lines.
fn check_refused(file: &str, command: &[String]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("file");
    fs::write(&path, file).expect("the folder can be written");
    let mut command: Vec<&str> = command.iter().map(String::as_str).collect();
    command.push("-i");
    let ran = run_in(folder.path(), &command, b"");
    let is_told = ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 2;
    let is_as_it_was = fs::read_to_string(&path).ok().as_deref() == Some(file);
    if ran.code == Some(2) && ran.stdout.is_empty() && is_told && is_as_it_was {
        return Ok(());
    }
    Err(format!("{ran:?}"))
}
