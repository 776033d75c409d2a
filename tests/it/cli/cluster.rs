//! Commands that act on a cluster, while an operator runs in it.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::{Ran, run_with};
use crate::world::World;

const FILE: &str = "overlays/prod/kustomization.yaml";

struct Scene {
    world: World,
    registry: image_update_testkit::registry::Registry,
    home: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let file = (FILE, b"images:\n- name: app\n  newTag: 1.0.0\n" as &[u8]);
        let (mut world, registry) = World::with_app(&[file]).await;
        let images = json!([{
            "alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"},
            "strategy": {"semver": {}},
        }]);
        world.policy("shop", images, json!({})).await;
        world.start_operator();
        world.kustomization_says("newTag: 1.1.0").await;
        let home = tempfile::tempdir().expect("a folder can be made");
        Self {
            world,
            registry,
            home,
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
        let kubeconfig = self.world.server.kubeconfig().display().to_string();
        let arguments = [arguments, &["-n", &self.world.namespace]].concat();
        let variables = [("KUBECONFIG", kubeconfig.as_str())];
        run_with(program, self.home.path(), &arguments, b"", &variables)
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], expected: &str) {
        let ran = self.run(arguments);
        assert_eq!(ran.done(), expected, "{ran:?}");
    }

    async fn push(&self, tag: &str) {
        let pushed = self.registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
        self.says(&["reconcile", "watch/app"], "watch/app asked for\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_suspended_and_resumed_without_a_change_of_their_specs() {
    let scene = Scene::start().await;
    scene.says(&["suspend", "shop"], "policy/shop suspended\n");
    scene.world.policy_becomes("shop", "Suspended").await;
    scene.push("1.2.0").await;
    let ran = scene.run(&["get", "-ojson"]);
    ran.done();
    assert_eq!(ran.json()["policies"][0]["suspended"], true);
    assert!(scene.world.kustomization().contains("newTag: 1.1.0"));

    scene.says(&["resume", "policy/shop"], "policy/shop resumed\n");
    scene.world.kustomization_says("newTag: 1.2.0").await;
    scene.says(&["suspend", "watch/app"], "watch/app suspended\n");
    scene.world.watch_becomes("app", "Suspended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_spec_suspends_is_not_called_resumed() {
    let scene = Scene::start().await;
    let suspend = json!({"spec": {"suspend": true}});
    scene
        .world
        .patch("ImageUpdatePolicy", "shop", suspend)
        .await;
    scene.world.policy_becomes("shop", "Suspended").await;
    let ran = scene.run(&["resume", "shop"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr
            .contains("policy/shop: it stays suspended: its spec.suspend is true"),
        "{ran:?}"
    );
    let ran = scene.run(&["explain", "policy", "shop"]);
    let lines: Vec<&str> = ran.done().lines().collect();
    assert_eq!(
        lines[1],
        "suspended  yes; nothing is written until it is resumed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_that_of_a_policy_or_refused() {
    let scene = Scene::start().await;
    scene.says(
        &["pin", "policy/shop", "web=1.1.0"],
        "policy/shop pins web=1.1.0\n",
    );
    scene.says(&["pin", "iup/shop", "web-"], "policy/shop pins nothing\n");
    // A part of an address that the API server would take for something else.
    for arguments in [
        &["pin", "shop/status", "web=1.0.0"] as &[&str],
        &["release", "shop/status"],
        &["get", "watch/app"],
    ] {
        let ran = scene.run(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("expected NAME of a policy"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pinned_and_let_go() {
    let scene = Scene::start().await;
    scene.says(
        &["pin", "shop", "web=1.0.0"],
        "policy/shop pins web=1.0.0\n",
    );
    scene.world.kustomization_says("newTag: 1.0.0").await;
    scene.says(&["pin", "shop", "web-"], "policy/shop pins nothing\n");
    scene.world.kustomization_says("newTag: 1.1.0").await;

    let ran = scene.run(&["pin", "shop", "other=1.0.0"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("it has web"), "{ran:?}");
    let ran = scene.run(&["pin", "shop", "web=a b"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn get_says_why_an_image_is_held_and_release_lets_it_go() {
    let scene = Scene::start().await;
    scene.world.policy_becomes("shop", "Succeeded").await;
    let old = b"images:\n- name: app\n  newTag: 1.0.0\n";
    let reverted = scene
        .world
        .git
        .commit("env", "main", &[(FILE, old)], "Revert");
    reverted.expect("a person reverts it");
    scene.says(&["reconcile", "shop"], "policy/shop asked for\n");
    scene.world.policy_becomes("shop", "RevertedInGit").await;
    let ran = scene.run(&["get", "shop"]);
    let lines: Vec<&str> = ran.done().lines().collect();
    assert!(lines[0].starts_with("NAMESPACE"), "{ran:?}");
    assert!(
        lines[1].contains("shop") && lines[1].contains("False"),
        "{ran:?}"
    );
    assert!(
        lines[2].contains("Held") && lines[2].contains("1.1.0 was taken back in git"),
        "{ran:?}"
    );

    scene.says(&["release", "shop"], "policy/shop released\n");
    scene.world.kustomization_says("newTag: 1.1.0").await;

    scene.world.policy_becomes("shop", "Succeeded").await;
    scene.says(
        &["release", "shop"],
        "policy/shop released; nothing of it was held\n",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_refuse_is_pinned_with_a_warning() {
    let scene = Scene::start().await;
    let pushed = scene.registry.push("team/app", "1.1.0-rc.1").await;
    pushed.expect("the image is pushed");
    let ran = scene.run(&["pin", "shop", "web=1.1.0-rc.1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.text(), "policy/shop pins web=1.1.0-rc.1\n");
    assert!(
        ran.stderr
            .starts_with("warning: the rules of web refuse 1.1.0-rc.1: "),
        "{ran:?}"
    );
    scene.world.kustomization_says("newTag: 1.1.0-rc.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_shows_what_kubectl_does_of_both_kinds() {
    let scene = Scene::start().await;
    scene.world.policy_becomes("shop", "Succeeded").await;
    let ran = scene.run(&["get", "--watches"]);
    let lines: Vec<Vec<&str>> = ran
        .done()
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][2..5], ["READY", "IMAGES", "APPS"], "{ran:?}");
    assert_eq!(lines[1][1..4], ["shop", "True", "1/1"], "{ran:?}");
    assert_eq!(lines[2], ["web", "UpToDate", "1.1.0", "1.1.0"], "{ran:?}");
    assert_eq!(
        lines[4][2..6],
        ["IMAGE", "LATEST", "TAGS", "READY"],
        "{ran:?}"
    );
    assert_eq!(lines[5][1], "app", "{ran:?}");
    assert_eq!(lines[5][3..6], ["1.1.0", "2", "True"], "{ran:?}");

    let json = scene.run(&["get", "--watches", "-ojson"]).json();
    let (policy, watch) = (&json["policies"][0], &json["watches"][0]);
    assert_eq!(policy["images"][0]["state"], "UpToDate", "{json}");
    assert!(
        policy["lastWrite"].is_string() && policy["created"].is_string(),
        "{json}"
    );
    assert_eq!(watch["tags"], 2, "{json}");
    assert_eq!(watch["latest"], "1.1.0", "{json}");
}
