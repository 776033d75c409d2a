//! Several replicas: one works, the others stand by and go on when it ends, however it ends.

use std::time::{Duration, Instant};

use image_update_testkit::process::{Child, Error, free_port};
use image_update_testkit::registry::Registry;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::crash::one_commit_a_change;
use super::main_job::running;
use super::metrics::Pages;
use crate::world::World;

/// What the Lease is called.
const LEASE: &str = "image-update-operator";

/// An operator that takes part in an election.
struct Replica {
    process: Child,
    pages: Pages,
}

impl Replica {
    fn start(world: &World, more: &[&str]) -> Self {
        let (pages, flag) = Pages::with_flag();
        let namespace = format!("--leader-election-namespace={}", world.namespace);
        let mut flags = vec![flag, "--leader-elect".to_owned(), namespace];
        flags.extend(more.iter().map(ToString::to_string));
        let process = world.launch_operator_with(&flags);
        Self { process, pages }
    }

    /// Whether it leads; nothing while it can't be asked.
    async fn leads(&self) -> Option<bool> {
        let samples = self.pages.scrape().await.ok()?;
        samples.get("image_update_leader").map(|it| *it > 0.5)
    }

    /// Waits until it leads.
    async fn begins_to_lead(&self, world: &World) {
        world
            .until(&"a replica that leads", async || {
                if self.leads().await == Some(true) {
                    Ok(())
                } else {
                    Err(self.process.log_tail().to_string())
                }
            })
            .await;
    }

    /// Waits until `/readyz` says this.
    async fn is_ready(&self, world: &World, expected: &str) {
        world
            .until(&"a replica that is ready", async || {
                let answer = self.pages.get("/readyz").await?;
                if answer == (200, expected.to_owned()) {
                    Ok(())
                } else {
                    Err(format!("{answer:?}"))
                }
            })
            .await;
    }
}

/// A world without an operator in which `1.0.0` is deployed and there.
async fn idle() -> (World, Registry) {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.kill_operator();
    (world, registry)
}

async fn release(world: &World, registry: &Registry, tag: &str) {
    let pushed = registry.push("team/app", tag).await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says(&format!("newTag: {tag}")).await;
}

/// Merges `patch` into the Lease, as a person might.
async fn edit(leases: &Api<Lease>, patch: &Value) {
    let parameters = PatchParams::default();
    let edited = leases.patch(LEASE, &parameters, &Patch::Merge(patch)).await;
    edited.expect("the Lease can be edited");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a user stops the operator with a signal"
)]
pub(super) fn terminate(process: &Child) {
    let pid = process.pid().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.expect("kill is there").success());
}

