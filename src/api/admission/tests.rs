//! One row = one mistake in an object that is right otherwise, and what is said about it.
//! `tests/it/samples.rs` compares the verdicts with those of an API server.

use std::collections::BTreeMap;

use image_update_core::argocd::Application;
use image_update_core::legacy::{CommitSettings, PREFIX, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::legacy::convert;
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};

fn policy() -> Value {
    json!({
        "apiVersion": "image-update.dev/v1alpha1",
        "kind": "ImageUpdatePolicy",
        "metadata": {"name": "shop", "namespace": "team"},
        "spec": {
            "images": [{
                "alias": "web",
                "image": "ghcr.io/org/app",
                "strategy": {"semver": {}},
            }],
            "writeBack": {"git": {
                "repository": "https://git.example.com/org/env.git",
                "targets": [{"kustomization": {"path": "prod"}}],
            }},
        },
    })
}

/// What is said of a policy in which `value` stands at `pointer`.
#[track_caller]
fn check(pointer: &str, value: Value, expected: Result<(), &str>) {
    let mut object = policy();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a key");
    let parent = object.pointer_mut(parent).expect("there is a parent");
    match parent.as_array_mut() {
        Some(items) => items.push(value),
        None => parent[key] = value,
    }
    let said = Schema::of::<ImageUpdatePolicy>().admit(&object);
    let said = said.map(drop).map_err(|refusals| refusals.to_string());
    assert_eq!(said, expected.map_err(str::to_owned));
}

#[test]
fn what_is_right_is_taken() {
    check("/spec/dryRun", json!(true), Ok(()));
    check("/metadata/labels", json!({"team": "a"}), Ok(()));
    check("/status", json!({"anything": 1}), Ok(()));
}

#[test]
fn a_field_that_is_not_known_is_refused_and_what_was_meant_is_told() {
    check(
        "/spec/writeback",
        json!({}),
        Err("unknown field \"spec.writeback\": did you mean writeBack?"),
    );
    check(
        "/spec/images/0/strategy/semver/range",
        json!("1.x"),
        Err("unknown field \"spec.images[0].strategy.semver.range\""),
    );
    check(
        "/metadata/anotations",
        json!({}),
        Err("unknown field \"metadata.anotations\""),
    );
    check("/specs", json!({}), Err("unknown field \"specs\""));
}

#[test]
fn a_value_of_another_type_is_refused() {
    check(
        "/spec/images",
        json!("web"),
        Err("spec.images: Invalid value: \"web\": must be of type array, not string"),
    );
    check(
        "/spec/dryRun",
        json!("yes"),
        Err("spec.dryRun: Invalid value: \"yes\": must be of type boolean, not string"),
    );
    check(
        "/spec/images/0/pin",
        json!(1.5),
        Err("spec.images[0].pin: Invalid value: 1.5: must be of type string, not number"),
    );
}

#[test]
fn a_field_that_is_null_is_not_there() {
    check("/spec/images/0/pin", Value::Null, Ok(()));
    check("/spec/dryRun", Value::Null, Ok(()));
    check(
        "/spec/images/0/alias",
        Value::Null,
        Err("spec.images[0].alias: Required value"),
    );
    check("/spec/images/0/skip", Value::Null, Ok(()));
    check(
        "/spec/applications",
        json!([{"selector": {"matchLabels": {"team": null}}}]),
        Err(
            "spec.applications[0].selector.matchLabels.team: Invalid value: must be of type \
             string, not null",
        ),
    );
    let mut object = policy();
    object["spec"]["images"][0]["skip"] = Value::Null;
    let admitted = Schema::of::<ImageUpdatePolicy>().admit(&object);
    assert_eq!(admitted, Ok(policy()));
}

#[test]
fn bounds_and_patterns_hold() {
    check(
        "/spec/images/0/alias",
        json!("a b"),
        Err("spec.images[0].alias: Invalid value: \"a b\": should match '^[A-Za-z0-9._/-]+$'"),
    );
    check(
        "/spec/images/0/alias",
        json!("a".repeat(254)),
        Err("spec.images[0].alias: Too long: may not be more than 253 characters"),
    );
    check(
        "/spec/images/0/skip",
        json!(vec!["1.0.0"; 65]),
        Err("spec.images[0].skip: Too many: 65: must have at most 64 items"),
    );
    check(
        "/spec/images/0/digestPolicy",
        json!("Sometimes"),
        Err(
            "spec.images[0].digestPolicy: Unsupported value: \"Sometimes\": supported values: \
             \"Never\", \"IfNotPresent\", \"Always\"",
        ),
    );
    check(
        "/spec/images/-",
        json!({"alias": "web", "image": "ghcr.io/org/other", "strategy": {"semver": {}}}),
        Err("spec.images: duplicate entries for key [alias=\"web\"]"),
    );
}

#[test]
fn rules_refuse_in_their_own_words() {
    check(
        "/spec/interval",
        json!("5s"),
        Err(
            "spec.interval: Invalid value: \"5s\": interval is at least 30s; new tags are acted on \
             at once whatever it is",
        ),
    );
    check(
        "/spec/images/0/strategy/digest",
        json!({"tag": "latest"}),
        Err(
            "spec.images[0].strategy: Invalid value: set exactly one strategy: semver, \
             newestBuild, alphabetical, numerical or digest",
        ),
    );
}

