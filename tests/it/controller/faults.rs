//! What goes wrong around the operator, each survived: the API server's faults, a broken object,
//! and a stop in the middle of a push.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::apiserver::proxy::{Mode, Proxy};
use image_update_testkit::git_server::Fault;
use image_update_testkit::process::{Child, free_port};
use image_update_testkit::registry::Registry;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use super::crash::one_commit_a_change;
use super::leader::{ended, terminate};
use super::main_job::running;
use super::unscanned::last_write_is_the_tip;
use crate::world::{GIT_PASSWORD, World};

/// An operator that reaches the API server through a proxy, with 1.0.0 deployed.
async fn behind_a_proxy(more: &[String]) -> (World, Registry, Proxy, Child) {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    let proxy = Proxy::start(world.server).await.expect("the proxy starts");
    let mut flags = vec![format!("--watch-namespaces={}", world.namespace)];
    flags.extend_from_slice(more);
    world.operate_as(proxy.kubeconfig().to_owned(), flags);
    let operator = world.launch_operator();
    release(&world, &registry, "1.1.0").await;
    (world, registry, proxy, operator)
}

async fn release(world: &World, registry: &Registry, tag: &str) {
    let pushed = registry.push("team/app", tag).await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says(&format!("newTag: {tag}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_expire_are_begun_anew_and_miss_nothing() {
    let (world, registry, proxy, _operator) = behind_a_proxy(&[]).await;
    // Those of watches, policies and Applications.
    proxy.expire_watches(3);
    world
        .until(&"watches that expire", async || {
            match proxy.expired_left() {
                0 => Ok(()),
                left => Err(format!("{left} left")),
            }
        })
        .await;
    release(&world, &registry, "1.2.0").await;
    one_commit_a_change(&world, "1.2.0");
    assert_eq!(world.commits().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_throttles_is_waited_for() {
    let (world, registry, proxy, _operator) = behind_a_proxy(&[]).await;
    proxy.set(Mode::Throttle);
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world
        .until(&"requests that are refused", async || {
            match proxy.refused() {
                0..3 => Err("too few".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
    proxy.set(Mode::Pass);
    world.kustomization_says("newTag: 1.2.0").await;
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.2.0");
    assert_eq!(world.commits().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_a_watch_that_is_not_taken_keeps_no_tag_back() {
    let (world, registry, proxy, _operator) = behind_a_proxy(&[]).await;
    // Without a word from the watch it would be looked at after the test.
    let spec = json!({"spec": {"interval": "1h"}});
    world.patch("ImageUpdatePolicy", "app", spec).await;
    last_write_is_the_tip(&world).await;
    proxy.refuse_statuses("imagewatches", 1);
    release(&world, &registry, "1.2.0").await;
    assert_eq!(proxy.statuses_left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_status_is_not_taken_is_told_later() {
    let (world, registry, proxy, _operator) = behind_a_proxy(&[]).await;
    last_write_is_the_tip(&world).await;
    proxy.refuse_statuses("imageupdatepolicies", 2);
    release(&world, &registry, "1.2.0").await;
    last_write_is_the_tip(&world).await;
    assert_eq!(proxy.statuses_left(), 0);
    let history = world.policy_status("app").await.history;
    assert_eq!(history[0].message, "web: 1.1.0 -> 1.2.0");
    assert_eq!(history[1].message, "web: 1.0.0 -> 1.1.0");
    let told = async || {
        let events = world.api::<Event>().list(&ListParams::default()).await;
        let events = events.expect("events can be listed").items;
        let updated = events.iter();
        let updated = updated.filter(|it| it.reason.as_deref() == Some("Updated"));
        let notes: Vec<&str> = updated.filter_map(|it| it.note.as_deref()).collect();
        let expected = ["web: 1.0.0 -> 1.1.0 (", "web: 1.1.0 -> 1.2.0 ("];
        let is_told = |line: &&str| notes.iter().filter(|it| it.starts_with(line)).count() == 1;
        if notes.len() == 2 && expected.iter().all(is_told) {
            Ok(())
        } else {
            Err(format!("{notes:?}"))
        }
    };
    world.until(&"an event for each write", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_loses_the_api_server_ends_before_its_lease_does() {
    let namespace = "--leader-election-namespace=default".to_owned();
    let lease = "--leader-election-lease-duration=9s".to_owned();
    let flags = ["--leader-elect".to_owned(), namespace, lease];
    let (world, _registry, proxy, operator) = behind_a_proxy(&flags).await;
    let down = Instant::now();
    proxy.set(Mode::Down);
    let status = ended(operator).await;
    let took = down.elapsed();
    assert_eq!(status.code(), Some(1));
    assert!(took < Duration::from_secs(9), "it went on for {took:?}");
    one_commit_a_change(&world, "1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_a_push_lets_it_end() {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    let debug = format!("127.0.0.1:{}", free_port().expect("there is a free port"));
    let operator = world.launch_operator_with(&[format!("--debug-address={debug}")]);
    let delay = Duration::from_secs(4);
    world.git.inject("git-receive-pack", Fault::Delay(delay));
    let sent = world.git.bytes_up();
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world
        .until(&"a push that is under way", async || {
            // A pack is larger than what is sent to read.
            if world.git.bytes_up() > sent && operator_pushes(&operator) {
                Ok(())
            } else {
                Err(operator.log_tail().to_string())
            }
        })
        .await;
    let queue = &state(&debug).await["gitQueues"][0];
    assert_eq!(queue["branch"], "main", "{queue}");
    terminate(&operator);
    assert!(world.kustomization().contains("newTag: 1.0.0"), "too late");
    assert!(ended(operator).await.success());
    assert!(world.kustomization().contains("newTag: 1.1.0"));
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.1.0");
    assert_eq!(world.commits().len(), 1);
}

/// How many hosts hang. One after another they would take minutes.
const HANGING: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn registries_and_remotes_that_hang_keep_nobody_else_waiting() {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    // The system takes connections for them, and nobody ever reads what is sent.
    let hosts: Vec<TcpListener> = (0..HANGING)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("there is a free port"))
        .collect();
    for (number, host) in hosts.iter().enumerate() {
        let host = host.local_addr().expect("it listens");
        let image = format!("{host}/team/app");
        world
            .watch(&format!("hangs-{number}"), json!({"image": image}))
            .await;
        let inline = json!([{"alias": "web", "image": image, "strategy": {"semver": {}}}]);
        let elsewhere = json!({"writeBack": {"git": {"targets": [
            {"kustomization": {"path": format!("inline-{number}")}},
        ]}}});
        world
            .policy(&format!("inline-{number}"), inline, elsewhere)
            .await;
        let remote = json!({"writeBack": {"git": {"repository": format!("https://{host}/env")}}});
        let follows = super::main_job::semver("app", "*");
        world
            .policy(&format!("remote-{number}"), follows, remote)
            .await;
    }
    world.flag("--concurrency=1");
    world.start_operator();
    release(&world, &registry, "1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.1.0");
    world.watch_becomes("hangs-0", "RegistryUnavailable").await;
    world.policy_becomes("remote-0", "GitUnavailable").await;
}

/// What an operator says of itself.
async fn state(address: &str) -> Value {
    let url = format!("http://{address}/debug/state");
    let answer = reqwest::get(url).await.expect("the operator serves it");
    let text = answer.text().await.expect("it is text");
    assert!(!text.contains(GIT_PASSWORD));
    serde_json::from_str(&text).expect("it is JSON")
}

/// Whether the operator has seen the new tag; the push follows within milliseconds.
fn operator_pushes(operator: &Child) -> bool {
    operator
        .log_tail()
        .to_string()
        .contains("The list of tags changed")
}

/// A server of its own, which the test may harm.
async fn own_server() -> &'static ApiServer {
    let server = ApiServer::start().await;
    // It ends with the process.
    let server: &'static ApiServer =
        Box::leak(Box::new(server.expect("etcd and kube-apiserver start")));
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let installed = server.install_crds(&crds).await;
    installed.expect("the CRDs can be installed");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_restarts_after_a_compaction_is_followed_again() {
    let mut world = World::on(own_server().await).await;
    let registry = Registry::start().await.expect("the registry starts");
    let pushed = registry.push("team/app", "1.0.0").await;
    pushed.expect("the image is pushed");
    let image = format!("{}/team/app", registry.host());
    let file = crate::world::kustomization(&image, "0.9.0");
    let files = [("overlays/prod/kustomization.yaml", file.as_bytes())];
    let made = world.git.create_repository("env", &files);
    made.expect("the repository is made");
    world.watch("app", json!({"image": image})).await;
    let images = super::main_job::semver("app", "*");
    world.policy("app", images, json!({})).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.server.compact().await.expect("etcd compacts");
    world.server.restart().await.expect("it starts again");
    release(&world, &registry, "1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_cannot_be_read_hides_no_other() {
    let server = own_server().await;
    let mut world = World::on(server).await;
    let lax = tempfile::tempdir().expect("a folder can be made");
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "applications.argoproj.io", "annotations": {
            "api-approved.kubernetes.io": "unapproved",
        }},
        "spec": {
            "group": "argoproj.io",
            "names": {"kind": "Application", "plural": "applications"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    });
    let file = lax.path().join("applications.yaml");
    std::fs::write(&file, crd.to_string()).expect("a file can be written");
    let installed = server.install_crds(lax.path()).await;
    installed.expect("the CRD can be installed");

    let registry = Registry::start().await.expect("the registry starts");
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    let url = world.git.url("env");
    let good = json!({"repoURL": url, "path": "overlays/prod", "targetRevision": "main"});
    let status = json!({"sourceType": "Kustomize"});
    for (name, source) in [("broken", json!("a text")), ("good", good)] {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name},
            "spec": {"project": "default", "source": source},
            "status": status,
        });
        let resource = ApiResource {
            group: "argoproj.io".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "argoproj.io/v1alpha1".to_owned(),
            kind: "Application".to_owned(),
            plural: "applications".to_owned(),
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(world.kube.clone(), &world.namespace, &resource);
        let applied = api
            .patch(name, &PatchParams::apply("test"), &Patch::Apply(&object))
            .await;
        applied.expect("the API server takes the Application");
    }
    let image = format!("{}/team/app", registry.host());
    let file = crate::world::kustomization(&image, "1.0.0");
    let files = [("overlays/prod/kustomization.yaml", file.as_bytes())];
    let made = world.git.create_repository("env", &files);
    made.expect("the repository is made");
    world.watch("app", json!({"image": image})).await;
    let spec = json!({
        "interval": "30s",
        "images": super::main_job::semver("app", "*"),
        "applications": [{"name": "*"}],
        "writeBack": {"git": {
            "credentials": {"secretRef": {"name": "git"}},
            "targets": [{"kustomization": {"path": "."}}],
        }},
    });
    world.apply("ImageUpdatePolicy", "app", spec).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    assert!(world.logs().contains("An Application can't be read"));
}
