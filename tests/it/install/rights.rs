//! The operator works with the rights of an installation, and uses each of them.
//!
//! It runs with the token of the chart's ServiceAccount and the arguments of the chart's Deployment;
//! the API server's audit log says what it asked for.

use std::collections::BTreeSet;

use image_update_operator::api::v1alpha1::{GROUP, ImageUpdatePolicy};
use image_update_operator::generate::rbac::RIGHTS;
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::pod::Pod;
use image_update_testkit::process::free_port;
use image_update_testkit::registry::Registry;
use image_update_testkit::stack::Assets;
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::render::{rendered, the};
use crate::world::{GIT_PASSWORD, GIT_USER, World, api_server, kustomization};

const FILE: &str = "overlays/prod/kustomization.yaml";

/// What is written with Argo CD's credential.
const ARGOCD_FILE: &str = "overlays/argocd/kustomization.yaml";

/// A world in which the chart is installed, and its operator about to run.
struct Installed {
    world: World,
    registry: Registry,
    /// The one of the chart's Deployment.
    pod: Pod,
}

/// A registry and a repository `env` at an older tag, with the chart's objects applied.
async fn install(server: &'static ApiServer, values: impl Fn(&str) -> Value) -> Installed {
    let world = World::on(server).await;
    let registry = Registry::start().await.expect("the registry starts");
    let pushed = registry.push("team/app", "1.0.0").await;
    pushed.expect("the image is pushed");
    let host = registry.host();
    let file = kustomization(&format!("{host}/team/app"), "0.9.0");
    let files = [FILE, ARGOCD_FILE].map(|path| (path, file.as_bytes()));
    let made = world.git.create_repository("env", &files);
    made.expect("the repository is made");

    let mut values = values(&world.namespace);
    // No annotation says that a registry speaks plain HTTP.
    values["config"]["registries"] =
        json!([{"name": "test", "prefix": host, "api_url": format!("http://{host}")}]);
    let objects = rendered(&values, &world.namespace);
    let installed = server.install(&objects).await;
    installed.expect("the API server takes what the chart renders");
    let pod = Pod::of(server, the(&objects, "Deployment"), "7d9f8b6c5d-x2x4z").await;
    Installed {
        world,
        registry,
        pod: pod.expect("the pod has what it names"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_some_namespaces_does_the_main_job_and_asks_for_nothing_else() {
    let server = api_server().await;
    let installed = install(server, |namespace| {
        json!({
            "watchNamespaces": [namespace],
            "crds": {"install": false},
            "rbac": {"aggregate": false},
        })
    })
    .await;
    let (mut world, registry) = (installed.world, installed.registry);
    let user = installed.pod.user().to_owned();
    let image = format!("{}/team/app", registry.host());
    world.watch("app", json!({"image": image})).await;
    world.policy("app", follows("app"), json!({})).await;
    world.operate_in(installed.pod);
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    let requests = server.audited(&user).expect("there is a log");
    assert!(!requests.is_empty(), "the operator is who we think it is");
    for request in requests {
        assert_eq!(request.namespace, world.namespace, "{request:?}");
        assert_ne!(request.status, 403, "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_applications_may_ask_for_a_look_when_webhooks_are_on() {
    const SECRET: &str = "webhook-pa55word";
    let server = api_server().await;
    let installed = install(server, |namespace| {
        json!({
            "watchNamespaces": [namespace],
            "crds": {"install": false},
            "rbac": {"aggregate": false},
            "argocd": {"applications": false},
            "webhook": {"enabled": true},
        })
    })
    .await;
    let (mut world, registry) = (installed.world, installed.registry);
    let port = free_port().expect("there is a free port");
    let address = format!("127.0.0.1:{port}");
    let pod = installed.pod.flag("--webhook-address", &address);
    let user = pod.user().to_owned();
    world.operate_in(pod);
    world.environment("GENERIC_WEBHOOK_SECRET", SECRET);
    let image = format!("{}/team/app", registry.host());
    let spec = json!({"image": image, "interval": "1h"});
    world.watch("app", spec).await;
    let mut images = follows("app");
    images[0]["digestPolicy"] = json!("Always");
    world.policy("app", images, json!({})).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    let url = format!("http://127.0.0.1:{port}/webhook/generic?secret={SECRET}");
    let body = json!({"image": format!("{image}:1.1.0")}).to_string();
    let sent = reqwest::Client::new().post(url).body(body).send().await;
    let status = sent.expect("the receiver answers").status();
    assert_eq!(status, 200);
    world.kustomization_says("newTag: 1.1.0").await;
    let patched = |resource: &str| {
        let requests = server.audited(&user).expect("there is a log");
        let mut requests = requests.into_iter();
        requests.any(|it| it.verb == "patch" && it.resource == resource && it.status == 200)
    };
    assert!(patched("imagewatches") && patched("imageupdatepolicies"));
}

/// A server whose cluster-wide roles are ours, and whose other objects nobody minds.
async fn own_server() -> &'static ApiServer {
    let server = ApiServer::start()
        .await
        .expect("etcd and kube-apiserver start");
    // They end with the process.
    let server: &'static ApiServer = Box::leak(Box::new(server));
    let argocd = Assets::locate().and_then(|assets| assets.argocd_crds());
    let own = super::render::project("crds");
    let image_updater = super::render::project("tests/image-updater");
    for crds in [own, argocd.expect("the stack is built"), image_updater] {
        let installed = server.install_crds(&crds).await;
        installed.expect("the CRDs can be installed");
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_all_namespaces_uses_every_right_that_it_has_and_misses_none() {
    let server = own_server().await;
    let Installed {
        mut world,
        registry,
        pod,
    } = install(
        server,
        |namespace| json!({"argocd": {"namespace": namespace, "repositoryCredentials": "own"}}),
    )
    .await;
    let user = pod.user().to_owned();
    world.operate_in(pod);
    let image = format!("{}/team/app", registry.host());
    lend_the_watch(&world, &image).await;
    with_argocd(&world).await;
    world.policy("app", follows("app"), json!({})).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    application_says(&world, "1.0.0").await;

    // A second event of one kind counts the first.
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    world.kustomization_says("newTag: 1.1.0").await;
    application_says(&world, "1.1.0").await;

    let written = kustomization(&image, "1.1.0");
    world.file_becomes(ARGOCD_FILE, &written).await;
    convert_and_stop(&world, &image).await;
    world
        .until(&"the rights in use", async || {
            let (unused, missing) = compare(server, &user);
            assert!(missing.is_empty(), "not in the table: {missing:?}");
            if unused.is_empty() {
                Ok(())
            } else {
                Err(format!("granted and not used: {unused:?}"))
            }
        })
        .await;
}

/// The world's watch, with a ServiceAccount, and a policy of another namespace that it is lent to.
async fn lend_the_watch(world: &World, image: &str) {
    let server = world.server;
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "puller", "namespace": world.namespace},
    });
    let applied = server.apply(&account, false).await;
    applied.expect("the API server takes the account");
    let access = json!({"namespaceSelectors": [{"matchLabels": {"team": "a"}}]});
    let spec = json!({"image": image, "serviceAccountName": "puller", "accessFrom": access});
    world.watch("app", spec).await;

    let other = server.namespace("other").await;
    let other = other.expect("a namespace can be made");
    let label = json!({"metadata": {"labels": {"team": "a"}}});
    let labelled = Api::<Namespace>::all(world.kube.clone())
        .patch(&other, &PatchParams::default(), &Patch::Merge(&label))
        .await;
    labelled.expect("a namespace can be labelled");
    let policy = json!({
        "apiVersion": "image-update.dev/v1alpha1",
        "kind": "ImageUpdatePolicy",
        "metadata": {"name": "lent", "namespace": other},
        "spec": {
            "images": [{
                "alias": "web",
                "watchRef": {"name": "app", "namespace": world.namespace},
                "strategy": {"semver": {}},
            }],
            "writeBack": {"git": {
                "repository": world.git.url("env"),
                "branch": "main",
                "credentials": {"secretRef": {"name": "git"}},
                "targets": [{"kustomization": {"path": "overlays/other"}}],
            }},
        },
    });
    let applied = server.apply(&policy, false).await;
    applied.expect("the API server takes the policy");
}

/// An Application whose parameters a policy writes, and Argo CD's credential for another policy.
async fn with_argocd(world: &World) {
    let namespace = &world.namespace;
    let url = world.git.url("env");
    let ca = world.git.ca_pem().expect("the git server has TLS");
    let server = url.trim_end_matches("/env.git").trim_end_matches("/env");
    let objects = [
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop", "namespace": namespace},
            "spec": {
                "project": "default",
                "destination": {"server": "x", "namespace": "y"},
                "source": {
                    "repoURL": "https://charts.example", "chart": "shop", "targetRevision": "1.2.3",
                    "helm": {"parameters": [{"name": "image.tag", "value": "0.9.0"}]},
                },
            },
            "status": {"sourceType": "Helm"},
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "server",
                "namespace": namespace,
                "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
            },
            "stringData": {"url": server, "username": GIT_USER, "password": GIT_PASSWORD},
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "argocd-tls-certs-cm", "namespace": namespace},
            "data": {"127.0.0.1": ca},
        }),
    ];
    for object in &objects {
        let applied = world.server.apply(object, false).await;
        applied.expect("the API server takes the object");
    }
    let mut images = follows("app");
    images[0]["helm"] = json!({"tag": "image.tag"});
    let spec = json!({
        "interval": "30s",
        "images": images,
        "applications": [{"name": "shop"}],
        "writeBack": {"argocd": {}},
    });
    world.apply("ImageUpdatePolicy", "shop", spec).await;
    let spec = json!({
        "interval": "30s",
        "images": follows("app"),
        "writeBack": {"git": {
            "repository": url,
            "branch": "main",
            "credentials": {"argocd": {}},
            "targets": [{"kustomization": {"path": "overlays/argocd"}}],
        }},
    });
    world.apply("ImageUpdatePolicy", "argocd", spec).await;
}

