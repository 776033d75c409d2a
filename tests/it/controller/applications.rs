//! Argo CD's Applications: selected, placed and written, in git and in the cluster.

use image_update_testkit::registry::Registry;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::world::World;

/// See [`World::with_app`]; with an operator for which the namespace is that of Argo CD.
pub(super) async fn world(files: &[(&str, &[u8])]) -> (World, Registry) {
    let (mut world, registry) = World::with_app(files).await;
    let flag = format!("--argocd-namespace={}", world.namespace);
    world.flag(&flag);
    world.start_operator();
    (world, registry)
}

pub(super) fn applications(world: &World) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Application".to_owned(),
        plural: "applications".to_owned(),
    };
    Api::namespaced_with(world.kube.clone(), &world.namespace, &resource)
}

/// Applies an Application with `source` (or whatever sources) and what Argo CD says of it.
pub(super) async fn application(world: &World, name: &str, sources: &Value, status: &Value) {
    let mut spec = json!({"project": "default", "destination": {"server": "x", "namespace": "y"}});
    for (key, value) in sources.as_object().expect("the sources are an object") {
        spec[key] = value.clone();
    }
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "labels": {"team": "a"}},
        "spec": spec,
        "status": status,
    });
    let api = applications(world);
    let applied = api
        .patch(name, &PatchParams::apply("test"), &Patch::Apply(&object))
        .await;
    applied.expect("the API server takes the Application");
}

pub(super) async fn policy(world: &World, applications: Value, write_back: Value) {
    let images = json!([{
        "alias": "web",
        "watchRef": {"name": "app"},
        "strategy": {"semver": {}},
        "helm": {"tag": "image.tag"},
        "kustomize": {"name": "app"},
    }]);
    let spec = json!({
        "interval": "30s",
        "images": images,
        "applications": applications,
        "writeBack": write_back,
    });
    world.apply("ImageUpdatePolicy", "app", spec).await;
}

