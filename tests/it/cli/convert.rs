//! What `convert` prints is what an API server takes.

use std::fs;
use std::path::Path;

use image_update_operator::api::admission::Schema;
use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use serde_json::Value;

use super::run_in;
use crate::samples::apply;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cli");

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_accepted_by_an_api_server() {
    let mut refused = Vec::new();
    let mut kinds = Vec::new();
    let policy = Schema::of::<ImageUpdatePolicy>();
    let watch = Schema::of::<ImageWatch>();
    for entry in fs::read_dir(CASES).expect("there are cases") {
        let case = entry.expect("the folder can be read").path();
        if !name(&case).starts_with("convert-") {
            continue;
        }
        let command = fs::read(case.join("command.json")).expect("a case has a command");
        let command: Vec<String> = serde_json::from_slice(&command).expect("it is a list");
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = run_in(&case, &command, b"");
        let documents: Vec<Value> = serde_yaml::from_multiple(ran.text()).expect("YAML is printed");
        for mut document in documents {
            let schema = if document["kind"] == "ImageWatch" {
                &watch
            } else {
                &policy
            };
            // As `plan` does.
            if let Err(refusals) = schema.admit(&document) {
                refused.push(format!("{}: {refusals}", case.display()));
            }
            let metadata = document["metadata"].as_object_mut();
            // Samples are applied to a namespace of the test's own choice.
            metadata.expect("an object has it").remove("namespace");
            if let Err(error) = apply(&document.to_string()).await {
                refused.push(format!("{}: {error}", case.display()));
            }
            kinds.push(document["kind"].clone());
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    for kind in ["ImageUpdatePolicy", "ImageWatch"] {
        assert!(kinds.iter().any(|it| it == kind), "no {kind} is printed");
    }
}

#[test]
fn every_example_of_the_guide_is_a_case() {
    let guide = include_str!("../../../docs/guides/migrate.md");
    let cases = fs::read_dir(CASES).expect("there are cases");
    let cases: Vec<String> = cases
        .flat_map(|entry| {
            let case = entry.expect("the folder can be read").path();
            ["app.yaml", "expected.txt"].map(|file| fs::read_to_string(case.join(file)))
        })
        .filter_map(Result::ok)
        .collect();
    let blocks = guide.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|it| it.split("```").next()).collect();
    assert!(blocks.len() >= 4, "{blocks:?}");
    for block in blocks {
        assert!(cases.iter().any(|case| case.contains(block)), "{block}");
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