async fn application_says(world: &World, tag: &str) {
    let resource = kube::discovery::ApiResource {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Application".to_owned(),
        plural: "applications".to_owned(),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.kube.clone(), &world.namespace, &resource);
    world
        .until(&"the Application", async || {
            let found = api.get("shop").await.map_err(|error| error.to_string())?;
            let found = &found.data["spec"]["source"]["helm"]["parameters"][0]["value"];
            if *found == tag {
                Ok(())
            } else {
                Err(found.to_string())
            }
        })
        .await;
}

/// An Application with the predecessor's annotations gets a policy and a watch, and loses both with
/// them.
async fn convert_and_stop(world: &World, image: &str) {
    let list = format!("web={image}");
    for annotations in [
        json!({
            "argocd-image-updater.argoproj.io/image-list": list,
            "argocd-image-updater.argoproj.io/force-update": "true",
        }),
        json!({}),
    ] {
        let is_annotated = annotations != json!({});
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {
                "name": "old", "namespace": world.namespace, "annotations": annotations,
            },
            "spec": {
                "project": "default",
                "destination": {"server": "x", "namespace": "y"},
                "source": {"repoURL": "https://git.example/env.git", "path": "old"},
            },
            "status": {"sourceType": "Helm"},
        });
        let applied = world.server.apply(&application, false).await;
        applied.expect("the API server takes the Application");
        world
            .until(&"the policy", async || {
                let found = world.api::<ImageUpdatePolicy>().get_opt("old").await;
                let found = found.map_err(|error| error.to_string())?;
                if found.is_some() == is_annotated {
                    Ok(())
                } else {
                    Err(format!("annotated: {is_annotated}"))
                }
            })
            .await;
        if is_annotated {
            old_event(world).await;
        }
    }
}

