//! `explain policy`: the operator's decision about a policy of the cluster, made anew.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Ran, run_with};
use crate::world::{GIT_PASSWORD, World};

const FILE: &str = "overlays/prod/kustomization.yaml";

async fn world() -> (World, image_update_testkit::registry::Registry) {
    let file = (FILE, b"images:\n- name: app\n  newTag: 1.0.0\n" as &[u8]);
    let (world, registry) = World::with_app(&[file]).await;
    for tag in ["1.2.0-rc1", "nightly"] {
        let pushed = registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
    }
    let images = json!([
        {
            "alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"},
            "strategy": {"semver": {}}, "skip": ["1.1.0"],
        },
    ]);
    world.policy("shop", images, json!({})).await;
    (world, registry)
}

fn run(world: &World, arguments: &[&str]) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    let kubeconfig = world.server.kubeconfig().display().to_string();
    let home = tempfile::tempdir().expect("a folder can be made");
    let variables = [("KUBECONFIG", kubeconfig.as_str())];
    let arguments = [&["explain", "policy"], arguments].concat();
    let ran = run_with(program, home.path(), &arguments, b"", &variables);
    assert!(!format!("{ran:?}").contains(GIT_PASSWORD), "{ran:?}");
    ran
}

fn rules(image: &Value) -> Vec<(&str, &str)> {
    let rejected = image["rejected"].as_array().expect("a list");
    let text = |value| Value::as_str(value).expect("a text");
    let rows = rejected.iter();
    rows.map(|it| (text(&it["tag"]), text(&it["rule"])))
        .collect()
}

/// No operator runs: what is told is decided for whoever asks, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn every_tag_has_the_rule_that_it_failed() {
    let (world, _registry) = world().await;
    let shop = format!("{}/shop", world.namespace);
    let ran = run(&world, &[&shop, "-ojson"]);
    ran.done();
    let explained = ran.json();
    let image = &explained["images"][0];
    assert_eq!(image["alias"], "web");
    assert_eq!(image["current"], "1.0.0");
    assert_eq!(image["selected"], "1.0.0");
    assert_eq!(image["places"][0], world.git.url("env"));
    let rules = rules(image);
    assert!(rules.contains(&("1.1.0", "Skipped")), "{rules:?}");
    assert!(rules.iter().any(|(tag, _)| *tag == "nightly"), "{rules:?}");
    assert!(
        rules.iter().any(|(tag, _)| *tag == "1.2.0-rc1"),
        "{rules:?}"
    );

    let ran = run(&world, &["shop", "-n", &world.namespace, "--image", "web"]);
    let lines: Vec<&str> = ran.done().lines().collect();
    assert_eq!(lines[0], "image     web");
    assert!(lines.iter().any(|it| it.starts_with("TAG")), "{ran:?}");
    assert!(world.kustomization().contains("newTag: 1.0.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_explained_is_told() {
    let (world, _registry) = world().await;
    let check = |arguments: &[&str], code: i32, said: &str| {
        let ran = run(&world, arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    };
    let shop = format!("{}/shop", world.namespace);
    check(&[&shop, "--image", "other"], 2, "it has web");
    let none = format!("{}/none", world.namespace);
    check(&[&none], 1, "there is no policy");
    world
        .secret("git", None, &[("username", "robot"), ("password", "wrong")])
        .await;
    check(&[&shop, "--no-user-credentials"], 1, "error: ");
}

/// What stands in the way stands beside what would be selected.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_there_is_told_with_its_image() {
    let (world, _registry) = world().await;
    let targets = json!([{"kustomization": {"path": "nope"}}]);
    let patch = json!({"spec": {"writeBack": {"git": {"targets": targets}}}});
    world.patch("ImageUpdatePolicy", "shop", patch).await;
    let ran = run(&world, &["shop", "-n", &world.namespace]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines[0], "image    web", "{ran:?}");
    assert!(
        lines.iter().any(
            |it| it.starts_with("status   Failed, TargetNotFound: nope holds no kustomization")
        ),
        "{ran:?}"
    );
}
