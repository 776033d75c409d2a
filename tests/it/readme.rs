//! The README works: each block is run, applied, or compared with what it is about. A block or a
//! line that no rule knows fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use image_update_testkit::process::Launch;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::samples;
use crate::world::api_server;

pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("there is a README")
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut parts = text.split("\n```");
    parts.next();
    // What stands between two fences is a block, then text, then a block.
    while let Some(block) = parts.next() {
        let (language, text) = block.split_once('\n').expect("a fence ends its line");
        blocks.push(Block {
            language: language.to_owned(),
            text: text.to_owned(),
        });
        parts.next();
    }
    blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_works() {
    let mut seen = Vec::new();
    for block in blocks(&readme()) {
        match block.language.as_str() {
            "yaml" => {
                for document in block.text.split("---\n") {
                    let result = samples::apply(document).await;
                    result.expect("the README's objects are accepted");
                }
            }
            "sh" => {
                for line in block.text.replace("\\\n", " ").lines() {
                    run(line).await;
                }
            }
            "console" => console(&block.text),
            other => assert_eq!(other, "", "a block of a language that no rule knows"),
        }
        seen.push(block.language);
    }
    for language in ["yaml", "sh", "console"] {
        assert!(seen.iter().any(|it| it == language), "no {language} block");
    }
}

/// Runs a line of a `sh` block, with our own program for what the user would have installed.
async fn run(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        // The tests are built the same way, but for the profile.
        ["cargo", "install", "--locked", "--path", "."] => {}
        // The objects are applied as the block that holds them.
        ["kubectl", "apply", "-f", "podinfo.yaml"] => {
            assert!(readme().contains("save it as `podinfo.yaml`:\n\n```yaml\n"));
        }
        [
            "image-update-operator",
            "crds",
            "|",
            "kubectl",
            "apply",
            "--server-side",
            "-f",
            "-",
        ] => {
            let text = ours(&["crds"]);
            let documents: Vec<&str> = text.split("---\n").filter(|it| !it.is_empty()).collect();
            assert_eq!(documents.len(), 2);
            for document in documents {
                let crd: CustomResourceDefinition =
                    serde_yaml::from_str(document).expect("crds prints CRDs");
                assert_eq!(crd.spec.group, "image-update.dev");
            }
        }
        ["kubectl", "create", "secret", "generic", _, literals @ ..] => {
            let keys: Vec<&str> = literals
                .iter()
                .filter_map(|it| it.strip_prefix("--from-literal="))
                .filter_map(|it| Some(it.split_once('=')?.0))
                .collect();
            assert_eq!(keys, ["username", "password"], "the keys that are read");
        }
        ["image-update-operator", "run"] => starts().await,
        ["image-update-operator", arguments @ ..] => {
            let text = ours(arguments);
            assert!(!text.is_empty(), "{line} prints nothing");
        }
        _ => assert_eq!(line, "", "a command that no rule knows"),
    }
}

fn console(text: &str) {
    let makefile = include_str!("../../Makefile");
    let crds = [
        include_str!("../../crds/image-update.dev_imagewatches.yaml"),
        include_str!("../../crds/image-update.dev_imageupdatepolicies.yaml"),
    ];
    let mut titles = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["$", "make", target, ..] => {
                assert!(
                    makefile.contains(&format!("\n{target}:")),
                    "no target {target}"
                );
            }
            [
                "$",
                "kubectl",
                "annotate",
                "imagewatch",
                _,
                "--overwrite",
                annotation,
            ] => {
                let name = annotation.split_once('=').map(|(name, _)| name);
                assert_eq!(name, Some("image-update.dev/requestedAt"));
            }
            ["$", "kubectl", "get", "imagewatches,imageupdatepolicies"] | [] => {}
            ["NAME", ..] => {
                titles = columns(line);
                assert!(
                    crds.iter().any(|crd| printed(crd) == titles),
                    "{titles:?} are the columns of neither kind"
                );
            }
            ["podinfo", ..] => {
                let cells = columns(line);
                assert_eq!(cells.len(), titles.len(), "{cells:?} under {titles:?}");
            }
            _ => assert_eq!(line, "", "a line that no rule knows"),
        }
    }
}

/// The titles of a printed table, after the name.
fn columns(line: &str) -> Vec<String> {
    let titles = line.split("  ").map(str::trim).filter(|it| !it.is_empty());
    titles.skip(1).map(str::to_owned).collect()
}

/// The titles that the API server prints for a kind.
fn printed(crd: &str) -> Vec<String> {
    let crd: CustomResourceDefinition = serde_yaml::from_str(crd).expect("the CRD is YAML");
    let columns = crd.spec.versions[0].additional_printer_columns.iter();
    columns
        .flatten()
        .filter(|column| column.priority.is_none_or(|priority| priority == 0))
        .map(|column| column.name.to_uppercase())
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "it is run as a user runs it")]
fn ours(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_image-update-operator"))
        .args(arguments)
        .output()
        .expect("our program can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("our program prints text")
}

/// `run` needs nothing but KUBECONFIG.
async fn starts() {
    let kubeconfig = api_server().await.kubeconfig().display().to_string();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator"));
    let operator = Launch::new("operator", program)
        // Of a namespace that is not there, so that other tests are not disturbed.
        .map(|launch| {
            launch
                .args(["run", "--watch-namespaces=readme", "--metrics-address=0"])
                .env("KUBECONFIG", kubeconfig)
        })
        .and_then(Launch::spawn)
        .expect("the operator starts");
    for _ in 0..400 {
        if operator
            .log_tail()
            .to_string()
            .contains("The operator is running")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(operator.log_tail().to_string(), "", "it does not run");
}