/// The update is told as the predecessor told it.
async fn old_event(world: &World) {
    world
        .until(&"the event", async || {
            let events = world.api::<Event>().list(&ListParams::default()).await;
            let events = events.map_err(|error| error.to_string())?.items;
            let mut reasons = events.into_iter().filter_map(|event| event.reason);
            let is_there = reasons.any(|reason| reason == "ImagesUpdated");
            is_there.then_some(()).ok_or_else(|| "no event".to_owned())
        })
        .await;
}

/// One image that follows a watch by semver.
fn follows(watch: &str) -> Value {
    json!([{
        "alias": "web",
        "watchRef": {"name": watch},
        "strategy": {"semver": {"constraint": "*"}},
    }])
}

/// A right, as RBAC has it: group, resource, verb.
type Right = (String, String, String);

/// What the table grants and was not used, and what was used, or refused, beyond it.
fn compare(server: &ApiServer, user: &str) -> (BTreeSet<Right>, BTreeSet<Right>) {
    let granted: BTreeSet<Right> = RIGHTS
        .iter()
        .flat_map(|right| {
            right.resources.iter().flat_map(move |resource| {
                let text = ToString::to_string;
                let verbs = right.verbs.iter();
                verbs.map(move |verb| (text(right.group), text(resource), text(verb)))
            })
        })
        .collect();
    let mut exercised = BTreeSet::new();
    let mut missing = BTreeSet::new();
    for request in server.audited(user).expect("there is a log") {
        let is_allowed = request.status != 403;
        let right = (request.group, request.resource, request.verb);
        if is_allowed && granted.contains(&right) {
            exercised.insert(right);
        } else {
            missing.insert(right);
        }
    }
    // To apply an object that is not there yet takes both rights, and is logged as a patch.
    let is_applied = |(group, resource, verb): &Right| {
        let patch = (group.clone(), resource.clone(), "patch".to_owned());
        verb == "create" && group == GROUP && exercised.contains(&patch)
    };
    let unused = granted.difference(&exercised);
    let unused = unused.filter(|right| !is_applied(right));
    (unused.cloned().collect(), missing)
}
