//! What a person is told where a cluster does not do what was asked: no such object, no right, no such
//! kind, no such context, no cluster. One error, and a hint where something can be done.

use std::path::Path;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::json;
use tempfile::TempDir;

use super::{Ran, run_with};
use crate::world::World;

/// A namespace with the policy `shop`, which nobody works for.
struct Scene {
    world: World,
    home: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let images = json!([{
            "alias": "web", "image": "registry.example/team/app",
            "kustomize": {"name": "app"}, "strategy": {"semver": {}},
        }]);
        world.policy("shop", images, json!({})).await;
        let home = tempfile::tempdir().expect("a folder can be made");
        Self { world, home }
    }

    fn run(&self, kubeconfig: &Path, arguments: &[&str]) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
        let kubeconfig = kubeconfig.display().to_string();
        let arguments = [arguments, &["-n", &self.world.namespace]].concat();
        let variables = [("KUBECONFIG", kubeconfig.as_str())];
        run_with(program, self.home.path(), &arguments, b"", &variables)
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, said: &[&str]) {
        check(
            &self.run(self.world.server.kubeconfig(), arguments),
            code,
            said,
        );
    }
}

#[track_caller]
fn check(ran: &Ran, code: i32, said: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    for said in said {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
    let is_told = |line: &str| line.starts_with("error: ") || line.starts_with("hint: ");
    assert!(ran.stderr.lines().all(is_told), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_there_is_told_and_keeps_nothing_from_the_others() {
    let scene = Scene::start().await;
    let namespace = scene.world.namespace.clone();
    scene.check(
        &["get", "none", "shop", "nor-this"],
        1,
        &[
            &format!("error: there is no policy none, nor-this in {namespace}\n"),
            "hint: -A looks into all namespaces",
        ],
    );
    scene.check(
        &["suspend", "none"],
        1,
        &[
            "error: policy/none: ",
            "\"none\" not found",
            "hint: get lists what there is",
        ],
    );
    scene.check(
        &["release", "none"],
        1,
        &["error: policy/none: ", "hint: get lists what there is"],
    );
    scene.check(
        &["pin", "none", "web=1.0.0"],
        1,
        &["\"none\" not found", "hint: get lists what there is"],
    );
    scene.check(
        &["explain", "policy", "none"],
        1,
        &[
            "error: there is no policy ",
            "hint: image-update-operator get -A",
        ],
    );
    let kubeconfig = scene.world.server.kubeconfig();
    let ran = scene.run(kubeconfig, &["reconcile", "watch/none", "shop"]);
    check(
        &ran,
        1,
        &["error: watch/none: ", "error: 1 of 2 objects: not done"],
    );
    assert_eq!(ran.text(), "policy/shop asked for\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_what_right_is_missing() {
    let scene = Scene::start().await;
    let accounts: Api<ServiceAccount> = scene.world.api();
    let account = ServiceAccount {
        metadata: kube::core::ObjectMeta {
            name: Some("nobody".to_owned()),
            ..kube::core::ObjectMeta::default()
        },
        ..ServiceAccount::default()
    };
    let created = accounts.create(&PostParams::default(), &account).await;
    created.expect("an account can be made");
    let request = TokenRequest {
        spec: TokenRequestSpec::default(),
        ..TokenRequest::default()
    };
    let token = accounts
        .create_token_request("nobody", &PostParams::default(), &request)
        .await
        .expect("a token is given");
    let token = token.status.expect("it is there").token;
    let server = scene.world.server;
    let text = server.kubeconfig_with_token(&token, &scene.world.namespace);
    let kubeconfig = scene.home.path().join("kubeconfig");
    std::fs::write(&kubeconfig, text.expect("there is one")).expect("a file can be written");
    for (arguments, verb) in [
        (
            &["get"] as &[&str],
            "cannot list resource \"imageupdatepolicies\"",
        ),
        (
            &["suspend", "shop"],
            "cannot patch resource \"imageupdatepolicies\"",
        ),
        (
            &["pin", "shop", "web=1.0.0"],
            "cannot get resource \"imageupdatepolicies\"",
        ),
        (
            &["explain", "policy", "shop"],
            "cannot list resource \"imageupdatepolicies\"",
        ),
    ] {
        check(
            &scene.run(&kubeconfig, arguments),
            1,
            &[verb, "hint: ask for the right, or name another context"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_or_not_named_is_told() {
    let scene = Scene::start().await;
    scene.check(
        &["get", "--context", "none"],
        2,
        &["none", "hint: set KUBECONFIG, or name a context of it"],
    );
    let nowhere = scene.run(Path::new("/nowhere"), &["get"]);
    check(
        &nowhere,
        2,
        &[
            "error: no cluster is named: ",
            "/nowhere",
            "hint: set KUBECONFIG, or name a context of it",
        ],
    );

    let text = std::fs::read_to_string(scene.world.server.kubeconfig());
    let text = text.expect("there is a kubeconfig");
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    kubeconfig["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let gone = scene.home.path().join("gone");
    std::fs::write(&gone, kubeconfig.to_string()).expect("a file can be written");
    check(
        &scene.run(&gone, &["get"]),
        1,
        &[
            "error: the cluster at https://127.0.0.1:1/: ",
            "Connection refused",
            "hint: check the kubeconfig and the way to the cluster",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_says_which_cluster_and_which_namespace() {
    let scene = Scene::start().await;
    let text = std::fs::read_to_string(scene.world.server.kubeconfig());
    let text = text.expect("there is a kubeconfig");
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let mut here = kubeconfig["contexts"][0].clone();
    here["name"] = json!("here");
    here["context"]["namespace"] = json!(scene.world.namespace);
    let mut gone = here.clone();
    gone["name"] = json!("gone");
    gone["context"]["cluster"] = json!("gone");
    let contexts = kubeconfig["contexts"].as_array_mut().expect("a list");
    contexts.extend([here, gone]);
    kubeconfig["current-context"] = json!("gone");
    let clusters = kubeconfig["clusters"].as_array_mut().expect("a list");
    clusters.push(json!({"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}));
    let path = scene.home.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).expect("a file can be written");

    let path = path.display().to_string();
    let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    let variables = [("KUBECONFIG", path.as_str())];
    let run = |arguments: &[&str]| run_with(program, scene.home.path(), arguments, b"", &variables);
    assert_eq!(
        run(&["get"]).code,
        Some(1),
        "the current context leads nowhere"
    );
    let ran = run(&["get", "--context", "here", "-ojson"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["policies"][0]["name"], "shop");
    let ran = run(&["get", "--context=here", "-A", "-oyaml"]);
    assert!(ran.text().contains("name: shop"), "{ran:?}");
}
