//! One row = one fact about plain manifests. The wider table is the case file.

use super::{ManifestEdit, Scope, edit, read};
use crate::target::{EditError, Image};

#[test]
fn pod_templates_of_any_kind_are_found() {
    for (kind, path) in [
        ("Pod", ""),
        ("Deployment", "template"),
        ("Rollout", "template"),
        ("CronJob", "jobTemplate.spec.template"),
        ("JobSet", "replicatedJobs.0.template.spec.template"),
    ] {
        let mut inner = "{containers: [{image: nginx:1}]}".to_owned();
        for key in path.split('.').rev().filter(|key| !key.is_empty()) {
            inner = match key {
                "0" => format!("[{inner}]"),
                "template" => format!("{{template: {{spec: {inner}}}}}"),
                _ => format!("{{{key}: {inner}}}"),
            };
        }
        let file = format!("kind: {kind}\nspec: {inner}\n");
        check(
            &file,
            "nginx",
            "nginx:2",
            &file.replace("nginx:1", "nginx:2"),
        );
    }
}

#[test]
fn a_list_of_objects_and_a_pod_template_count() {
    let file = "kind: List\nitems:\n- spec:\n    containers: [{image: nginx:1}]\n";
    check(file, "nginx", "nginx:2", &file.replace(":1", ":2"));
    let file = "kind: PodTemplate\ntemplate:\n  spec:\n    containers: [{image: nginx:1}]\n";
    check(file, "nginx", "nginx:2", &file.replace(":1", ":2"));
}

#[test]
fn lists_of_containers_elsewhere_do_not_count() {
    let file = "kind: Other\nspec:\n  containers: {image: nginx:1}\nstatus:\n  containers: [{image: nginx:1}]\n";
    check_refused(file, "nginx", "nginx:2", "image `nginx` not found");
}

#[test]
fn every_spelling_is_found_and_kept() {
    let file = "spec:\n  containers:\n  - image: docker.io/library/nginx:1\n  - image: nginx:1\n";
    check(
        file,
        "index.docker.io/nginx",
        "nginx:2",
        &file.replace(":1", ":2"),
    );
}

#[test]
fn another_repository_can_be_written() {
    let file = "spec:\n  containers:\n  - image: nginx:1 # c\n";
    check(
        file,
        "nginx",
        "my.io/n:2",
        "spec:\n  containers:\n  - image: my.io/n:2 # c\n",
    );
    check(
        "spec: {containers: [{image: my.io/n:2}]}\n",
        "nginx",
        "my.io/n:2",
        "spec: {containers: [{image: my.io/n:2}]}\n",
    );
}

#[test]
fn an_image_shared_by_an_anchor_is_written_once() {
    let file = "x: &i nginx:1\nspec:\n  containers:\n  - image: *i\n  - image: *i\n";
    check(file, "nginx", "nginx:2", &file.replace(":1", ":2"));
    let file = "x: &c {image: nginx:1}\nspec:\n  containers: [*c, {<<: *c}]\n";
    check(file, "nginx", "nginx:2", &file.replace(":1", ":2"));
}

#[test]
fn containers_without_an_image_are_passed_over() {
    let file = "spec:\n  containers:\n  - name: a\n  - image:\n  - image: {}\n  - x\n  initContainers:\n  - image: nginx:1\n";
    check(file, "nginx", "nginx:2", &file.replace(":1", ":2"));
}

#[test]
fn reads_the_references_as_they_stand() {
    let file = b"spec:\n  containers:\n  - image: docker.io/nginx:1\n  - image: redis\n  initContainers:\n  - image: nginx@sha256:aa\n";
    let want = vec!["docker.io/nginx:1".to_owned(), "nginx@sha256:aa".to_owned()];
    assert_eq!(read(file, "nginx", Scope::Containers), Ok(want));
    assert_eq!(
        read(file, "quay.io/nginx", Scope::Containers),
        Ok(Vec::new())
    );
}

#[test]
fn fields_of_any_resource_count_where_they_are_asked_for() {
    let file =
        "kind: Cluster\nspec:\n  image: nginx:1 # c\n  pool: {image: redis:1, tag: nginx:1}\n";
    assert_eq!(
        read(file.as_bytes(), "nginx", Scope::Containers),
        Ok(Vec::new())
    );
    let edits = edits("nginx", "nginx:2").map(|edit| ManifestEdit {
        scope: Scope::Fields,
        ..edit
    });
    let edited = edit(file.as_bytes(), &edits).expect("the edit is possible");
    let edited = edited.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(
        edited.as_deref(),
        Some(file.replacen("nginx:1", "nginx:2", 1).as_str())
    );
}

fn edits(repository: &str, image: &str) -> [ManifestEdit; 1] {
    [ManifestEdit {
        repository: repository.to_owned(),
        image: Image::parse(image),
        scope: Scope::Containers,
    }]
}

#[track_caller]
fn check(file: &str, repository: &str, image: &str, want: &str) {
    let edited =
        edit(file.as_bytes(), &edits(repository, image)).expect("the row's edit is possible");
    let edited = edited.unwrap_or_else(|| file.into());
    assert_eq!(String::from_utf8_lossy(&edited), want);
}

#[track_caller]
fn check_refused(file: &str, repository: &str, image: &str, message: &str) {
    let result: Result<_, EditError> = edit(file.as_bytes(), &edits(repository, image));
    let error = result.expect_err("the row's edit is refused");
    assert!(error.to_string().contains(message), "{error}");
}
