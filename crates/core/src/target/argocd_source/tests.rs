//! One row = one fact about `.argocd-source` files. The wider table is the case file.

use super::{
    OverrideEdit, edit, read_helm_parameter, read_kustomize_image, read_plugin_environment,
};
use crate::target::kustomization::{Entry, ImageEdit};
use crate::target::{EditError, Image};

#[test]
fn a_new_parameter_has_force_string_whatever_the_others_have() {
    check(
        "helm:\n  parameters:\n  - name: a\n    value: b\n    forcestring: true\n",
        &parameter("c", "d"),
        "helm:\n  parameters:\n  - name: a\n    value: b\n    forcestring: true\n  - name: c\n    value: d\n    forceString: true\n",
    );
}

#[test]
fn a_parameter_keeps_its_own_flags() {
    check(
        "helm: {parameters: [{name: a, value: b, forcestring: false}]}\n",
        &parameter("a", "c"),
        "helm: {parameters: [{name: a, value: c, forcestring: false}]}\n",
    );
    check(
        "helm:\n  parameters:\n  - name: a\n    value: 1\n",
        &parameter("a", "1"),
        "helm:\n  parameters:\n  - name: a\n    value: \"1\"\n",
    );
}

#[test]
fn sections_are_added_beside_what_is_there() {
    check(
        "helm:\n  values: x\n",
        &parameter("a", "b"),
        "helm:\n  values: x\n  parameters:\n  - name: a\n    value: b\n    forceString: true\n",
    );
    check(
        "plugin:\nhelm: {}\n",
        &variable("A", "b"),
        "plugin:\n  env:\n  - name: A\n    value: b\nhelm: {}\n",
    );
}

#[test]
fn a_plugin_variable_has_no_flag() {
    let file = "plugin:\n  env:\n  - name: A\n    value: v1 # c\n";
    check(
        file,
        &variable("A", "v2"),
        "plugin:\n  env:\n  - name: A\n    value: v2 # c\n",
    );
    check(
        file,
        &variable("B", "v2"),
        &format!("{file}  - name: B\n    value: v2\n"),
    );
}

#[test]
fn a_kustomize_image_is_found_in_any_spelling_and_keeps_it() {
    check(
        "kustomize:\n  images:\n  - docker.io/library/nginx:1 # c\n",
        &image("nginx:2"),
        "kustomize:\n  images:\n  - docker.io/library/nginx:2 # c\n",
    );
    check(
        "kustomize:\n  images:\n  - nginx=docker.io/x/nginx:1\n",
        &image("docker.io/nginx=x/nginx:2"),
        "kustomize:\n  images:\n  - nginx=docker.io/x/nginx:2\n",
    );
}

#[test]
fn a_kustomize_image_gets_a_name_only_for_another_image() {
    let file = "kustomize:\n  images:\n  - nginx:1\n";
    check(
        file,
        &image("nginx=docker.io/nginx:2"),
        "kustomize:\n  images:\n  - nginx:2\n",
    );
    check(
        file,
        &image("nginx=my.io/n:2"),
        "kustomize:\n  images:\n  - nginx=my.io/n:2\n",
    );
    check("", &image("a=a:2"), "kustomize:\n  images:\n  - a:2\n");
}

#[test]
fn a_kustomize_image_without_a_new_tag_keeps_its_own() {
    let renamed = ImageEdit {
        new_tag: None,
        ..image_edit("nginx=my.io/n:2")
    };
    check(
        "kustomize: {images: ['nginx:1@sha256:aa']}\n",
        &OverrideEdit::KustomizeImage(renamed),
        "kustomize: {images: ['nginx=my.io/n:1@sha256:aa']}\n",
    );
}

#[test]
fn a_digest_goes_when_a_tag_comes() {
    let file = "kustomize:\n  images:\n  - nginx@sha256:aa\n";
    check(
        file,
        &image("nginx:2"),
        "kustomize:\n  images:\n  - nginx:2\n",
    );
}