#[test]
fn names_are_those_of_kubernetes() {
    check(
        "/metadata/name",
        json!("Shop"),
        Err(
            "metadata.name: Invalid value: \"Shop\": a lowercase RFC 1123 subdomain has lower case \
             letters, digits, '-' and '.', and begins and ends with a letter or digit",
        ),
    );
    check("/metadata/name", json!("shop.eu-1"), Ok(()));
    check(
        "/apiVersion",
        json!("image-update.dev/v2"),
        Err(
            "apiVersion: Invalid value: \"image-update.dev/v2\": must be image-update.dev/v1alpha1",
        ),
    );
}

#[test]
fn a_password_in_an_address_is_not_repeated_and_a_terminal_is_safe() {
    let mut object = policy();
    object["spec"]["writeBack"]["git"]["repository"] = json!("https://robot:hunter2@git.example/a");
    let refusals = Schema::of::<ImageUpdatePolicy>().admit(&object);
    let said = refusals.expect_err("it is refused").to_string();
    assert!(said.contains("spec.writeBack.git.repository"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    check(
        "/spec/a\u{1b}[2Jb",
        json!(1),
        Err("unknown field \"spec.a[2Jb\""),
    );
}

#[test]
fn very_much_that_is_wrong_is_counted() {
    let mut object = policy();
    for index in 0..20 {
        object["spec"][format!("field{index:02}")] = json!(index);
    }
    let refusals = Schema::of::<ImageUpdatePolicy>().admit(&object);
    let said = refusals.expect_err("it is refused").to_string();
    assert!(said.ends_with("\"spec.field07\"; and 12 more"), "{said}");
}

/// The crate that runs them knows every function that they use.
#[test]
fn every_rule_can_be_run() {
    for schema in [
        Schema::of::<ImageUpdatePolicy>(),
        Schema::of::<ImageWatch>(),
    ] {
        let errors = schema.rules.compilation_errors();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

/// Keys of annotations, of the image `a` and of all.
const KEYS: [&str; 20] = [
    "allow-tags",
    "a.allow-tags",
    "ignore-tags",
    "a.ignore-tags",
    "update-strategy",
    "a.update-strategy",
    "a.platforms",
    "a.pull-secret",
    "a.helm.image-name",
    "a.helm.image-tag",
    "a.helm.image-spec",
    "a.kustomize.image-name",
    "a.force-update",
    "a.tag-match",
    "write-back-method",
    "write-back-target",
    "git-branch",
    "git-repository",
    "b.helm.image-spec",
    "b.update-strategy",
];

/// What people write into one of them or another, right and wrong.
fn values() -> impl Strategy<Value = String> {
    let written = [
        "regexp:^v?[0-9.]+$",
        "regexp:(",
        "*-rc*, latest",
        "semver",
        "latest",
        "digest",
        "name",
        "linux/amd64,linux/arm/v7",
        "linux",
        "pullsecret:ns/regcred",
        "secret:ns/creds#token",
        "env:TOKEN",
        "image.tag",
        "images[0].tag",
        "org/app",
        "true",
        "git",
        "git:secret:argocd/git-creds",
        "git:repocreds",
        "argocd",
        "kustomization",
        "kustomization:/overlays/prod",
        "kustomization:../../other",
        "helmvalues:/values/prod.yaml",
        "helmvalues:../../../x",
        "main",
        "main:image-updates-{{.SHA256}}",
        ":a b~c",
        "https://git.example.com/org/env.git",
        "http://git.example.com/org/env.git",
        "git@git.example.com:org/env.git",
        "https://robot:pass@git.example.com/x",
    ];
    prop_oneof![
        4 => proptest::sample::select(written.to_vec()).prop_map(str::to_owned),
        1 => ".{0,40}",
        1 => "[a-z0-9./:,=-]{0,700}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What annotations become is what `plan` and an API server take.
    #[test]
    fn whatever_is_converted_is_taken(
        list in "(a=)?[a-z0-9./]{1,30}(:[0-9.x^~<>= -]{0,10})?(, ?(b=)?[a-z0-9./:-]{0,20})?",
        rows in proptest::collection::btree_map(proptest::sample::select(KEYS.to_vec()), values(), 0..8),
    ) {
        let rows = rows.into_iter().chain([("image-list", list)]);
        let annotations: BTreeMap<String, String> = rows
            .map(|(key, value)| (format!("{PREFIX}{key}"), value))
            .collect();
        let application = Application {
            namespace: "argocd".to_owned(),
            name: "shop".to_owned(),
            ..Application::default()
        };
        let (settings, _) = parse(&application, &annotations).expect("there is a list");
        let commit = CommitSettings::default();
        let Some(converted) = convert("argocd", "shop", &settings, &commit) else {
            return Ok(());
        };
        let object = serde_json::to_value(&converted.policy).expect("it is JSON");
        let admitted = POLICY.with(|schema| schema.admit(&object));
        prop_assert!(admitted.is_ok(), "{:?}: {:?}", annotations, admitted);
        for watch in &converted.watches {
            let object = serde_json::to_value(watch).expect("it is JSON");
            let admitted = WATCH.with(|schema| schema.admit(&object));
            prop_assert!(admitted.is_ok(), "{:?}: {:?}", annotations, admitted);
        }
    }
}

thread_local! {
    static POLICY: Schema = Schema::of::<ImageUpdatePolicy>();
    static WATCH: Schema = Schema::of::<ImageWatch>();
}
