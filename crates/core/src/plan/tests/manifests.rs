//! Images in the manifests of a folder.

use super::*;
use crate::target::manifests::Scope;

const CONTAINERS: Format = Format::Manifests(Scope::Containers);

/// A pod with containers of these images.
fn pod(images: &[&str]) -> String {
    let containers = images.iter().map(|image| format!("  - image: {image}\n"));
    format!("spec:\n  containers:\n{}", containers.collect::<String>())
}

fn decide_in(folder: &str, image: &Image, format: Format, files: &[(&str, &str)]) -> Plan {
    let target = Target {
        folder: Some(folder.parse().expect("the row's folder is one")),
        ..target(format, &[])
    };
    let files = files
        .iter()
        .map(|(name, content)| (path(name), Some(content.as_bytes())));
    decide(
        &[image.input("app")],
        &[target],
        &files.collect(),
        &digests(Some(DIGEST)),
        &Past::new(),
    )
}

/// The states of all placements, and the files that are written.
fn outcome(plan: &Plan) -> (Vec<String>, Vec<(String, String)>) {
    let states = plan.placements.iter().map(|placement| {
        let one = Plan {
            placements: vec![placement.clone()],
            ..plan.clone()
        };
        state(&one)
    });
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).expect("the file is text");
    let files = plan.files.iter();
    (
        states.collect(),
        files
            .map(|(path, bytes)| (path.to_string(), text(bytes)))
            .collect(),
    )
}

#[test]
fn every_file_of_a_folder_that_runs_the_image_is_written() {
    let old = pod(&["registry.example/app:1.0.0"]);
    let plan = decide_in(
        "apps",
        &app(),
        CONTAINERS,
        &[
            ("apps/a/web.yaml", &old),
            ("apps/b.yml", &pod(&["registry.example/app:1.1.0"])),
            ("apps/other.yaml", &pod(&["registry.example/app-too:1.0.0"])),
            ("elsewhere/web.yaml", &old),
        ],
    );
    let (states, files) = outcome(&plan);
    assert_eq!(
        states,
        ["registry.example/app: 1.0.0 -> 1.1.0", "up to date"]
    );
    let written = ("apps/a/web.yaml".to_owned(), old.replace("1.0.0", "1.1.0"));
    assert_eq!(files, [written]);
}

#[test]
fn the_root_and_a_single_file_are_folders_too() {
    let old = pod(&["registry.example/app:1.0.0"]);
    for folder in [".", "web.yaml"] {
        let plan = decide_in(folder, &app(), CONTAINERS, &[("web.yaml", &old)]);
        assert_eq!(
            outcome(&plan).0,
            ["registry.example/app: 1.0.0 -> 1.1.0"],
            "{folder}"
        );
    }
}

#[test]
fn an_image_that_no_file_has_is_said_to_be_missing() {
    let other = pod(&["registry.example/other:1.0.0"]);
    let plan = decide_in(".", &app(), CONTAINERS, &[("web.yaml", &other)]);
    assert_eq!(
        outcome(&plan).0,
        ["broken: overlays/prod: no YAML file there runs registry.example/app"]
    );
    let plan = decide_in(".", &app(), Format::Markers, &[("web.yaml", &other)]);
    assert_eq!(
        outcome(&plan).0,
        ["broken: overlays/prod: no YAML file there is marked for ns:app"]
    );
    let plan = decide_in("no", &app(), CONTAINERS, &[("web.yaml", &other)]);
    assert_eq!(
        outcome(&plan).0,
        ["broken: overlays/prod holds no manifest: looked for no/**/*.yaml, no/**/*.yml"]
    );
}

#[test]
fn of_several_places_none_is_lowered() {
    let mixed = pod(&["registry.example/app:1.0.0", "registry.example/app:9.0.0"]);
    let plan = decide_in(".", &app(), CONTAINERS, &[("web.yaml", &mixed)]);
    let (states, files) = outcome(&plan);
    assert!(states[0].starts_with("refused: "), "{states:?}");
    assert_eq!(files, []);
}

#[test]
fn a_file_that_may_have_the_image_and_is_no_yaml_is_reported() {
    let template = "spec:\n  image: {{ .Values.image }}/app\n {";
    let plan = decide_in(".", &app(), CONTAINERS, &[("web.yaml", template)]);
    let (states, _) = outcome(&plan);
    assert!(
        states[0].starts_with("broken: web.yaml was left as it is"),
        "{states:?}"
    );
}

#[test]
fn only_marked_values_are_written_where_that_is_asked_for() {
    let file = "\
a: registry.example/app:1.0.0 # {\"$imagepolicy\": \"ns:app\"}
b: registry.example/app:1.0.0
c: 1.0.0 # {\"$imagepolicy\": \"ns:app:tag\"}
d: sha256:x # {\"$imagepolicy\": \"ns:app:digest\"}
e: 1.0.0 # {\"$imagepolicy\": \"ns:other:tag\"}
";
    let image = app().digest(DigestRule::Always);
    let plan = decide_in(".", &image, Format::Markers, &[("web.yaml", file)]);
    let (states, files) = outcome(&plan);
    let new = format!("1.1.0@{DIGEST}");
    assert_eq!(states, [format!("registry.example/app: 1.0.0 -> {new}")]);
    let expected = file
        .replacen("app:1.0.0", &format!("app:{new}"), 1)
        .replacen("c: 1.0.0", "c: 1.1.0", 1)
        .replacen("sha256:x", DIGEST, 1);
    assert_eq!(files, [("web.yaml".to_owned(), expected)]);
}