#[test]
fn what_counts_twice_is_refused() {
    let parameters = "helm:\n  parameters:\n  - name: a\n  - name: a\n";
    check_refused(parameters, &parameter("a", "b"), "`a` has two entries");
    let images = "kustomize:\n  images:\n  - a:1\n  - docker.io/a:2\n";
    check_refused(images, &image("library/a:2"), "`library/a` has two entries");
    check_refused(
        "a: 1\n---\nb: 1\n",
        &parameter("a", "b"),
        "more than one document",
    );
}

#[test]
fn what_is_no_override_file_is_refused() {
    check_refused("kustomize:\n  images: x\n", &image("a:1"), "not a list");
    check_refused("helm: x\n", &parameter("a", "b"), "not a mapping");
    check_refused("helm:\n- x\n", &parameter("a", "b"), "not a mapping");
}

#[test]
fn an_empty_value_is_never_written() {
    check_refused(
        "",
        &parameter("a", ""),
        "an empty value cannot be written for `a`",
    );
    check_refused("", &variable("", "b"), "an empty name");
    check_refused("", &image("a:"), "an empty newTag");
}

#[test]
fn reads_what_the_file_says() {
    let file = b"helm:\n  parameters:\n  - name: a\n    value: 1.20\n  - name: b\nplugin:\n  env:\n  - {name: A, value: v1}\nkustomize:\n  images:\n  - docker.io/nginx=my.io/n:1@sha256:aa\n  - redis:7\n";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(read_helm_parameter(file, "a"), Ok(text("1.20")));
    assert_eq!(read_helm_parameter(file, "b"), Ok(None));
    assert_eq!(read_helm_parameter(file, "c"), Ok(None));
    assert_eq!(read_plugin_environment(file, "A"), Ok(text("v1")));
    let nginx = Entry {
        name: "docker.io/nginx".to_owned(),
        new_name: text("my.io/n"),
        new_tag: text("1"),
        digest: text("sha256:aa"),
    };
    assert_eq!(read_kustomize_image(file, "nginx"), Ok(Some(nginx)));
    let redis = Entry {
        name: "redis".to_owned(),
        new_name: None,
        new_tag: text("7"),
        digest: None,
    };
    assert_eq!(
        read_kustomize_image(file, "docker.io/library/redis"),
        Ok(Some(redis))
    );
    assert_eq!(read_kustomize_image(b"", "nginx"), Ok(None));
}

fn parameter(name: &str, value: &str) -> OverrideEdit {
    OverrideEdit::HelmParameter {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn variable(name: &str, value: &str) -> OverrideEdit {
    OverrideEdit::PluginEnvironment {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn image(text: &str) -> OverrideEdit {
    OverrideEdit::KustomizeImage(image_edit(text))
}

/// `[name=]image[:tag][@digest]`.
fn image_edit(text: &str) -> ImageEdit {
    let (name, new) = match text.split_once('=') {
        Some((name, new)) => (Some(name.to_owned()), Image::parse(new)),
        None => (None, Image::parse(text)),
    };
    ImageEdit {
        new_name: name.is_some().then(|| new.name.clone()),
        name: name.unwrap_or(new.name),
        new_tag: new.tag,
        digest: new.digest,
    }
}

#[track_caller]
fn check(file: &str, change: &OverrideEdit, want: &str) {
    let edited =
        edit(file.as_bytes(), std::slice::from_ref(change)).expect("the row's edit is possible");
    let edited = edited.unwrap_or_else(|| file.into());
    assert_eq!(String::from_utf8_lossy(&edited), want);
}

#[track_caller]
fn check_refused(file: &str, change: &OverrideEdit, message: &str) {
    let result: Result<_, EditError> = edit(file.as_bytes(), std::slice::from_ref(change));
    let error = result.expect_err("the row's edit is refused");
    assert!(error.to_string().contains(message), "{error}");
}
