//! The operator is killed, loses connections, races others: the repository ends right, with one
//! commit a change.

use std::time::Duration;

use image_update_operator::api::v1alpha1::ImageUpdatePolicy;
use image_update_testkit::git_server::{Fault, Moment};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::json;

use super::main_job::{running, semver};
use crate::world::World;

/// Every commit of ours must change the tag, and none may repeat what another did.
#[track_caller]
pub(super) fn one_commit_a_change(world: &World, newest: &str) {
    let commits = world.commits();
    let mut distinct = commits.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(
        distinct.len(),
        commits.len(),
        "a change was committed twice: {commits:#?}"
    );
    assert!(world.kustomization().contains(&format!("newTag: {newest}")));
    world.git.fsck("env").expect("the repository is sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_and_restarted() {
    let (mut world, registry) = running(&["1.0.0"], "0.9.0").await;
    world.kustomization_says("newTag: 1.0.0").await;
    for round in 1..=10_u64 {
        registry
            .push("team/app", &format!("1.{round}.0"))
            .await
            .expect("the image is pushed");
        world.request("ImageWatch", "app").await;
        // A scan, a decision and a push take about 200 ms: the moments sweep over all of them.
        tokio::time::sleep(Duration::from_millis(round * 23)).await;
        world.kill_operator();
        world.start_operator();
    }
    world.kustomization_says("newTag: 1.10.0").await;
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.10.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_request_to_git_and_restarted() {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    let mut steps = 0;
    loop {
        let tag = format!("1.{}.0", steps + 1);
        let pushed = registry.push("team/app", &tag).await;
        pushed.expect("the image is pushed");
        world.request("ImageWatch", "app").await;
        // A fresh operator knows nothing, so each step of a write is a request: what the server
        // can do, the refs, the commit, the trees, the file, what it can do for pushes, the push.
        let held = world.git.hold("/env.git/", steps, Moment::Before);
        world.start_operator();
        let says = format!("newTag: {tag}");
        tokio::select! {
            () = held.reached() => {}
            () = world.kustomization_says(&says) => break,
        }
        world.kill_operator();
        assert!(
            !world.kustomization().contains(&says),
            "git has not seen the push"
        );
        world.start_operator();
        world.kustomization_says(&says).await;
        world.policy_becomes("app", "Succeeded").await;
        world.kill_operator();
        steps += 1;
    }
    assert!(steps >= 8, "only {steps} requests were held");
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, &format!("1.{}.0", steps + 1));
    assert_eq!(world.commits().len(), steps + 1);
}

/// What becomes of a push whose sender was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The server carries it out before the next operator comes.
    Early,
    /// The next operator pushes first.
    Late,
    /// The server had carried it out, and nobody heard of it.
    Unheard,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_server_has_the_push() {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    for (number, fate) in [Fate::Early, Fate::Late, Fate::Unheard]
        .into_iter()
        .enumerate()
    {
        let moment = if fate == Fate::Unheard {
            Moment::Answered
        } else {
            Moment::Received
        };
        let held = world.git.hold("/git-receive-pack", 0, moment);
        let tag = format!("1.{}.0", number + 1);
        let pushed = registry.push("team/app", &tag).await;
        pushed.expect("the image is pushed");
        world.request("ImageWatch", "app").await;
        held.reached().await;
        world.kill_operator();
        let says = format!("newTag: {tag}");
        let is_written = world.kustomization().contains(&says);
        assert_eq!(is_written, fate == Fate::Unheard, "{fate:?}");
        let late = match fate {
            Fate::Early => {
                held.finish().await;
                assert!(world.kustomization().contains(&says), "it was carried out");
                None
            }
            Fate::Late => Some(held),
            Fate::Unheard => None,
        };
        world.start_operator();
        world.kustomization_says(&says).await;
        if let Some(late) = late {
            let tip = world.git.head("env", "main").expect("there is a tip");
            late.finish().await;
            assert_eq!(world.git.head("env", "main").ok(), Some(tip));
        }
        world.request("ImageUpdatePolicy", "app").await;
        world.policy_becomes("app", "Succeeded").await;
        assert_eq!(world.commits().len(), number + 1, "{fate:?}");
        one_commit_a_change(&world, &tag);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_push_and_the_status() {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    let barrier = StatusBarrier::raise(&world).await;
    registry
        .push("team/app", "1.1.0")
        .await
        .expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world
        .until(&"the status to be refused", async || {
            let logs = world.logs();
            let is_refused = logs.contains("could not write the status");
            is_refused.then_some(()).ok_or(logs)
        })
        .await;
    world.kill_operator();
    let status = world.policy_status("app").await;
    assert_eq!(status.last_write, None, "nothing was written down");
    barrier.lower().await;
    world.start_operator();
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.1.0");
    assert_eq!(world.commits().len(), 1);
}

/// Keeps statuses of policies from being written in a world's namespace.
struct StatusBarrier {
    name: String,
    policies: Api<DynamicObject>,
    bindings: Api<DynamicObject>,
}

impl StatusBarrier {
    /// Returns when it holds.
    async fn raise(world: &World) -> Self {
        let group = |kind| GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let of = |kind| Api::all_with(world.kube.clone(), &ApiResource::from_gvk(&group(kind)));
        let barrier = Self {
            name: format!("{}-status", world.namespace),
            policies: of("ValidatingAdmissionPolicy"),
            bindings: of("ValidatingAdmissionPolicyBinding"),
        };
        let name = barrier.name.as_str();
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["image-update.dev"],
                    "apiVersions": ["*"],
                    "operations": ["UPDATE"],
                    "resources": ["imageupdatepolicies/status"],
                }]},
                "validations": [{"expression": "false", "message": "no status in this test"}],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {
                    "kubernetes.io/metadata.name": world.namespace,
                }}},
            },
        });
        let apply = PatchParams::apply("test").force();
        for (api, object) in [(&barrier.policies, policy), (&barrier.bindings, binding)] {
            let applied = api.patch(name, &apply, &Patch::Apply(&object)).await;
            applied.expect("the API server takes it");
        }
        let policies: Api<ImageUpdatePolicy> = world.api();
        let trial = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let change = Patch::Merge(json!({"status": {"observedGeneration": 0}}));
        world
            .until(&"statuses to be refused", async || {
                match policies.patch_status("app", &trial, &change).await {
                    Ok(_) => Err("they are taken".to_owned()),
                    Err(_) => Ok(()),
                }
            })
            .await;
        barrier
    }

    /// Returns when it holds no more.
    async fn lower(self) {
        let now = DeleteParams::default();
        let binding = self.bindings.delete(&self.name, &now).await;
        binding.expect("it can be deleted");
        let policy = self.policies.delete(&self.name, &now).await;
        policy.expect("it can be deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_push_and_its_answer() {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.git.inject("git-receive-pack", Fault::DropAfter);
    registry
        .push("team/app", "1.1.0")
        .await
        .expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world.kill_operator();
    world.start_operator();
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "Succeeded").await;
    one_commit_a_change(&world, "1.1.0");
    assert_eq!(world.commits().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_settled_by_looking() {
    let (world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.git.inject("git-receive-pack", Fault::DropAfter);
    registry
        .push("team/app", "1.1.0")
        .await
        .expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world
        .until(&"the write to be reported", async || {
            let status = world.policy_status("app").await;
            status
                .last_write
                .as_ref()
                .map(drop)
                .ok_or_else(|| format!("{status:?}"))
        })
        .await;
    assert_eq!(world.commits().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_never_write_a_change_twice() {
    let (world, registry) = running(&["1.0.0"], "0.9.0").await;
    let second = world.launch_operator();
    for round in 1..=5 {
        let tag = format!("1.{round}.0");
        registry
            .push("team/app", &tag)
            .await
            .expect("the image is pushed");
        world.request("ImageWatch", "app").await;
        world.kustomization_says(&format!("newTag: {tag}")).await;
    }
    drop(second);
    one_commit_a_change(&world, "1.5.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_one_branch_lose_nothing_to_each_other_or_to_people() {
    let (world, registry) = running(&["1.0.0"], "1.0.0").await;
    let image = format!("{}/team/app", registry.host());
    for name in ["a", "b", "c", "d", "e", "f"] {
        let path = format!("apps/{name}/kustomization.yaml");
        let file = crate::world::kustomization(&image, "0.1.0");
        let files = [(path.as_str(), file.as_bytes())];
        world
            .git
            .commit("env", "main", &files, "Add an app")
            .expect("it is committed");
        let target = json!([{"kustomization": {"path": format!("apps/{name}")}}]);
        world
            .policy(
                name,
                semver("app", "*"),
                json!({"writeBack": {"git": {"targets": target}}}),
            )
            .await;
    }
    registry
        .push("team/app", "1.1.0")
        .await
        .expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    for number in 0..10 {
        let path = format!("people/{number}");
        let files = [(path.as_str(), b"by hand".as_slice())];
        world
            .git
            .commit("env", "main", &files, "By hand")
            .expect("people are not disturbed");
    }
    world
        .until(&"all seven files", async || {
            for path in
                ["a", "b", "c", "d", "e", "f"].map(|name| format!("apps/{name}/kustomization.yaml"))
            {
                let text = world
                    .git
                    .show("env", "main", &path)
                    .map_err(|error| error.to_string())?;
                let text = String::from_utf8_lossy(&text).into_owned();
                if !text.contains("newTag: 1.1.0") {
                    return Err(format!("{path}: {text}"));
                }
            }
            Ok(())
        })
        .await;
    world.kustomization_says("newTag: 1.1.0").await;
    let log = world.git.log("env", "main").expect("there is a log");
    assert_eq!(
        log.iter()
            .filter(|commit| commit.subject == "By hand")
            .count(),
        10
    );
    assert!(
        log.iter().all(|commit| commit.parents.len() <= 1),
        "the history is a line"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "a user stops the operator with a signal"
)]
async fn sigterm_drains_and_the_operator_ends_well() {
    let (world, _registry) = running(&["1.0.0"], "0.9.0").await;
    world.kustomization_says("newTag: 1.0.0").await;
    let pid = world.operator_pid().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.expect("kill is there").success());
    world
        .until(&"the operator to say that it stopped", async || {
            let logs = world.logs();
            if logs.contains("Stopped") {
                Ok(())
            } else {
                Err("still running".to_owned())
            }
        })
        .await;
}
