//! What objects share, and what they do not: scans, conflicts, access across namespaces, and one
//! object that can't be read beside others that can.

use std::path::Path;

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::process::Launch;
use image_update_testkit::registry::Registry;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;

use super::main_job::{running, semver};
use crate::world::{World, kustomization, resource};

#[tokio::test(flavor = "multi_thread")]
async fn watches_of_one_repository_cost_one_scan() {
    let mut world = World::start().await;
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags("team/app", ["1.0.0".to_owned()]);
    let image = format!("{}/team/app", registry.host());
    for name in ["a", "b", "c", "d"] {
        world
            .watch(name, json!({"image": image, "interval": "1h"}))
            .await;
    }
    world.start_operator();
    for name in ["a", "b", "c", "d"] {
        world.watch_becomes(name, "Succeeded").await;
    }
    let listings = registry
        .requests()
        .iter()
        .filter(|request| request.path.contains("/tags/list"))
        .count();
    // An insecure host is asked over TLS first, once; that never gets to be a request.
    assert_eq!(listings, 1, "{:?}", registry.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_with_other_credentials_share_nothing() {
    let mut world = World::start().await;
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags("team/app", ["1.0.0".to_owned()]);
    let image = format!("{}/team/app", registry.host());
    world
        .secret("one", None, &[("username", "one"), ("password", "x")])
        .await;
    world
        .watch("a", json!({"image": image, "interval": "1h"}))
        .await;
    world
        .watch(
            "b",
            json!({"image": image, "interval": "1h", "secretRef": {"name": "one"}}),
        )
        .await;
    world.start_operator();
    world.watch_becomes("a", "Succeeded").await;
    world.watch_becomes("b", "Succeeded").await;
    let listings = registry
        .requests()
        .iter()
        .filter(|request| request.path.contains("/tags/list"))
        .count();
    assert_eq!(listings, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_of_two_policies_for_one_field_goes_on() {
    let (world, _registry) = running(&["1.0.0", "2.0.0"], "1.0.0").await;
    world.kustomization_says("newTag: 2.0.0").await;
    world
        .policy("later", semver("app", "<2.0.0"), json!({}))
        .await;
    let message = world.policy_becomes("later", "Conflict").await;
    assert!(message.contains("ImageUpdatePolicy app"), "{message}");
    let (ready, _, _) = world.policy_ready("app").await;
    assert_eq!(ready, "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_another_namespace_must_grant_access() {
    let (world, _registry) = running(&["1.0.0", "2.0.0"], "1.0.0").await;
    world.kustomization_says("newTag: 2.0.0").await;
    let other = World::start().await;
    let labels = json!({"metadata": {"labels": {"team": "other"}}});
    Api::<Namespace>::all(other.kube.clone())
        .patch(
            &other.namespace,
            &PatchParams::default(),
            &Patch::Merge(&labels),
        )
        .await
        .expect("the namespace can be labelled");
    let image = world
        .watch_status("app")
        .await
        .canonical_image
        .expect("the watch was scanned");
    other
        .git
        .create_repository(
            "env",
            &[(
                "overlays/prod/kustomization.yaml",
                kustomization(&image, "1.0.0").as_bytes(),
            )],
        )
        .expect("the repository is made");
    let mut images = semver("app", "*");
    images[0]["watchRef"]["namespace"] = json!(world.namespace);
    other.policy("guest", images, json!({})).await;

    // One operator that sees both namespaces.
    let mut both = world;
    both.kill_operator();
    both.flag(&format!("--watch-namespaces={}", other.namespace));
    both.start_operator();
    let message = other.policy_becomes("guest", "AccessDenied").await;
    assert!(message.contains("accessFrom"), "{message}");

    let grant = json!({"spec": {"accessFrom": {"namespaceSelectors": [
        {"matchLabels": {"team": "other"}}
    ]}}});
    both.patch("ImageWatch", "app", grant).await;
    other.kustomization_says("newTag: 2.0.0").await;
}

/// An object may have been stored under an older, looser schema.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_object_is_reported_and_the_others_go_on() {
    let (server, kube) = server_with_loose_schemas().await;
    let registry = Registry::start().await.expect("the registry starts");
    registry
        .push("team/app", "1.0.0")
        .await
        .expect("the image is pushed");
    let image = format!("{}/team/app", registry.host());
    let good = json!({
        "image": image, "interval": "10s", "timeout": "30s", "insecure": true, "excludeTags": [],
    });
    let applications = json!({
        "images": [{"alias": "web", "image": "nginx", "strategy": {"alphabetical": {}}}],
        "applications": [{"name": "*"}],
        "writeBack": {"argocd": {}},
    });
    for (kind, name, spec) in [
        ("ImageWatch", "broken", json!({"image": 5})),
        ("ImageUpdatePolicy", "broken", json!({"images": "none"})),
        ("ImageUpdatePolicy", "applications", applications),
        ("ImageWatch", "good", good),
    ] {
        let object = json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        });
        let object: DynamicObject = serde_json::from_value(object).expect("it is an object");
        Api::<DynamicObject>::namespaced_with(kube.clone(), "default", &resource(kind))
            .create(&PostParams::default(), &object)
            .await
            .expect("the loose schema takes it");
    }
    let operator = Launch::new(
        "operator",
        env!("CARGO_BIN_EXE_image-update-operator").into(),
    )
    .map(|launch| {
        launch
            .args(["run", "--metrics-address=0"])
            .env("KUBECONFIG", server.kubeconfig().display().to_string())
    })
    .and_then(Launch::spawn)
    .expect("the operator starts");
    for (kind, name, reason) in [
        ("ImageWatch", "broken", "Undecodable"),
        ("ImageUpdatePolicy", "broken", "Undecodable"),
        // This cluster has no Argo CD.
        (
            "ImageUpdatePolicy",
            "applications",
            "ApplicationsUnavailable",
        ),
        ("ImageWatch", "good", "Succeeded"),
    ] {
        let api: Api<DynamicObject> =
            Api::namespaced_with(kube.clone(), "default", &resource(kind));
        crate::world::until(
            &format!("{kind} {name}"),
            || operator.log_tail().to_string(),
            async || {
                let object = api.get(name).await.map_err(|error| error.to_string())?;
                let found = &object.data["status"]["conditions"][0]["reason"];
                if found == reason {
                    Ok(())
                } else {
                    Err(object.data["status"].to_string())
                }
            },
        )
        .await;
    }
}

/// What a newer version wrote, before it was taken back.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_status_can_not_be_read_is_begun_anew() {
    let (server, kube) = server_with_loose_schemas().await;
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags("team/app", ["1.0.0".to_owned()]);
    let image = format!("{}/team/app", registry.host());
    let api: Api<DynamicObject> = Api::namespaced_with(kube, "default", &resource("ImageWatch"));
    let object = |part: &str, content: serde_json::Value| {
        let mut object = json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": "ImageWatch",
            "metadata": {"name": "app"},
        });
        object[part] = content;
        Patch::Apply(object)
    };
    let spec = json!({"image": image, "interval": "10s", "timeout": "30s", "insecure": true});
    let applied = api
        .patch("app", &PatchParams::apply("test"), &object("spec", spec))
        .await;
    applied.expect("the loose schema takes it");
    let status = object("status", json!({"latestTags": "all of them"}));
    let written = api
        .patch_status("app", &PatchParams::apply("image-update-operator"), &status)
        .await;
    written.expect("the loose schema takes it");

    let operator = Launch::new(
        "operator",
        env!("CARGO_BIN_EXE_image-update-operator").into(),
    )
    .map(|launch| {
        launch
            .args(["run", "--metrics-address=0"])
            .env("KUBECONFIG", server.kubeconfig().display().to_string())
    })
    .and_then(Launch::spawn)
    .expect("the operator starts");
    crate::world::until(
        &"a status that can be read",
        || operator.log_tail().to_string(),
        async || {
            let object = api.get("app").await.map_err(|error| error.to_string())?;
            let status = &object.data["status"];
            if status["latestTags"] == json!(["1.0.0"]) {
                Ok(())
            } else {
                Err(status.to_string())
            }
        },
    )
    .await;
    assert!(
        operator
            .log_tail()
            .to_string()
            .contains("The object can't be read")
    );
}

/// An API server whose kinds take any spec and status.
async fn server_with_loose_schemas() -> (ApiServer, Client) {
    let server = ApiServer::start()
        .await
        .expect("a private API server starts");
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let names = server
        .install_crds(&crds)
        .await
        .expect("the CRDs can be installed");
    let kube = server.client().await.expect("there is a client");
    let api: Api<CustomResourceDefinition> = Api::all(kube.clone());
    for name in names {
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let patch = ["spec", "status"].map(|part| {
            json!({
                "op": "replace",
                "path": format!("/spec/versions/0/schema/openAPIV3Schema/properties/{part}"),
                "value": anything,
            })
        });
        let patch: Patch<()> =
            Patch::Json(serde_json::from_value(json!(patch)).expect("it is a JSON patch"));
        api.patch(&name, &PatchParams::default(), &patch)
            .await
            .expect("the CRD can be patched");
    }
    (server, kube)
}