/// How the process ended.
pub(super) async fn ended(mut process: Child) -> std::process::ExitStatus {
    let ended = process.ready(Duration::from_secs(30), async || false).await;
    let Err(Error::Exited { status, .. }) = ended else {
        unreachable!("the operator goes on: {}", process.log_tail());
    };
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let (world, registry) = idle().await;
    let first = Replica::start(&world, &[]);
    first.begins_to_lead(&world).await;
    let second = Replica::start(&world, &[]);
    second
        .is_ready(&world, "ok: standing by, another replica leads\n")
        .await;
    first.is_ready(&world, "ok\n").await;
    assert_eq!(second.leads().await, Some(false));
    release(&world, &registry, "1.1.0").await;

    let told = Instant::now();
    terminate(&first.process);
    second.begins_to_lead(&world).await;
    let took = told.elapsed();
    // It would have to wait for 15 s if the Lease were not given up.
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    assert!(ended(first.process).await.success());
    second.is_ready(&world, "ok\n").await;
    release(&world, &registry, "1.2.0").await;
    one_commit_a_change(&world, "1.2.0");
    assert_eq!(world.commits().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_say_who_holds_the_lease() {
    let (world, _registry) = idle().await;
    let held = async |address: &str| {
        let url = format!("http://{address}/debug/state");
        let answer = reqwest::get(url).await.map_err(|it| it.to_string())?;
        let text = answer.text().await.map_err(|it| it.to_string())?;
        let state: Value = serde_json::from_str(&text).map_err(|it| it.to_string())?;
        let lease = &state["leases"][0];
        if lease.is_null() {
            Err(text)
        } else {
            Ok(lease.clone())
        }
    };
    let addresses = [0; 2].map(|_| {
        let port = free_port().expect("there is a free port");
        format!("127.0.0.1:{port}")
    });
    let flags = addresses
        .each_ref()
        .map(|it| format!("--debug-address={it}"));
    let first = Replica::start(&world, &[&flags[0]]);
    first.begins_to_lead(&world).await;
    let _second = Replica::start(&world, &[&flags[1]]);
    let mut seen = Vec::new();
    for address in &addresses {
        let found = world.until(&"a Lease that is held", async || held(address).await);
        seen.push(found.await);
    }
    assert_eq!(seen[0]["name"], LEASE);
    assert_eq!(seen[0]["holder"], seen[1]["holder"]);
    let age = seen[0]["renewedMillisecondsAgo"].as_u64();
    assert!(age.is_some_and(|age| age < 15_000), "{seen:?}");
    assert_eq!(seen[1]["renewedMillisecondsAgo"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_killed_is_followed_once_its_lease_has_expired() {
    let (world, registry) = idle().await;
    let short = ["--leader-election-lease-duration=6s"];
    let mut first = Replica::start(&world, &short);
    first.begins_to_lead(&world).await;
    let second = Replica::start(&world, &short);
    second
        .is_ready(&world, "ok: standing by, another replica leads\n")
        .await;
    release(&world, &registry, "1.1.0").await;
    let killed = Instant::now();
    first.process.kill();
    second.begins_to_lead(&world).await;
    let took = killed.elapsed();
    // It was renewed up to 0.8 s before.
    assert!(took > Duration::from_secs(4), "too early, after {took:?}");
    release(&world, &registry, "1.2.0").await;
    one_commit_a_change(&world, "1.2.0");
    assert_eq!(world.commits().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_another_has_taken_ends_and_writes_nothing_more() {
    let (world, registry) = idle().await;
    let only = Replica::start(&world, &[]);
    only.begins_to_lead(&world).await;
    release(&world, &registry, "1.1.0").await;
    let leases: Api<Lease> = world.api();
    edit(&leases, &json!({"spec": {"holderIdentity": "somebody"}})).await;
    let status = ended(only.process).await;
    assert_eq!(status.code(), Some(1), "a pod that failed is started again");
    let lease = leases.get(LEASE).await.expect("the Lease is there");
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    assert_eq!(holder.as_deref(), Some("somebody"), "it is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_edited_or_deleted_is_kept() {
    let (world, registry) = idle().await;
    let short = ["--leader-election-lease-duration=6s"];
    let only = Replica::start(&world, &short);
    only.begins_to_lead(&world).await;
    let leases: Api<Lease> = world.api();
    edit(&leases, &json!({"metadata": {"labels": {"edited": "yes"}}})).await;
    let renewed = async |before: Option<String>| {
        world
            .until(&"a Lease that is renewed", async || {
                let lease = leases.get(LEASE).await.map_err(|it| it.to_string())?;
                let version = lease.metadata.resource_version.clone();
                if version == before {
                    Err(format!("{lease:?}"))
                } else {
                    Ok((version, lease))
                }
            })
            .await
    };
    let (version, _) = renewed(None).await;
    let (_, lease) = renewed(version).await;
    let labels = lease.metadata.labels.unwrap_or_default();
    assert!(labels.contains_key("edited"), "what others wrote is kept");
    let parameters = DeleteParams::default();
    let deleted = leases.delete(LEASE, &parameters).await;
    deleted.expect("the Lease can be deleted");
    renewed(None).await;
    assert_eq!(only.leads().await, Some(true));
    release(&world, &registry, "1.1.0").await;
}