pub(super) fn git(targets: &Value) -> Value {
    json!({"git": {"credentials": {"secretRef": {"name": "git"}}, "targets": targets}})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_application_that_is_selected_is_written_in_one_push() {
    let kustomization = b"images:\n- name: app\n  newTag: 1.0.0\n";
    let (world, registry) = world(&[
        ("shop-a/kustomization.yaml", kustomization),
        ("shop-b/kustomization.yaml", kustomization),
        ("other/kustomization.yaml", kustomization),
    ])
    .await;
    for name in ["shop-a", "shop-b", "other"] {
        let source = json!({"source": {
            "repoURL": world.git.url("env"), "path": name, "targetRevision": "main",
        }});
        application(&world, name, &source, &json!({"sourceType": "Kustomize"})).await;
    }
    let selected = json!([{"name": "shop-*", "selector": {"matchLabels": {"team": "a"}}}]);
    policy(
        &world,
        selected,
        git(&json!([{"kustomization": {"path": "."}}])),
    )
    .await;

    let image = format!("{}/team/app", registry.host());
    let written = format!("images:\n- name: app\n  newTag: 1.1.0\n  newName: {image}\n");
    for name in ["shop-a", "shop-b"] {
        world
            .file_becomes(&format!("{name}/kustomization.yaml"), &written)
            .await;
    }
    world.policy_becomes("app", "Succeeded").await;
    let other = world.git.show("env", "main", "other/kustomization.yaml");
    assert_eq!(other.expect("it is there"), kustomization);
    assert_eq!(world.commits().len(), 1, "{:?}", world.commits());
    let status = world.policy_status("app").await;
    let counts = status.applications.expect("there are Applications");
    assert_eq!((counts.matched, counts.up_to_date), (2, 2));
    let summary = status.summary.expect("there is a summary");
    assert_eq!(summary.applications, "2/2");

    // Who looks at an Application sees what became of it, and of others nothing.
    for name in ["shop-a", "shop-b"] {
        let told = told(&world, name).await;
        let [(reason, note)] = &told[..] else {
            unreachable!("{told:?}");
        };
        assert_eq!(reason, "Updated");
        assert!(note.starts_with("web: 1.0.0 -> 1.1.0 (commit "), "{note}");
        assert!(note.ends_with(&format!("by ImageUpdatePolicy {}/app)", world.namespace)));
    }
    assert_eq!(told(&world, "other").await, []);

    // One that comes later is written at once.
    let late = [("shop-c/kustomization.yaml", &kustomization[..])];
    let committed = world.git.commit("env", "main", &late, "One more");
    committed.expect("the file is committed");
    let source = json!({"source": {
        "repoURL": world.git.url("env"), "path": "shop-c", "targetRevision": "main",
    }});
    application(
        &world,
        "shop-c",
        &source,
        &json!({"sourceType": "Kustomize"}),
    )
    .await;
    world
        .file_becomes("shop-c/kustomization.yaml", &written)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_application_has_a_commit_of_its_own_if_the_policy_says_so() {
    let kustomization = b"images:\n- name: app\n  newTag: 1.0.0\n";
    let (world, registry) = world(&[
        ("shop-a/kustomization.yaml", kustomization),
        ("shop-b/kustomization.yaml", kustomization),
    ])
    .await;
    let log = world
        .git
        .configure("env", "core.logAllRefUpdates", "always");
    log.expect("the repository can be configured");
    for name in ["shop-a", "shop-b"] {
        let source = json!({"source": {
            "repoURL": world.git.url("env"), "path": name, "targetRevision": "main",
        }});
        application(&world, name, &source, &json!({"sourceType": "Kustomize"})).await;
    }
    let mut write_back = git(&json!([{"kustomization": {"path": "."}}]));
    write_back["git"]["commit"] = json!({
        "granularity": "PerApplication",
        "message": "{{.AppNamespace}}/{{.AppName}}{{range .AppChanges}} {{.NewTag}}{{end}}",
    });
    policy(&world, json!([{"name": "shop-*"}]), write_back).await;
    let image = format!("{}/team/app", registry.host());
    let written = format!("images:\n- name: app\n  newTag: 1.1.0\n  newName: {image}\n");
    for name in ["shop-a", "shop-b"] {
        let file = format!("{name}/kustomization.yaml");
        world.file_becomes(&file, &written).await;
    }
    world.policy_becomes("app", "Succeeded").await;
    let namespace = &world.namespace;
    let git = |arguments: &[&str]| world.git.git("env", arguments).expect("git does it");
    assert_eq!(
        git(&["log", "-2", "--format=%s", "--name-only", "main"]).replace("\n\n", "\n"),
        format!(
            "{namespace}/shop-b 1.1.0\nshop-b/kustomization.yaml\n\
             {namespace}/shop-a 1.1.0\nshop-a/kustomization.yaml"
        )
    );
    // Both in one push.
    let pushes = git(&["rev-list", "--walk-reflogs", "--count", "main"]);
    assert_eq!(pushes, "1");
    let last = world.policy_status("app").await.last_write;
    let last = last.expect("something was written");
    assert_eq!(last.commit, Some(git(&["rev-parse", "main"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_file_is_made_beside_the_source() {
    let (world, _registry) = world(&[("chart/Chart.yaml", b"name: chart\n")]).await;
    let source = json!({"source": {"repoURL": world.git.url("env"), "path": "chart"}});
    application(&world, "shop", &source, &json!({"sourceType": "Helm"})).await;
    let targets = json!([{"argocdSource": {}}]);
    policy(&world, json!([{"name": "shop"}]), git(&targets)).await;
    let expected =
        "helm:\n  parameters:\n  - name: image.tag\n    value: 1.1.0\n    forceString: true\n";
    world
        .file_becomes("chart/.argocd-source-shop.yaml", expected)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_another_source_are_found_by_its_ref() {
    let (world, _registry) = world(&[("shop/values.yaml", b"image: {tag: 1.0.0}\n")]).await;
    let sources = json!({"sources": [
        {"repoURL": "https://charts.example", "chart": "shop", "targetRevision": "1.2.3"},
        {"repoURL": world.git.url("env"), "targetRevision": "main", "ref": "values"},
    ]});
    application(
        &world,
        "shop",
        &sources,
        &json!({"sourceTypes": ["Helm", "Directory"]}),
    )
    .await;
    let targets = json!([{"helmValues": {"path": "$values/shop/values.yaml"}}]);
    policy(&world, json!([{"name": "*"}]), git(&targets)).await;
    world
        .file_becomes("shop/values.yaml", "image: {tag: 1.1.0}\n")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_cannot_be_written_is_named_and_the_others_go_on() {
    let (world, _registry) = world(&[("shop/values.yaml", b"image: {tag: 1.0.0}\n")]).await;
    let good = json!({"source": {"repoURL": world.git.url("env"), "path": "shop"}});
    application(&world, "good", &good, &json!({"sourceType": "Helm"})).await;
    let chart = json!({"source": {
        "repoURL": "https://charts.example", "chart": "shop", "targetRevision": "1.2.3",
    }});
    application(&world, "pinned", &chart, &json!({"sourceType": "Helm"})).await;
    let targets = json!([{"helmValues": {"path": "values.yaml"}}]);
    policy(&world, json!([{"name": "*"}]), git(&targets)).await;
    world
        .file_becomes("shop/values.yaml", "image: {tag: 1.1.0}\n")
        .await;
    let message = world.policy_becomes("app", "InvalidSource").await;
    assert!(
        message.contains("pinned") && message.contains("is a chart"),
        "{message}"
    );
    let status = world.policy_status("app").await;
    let counts = status.applications.expect("there are Applications");
    assert_eq!(
        (counts.matched, counts.up_to_date, counts.failed),
        (2, 1, 1)
    );
    assert_eq!(status.attention.len(), 1);
    assert!(status.attention[0].application.ends_with("/pinned"));

    // However often the policy is looked at, that is told once.
    for _ in 0..2 {
        let before = world.policy_status("app").await.last_handled_reconcile_at;
        world.request("ImageUpdatePolicy", "app").await;
        world
            .until(&"another look", async || {
                let now = world.policy_status("app").await.last_handled_reconcile_at;
                if now == before {
                    Err(format!("{now:?}"))
                } else {
                    Ok(())
                }
            })
            .await;
    }
    let told_of = |name: &'static str| {
        let told = told(&world, name);
        async { told.await.into_iter().map(|it| it.0).collect::<Vec<_>>() }
    };
    assert_eq!(told_of("good").await, ["Updated"]);
    assert_eq!(told_of("pinned").await, ["InvalidSource"]);
}

/// Reason and note of each event on an Application.
async fn told(world: &World, name: &str) -> Vec<(String, String)> {
    let events: Api<Event> = world.api();
    let events = events.list(&ListParams::default()).await;
    let events = events.expect("events can be listed").items.into_iter();
    let own = events.filter(|event| {
        let about = event.regarding.as_ref();
        about.is_some_and(|it| {
            it.kind.as_deref() == Some("Application") && it.name.as_deref() == Some(name)
        })
    });
    own.map(|event| {
        (
            event.reason.unwrap_or_default(),
            event.note.unwrap_or_default(),
        )
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_selects_nothing_says_so() {
    let (world, _registry) = world(&[("README.md", b"\n")]).await;
    policy(
        &world,
        json!([{"name": "nothing-*"}]),
        json!({"argocd": {}}),
    )
    .await;
    world.policy_becomes("app", "NoApplication").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_the_application_itself_are_patched_and_the_rest_is_kept() {
    let (world, _registry) = world(&[("README.md", b"\n")]).await;
    let source = json!({"source": {
        "repoURL": "https://charts.example", "chart": "shop", "targetRevision": "1.2.3",
        "helm": {
            "valueFiles": ["prod.yaml"],
            "parameters": [
                {"name": "replicas", "value": "3"},
                {"name": "image.tag", "value": "1.0.0", "forceString": true},
            ],
        },
    }});
    application(&world, "shop", &source, &json!({"sourceType": "Helm"})).await;
    policy(&world, json!([{"name": "shop"}]), json!({"argocd": {}})).await;
    world
        .until(&"the Application", async || {
            let object = applications(&world).get("shop").await;
            let object = object.map_err(|error| error.to_string())?;
            let found = &object.data["spec"]["source"]["helm"];
            let expected = json!({
                "valueFiles": ["prod.yaml"],
                "parameters": [
                    {"name": "replicas", "value": "3"},
                    {"name": "image.tag", "value": "1.1.0", "forceString": true},
                ],
            });
            if *found == expected {
                Ok(())
            } else {
                Err(found.to_string())
            }
        })
        .await;
    world.policy_becomes("app", "Succeeded").await;
    let write = world.policy_status("app").await.last_write;
    let write = write.expect("it has written");
    assert!(
        write
            .application
            .is_some_and(|name| name.ends_with("/shop"))
    );
    assert_eq!(write.commit, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn kustomize_images_of_one_of_several_sources_are_patched() {
    let (world, registry) = world(&[("README.md", b"\n")]).await;
    let sources = json!({"sources": [
        {"repoURL": "https://git.example/a.git", "path": "a", "ref": "x"},
        {"repoURL": "https://git.example/b.git", "path": "b"},
    ]});
    application(
        &world,
        "shop",
        &sources,
        &json!({"sourceTypes": ["Helm", "Kustomize"]}),
    )
    .await;
    let selected = json!([{"name": "shop", "source": {"index": 1}}]);
    policy(&world, selected, json!({"argocd": {}})).await;
    let image = format!("app={}/team/app:1.1.0", registry.host());
    world
        .until(&"the Application", async || {
            let object = applications(&world).get("shop").await;
            let object = object.map_err(|error| error.to_string())?;
            let found = &object.data["spec"]["sources"];
            let is_right = found[1]["kustomize"] == json!({"images": [image]})
                && found[0] == sources["sources"][0];
            if is_right {
                Ok(())
            } else {
                Err(found.to_string())
            }
        })
        .await;
    // Nothing is overridden here, so what runs would have been current.
    world.policy_becomes("app", "Succeeded").await;
}

/// What the Application's Helm parameters are.
pub(super) async fn parameters(world: &World, name: &str) -> Result<Value, String> {
    let object = applications(world).get(name).await;
    let object = object.map_err(|error| error.to_string())?;
    Ok(object.data["spec"]["source"]["helm"]["parameters"].clone())
}

/// A source with one parameter.
pub(super) fn parameter(tag: &str) -> Value {
    json!({"source": {
        "repoURL": "https://charts.example", "chart": "shop", "targetRevision": "1.2.3",
        "helm": {"parameters": [{"name": "image.tag", "value": tag, "forceString": true}]},
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_its_owner_puts_back_is_left_alone_after_a_while() {
    let (world, registry) = world(&[("README.md", b"\n")]).await;
    let status = json!({"sourceType": "Helm"});
    application(&world, "shop", &parameter("1.0.0"), &status).await;
    let owner = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "shops", "uid": "1",
    });
    let generated = Patch::Merge(json!({"metadata": {"ownerReferences": [owner]}}));
    let patched = applications(&world)
        .patch("shop", &PatchParams::default(), &generated)
        .await;
    patched.expect("the Application gets an owner");
    policy(&world, json!([{"name": "shop"}]), json!({"argocd": {}})).await;
    let written = async |tag: &str| {
        let expected = parameter(tag)["source"]["helm"]["parameters"].clone();
        let is_written = async || match parameters(&world, "shop").await? {
            found if found == expected => Ok(()),
            found => Err(found.to_string()),
        };
        world.until(&"the parameters", is_written).await;
    };
    for _ in 0..3 {
        written("1.1.0").await;
        // As an ApplicationSet does: by force, and whatever stands there.
        let api = applications(&world);
        let patch = Patch::Merge(json!({"spec": parameter("1.0.0")}));
        let patched = api.patch("shop", &PatchParams::default(), &patch).await;
        patched.expect("the owner has the right");
    }
    let message = world.policy_becomes("app", "PutBack").await;
    assert!(message.contains("/shop is put back"), "{message}");
    let stands = parameters(&world, "shop").await.expect("it is there");
    assert_eq!(stands[0]["value"], "1.0.0");

    // Something newer is worth another try.
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    written("1.2.0").await;
    world.policy_becomes("app", "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_is_asked_to_look_at_what_was_pushed() {
    let (world, _registry) = world(&[
        ("shop/values.yaml", b"image: {tag: 1.0.0}\n"),
        ("right/values.yaml", b"image: {tag: 1.1.0}\n"),
    ])
    .await;
    for name in ["shop", "right"] {
        let source = json!({"source": {"repoURL": world.git.url("env"), "path": name}});
        application(&world, name, &source, &json!({"sourceType": "Helm"})).await;
    }
    let targets = json!([{"helmValues": {"path": "values.yaml"}}]);
    policy(&world, json!([{"name": "*"}]), git(&targets)).await;
    let refresh = async |name: &str| {
        let object = applications(&world).get(name).await.expect("it is there");
        let annotations = object.metadata.annotations.unwrap_or_default();
        annotations.get("argocd.argoproj.io/refresh").cloned()
    };
    world.policy_becomes("app", "Succeeded").await;
    world
        .until(&"the annotation", async || {
            let refresh = refresh("shop").await;
            if refresh.as_deref() == Some("normal") {
                Ok(())
            } else {
                Err(format!("{refresh:?}"))
            }
        })
        .await;
    assert_eq!(refresh("right").await, None);
}
