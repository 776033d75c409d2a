//! Several operators that share the policies: each is looked at by one, watches have one reporter,
//! and conflicts are found across them.

use std::collections::BTreeSet;

use image_update_testkit::process::Child;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use super::main_job::{running, semver};
use super::metrics::Pages;
use crate::world::{World, kustomization};

/// How many branches there are, with one policy each.
const BRANCHES: usize = 8;

/// An operator that works for a part.
struct Worker {
    _process: Child,
    pages: Pages,
}

impl Worker {
    fn start(world: &World, flags: &[&str]) -> Self {
        let (pages, flag) = Pages::with_flag();
        let mut all = vec![flag];
        all.extend(flags.iter().map(ToString::to_string));
        let process = world.launch_operator_with(&all);
        Self {
            _process: process,
            pages,
        }
    }

    /// How many pushes it made.
    async fn pushes(&self) -> f64 {
        let samples = self.pages.scrape().await.expect("the operator runs");
        let name = "image_update_git_operations_total";
        let pushes = samples.iter().filter(|(series, _)| {
            series.starts_with(name) && series.contains("outcome=\"pushed\"")
        });
        pushes.map(|(_, value)| value).sum()
    }

    async fn becomes_ready(&self, world: &World) {
        world
            .until(&"an operator that is ready", async || {
                match self.pages.get("/readyz").await? {
                    (200, _) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
    }
}

/// A world without an operator, with a policy for each of some branches, of which `labels` says
/// what labels it has.
async fn world(labels: impl Fn(usize) -> Value) -> (World, Registry) {
    let (mut world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    world
        .patch(
            "ImageUpdatePolicy",
            "app",
            json!({"spec": {"suspend": true}}),
        )
        .await;
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "1.0.0");
    for number in 0..BRANCHES {
        let branch = format!("branch-{number}");
        let made = world.git.git("env", &["branch", &branch, "main"]);
        made.expect("the branch is made");
        let name = format!("app-{number}");
        let files = [("overlays/prod/kustomization.yaml", file.as_bytes())];
        let written = world.git.commit("env", &branch, &files, "Begin");
        written.expect("the file is written");
        let spec = json!({"writeBack": {"git": {"branch": branch}}});
        world.policy(&name, semver("app", "*"), spec).await;
        let labels = json!({"metadata": {"labels": labels(number)}});
        world.patch("ImageUpdatePolicy", &name, labels).await;
    }
    (world, registry)
}

/// Releases a tag and waits until it is in these branches.
async fn release(world: &World, registry: &Registry, tag: &str, branches: &[usize]) {
    let pushed = registry.push("team/app", tag).await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world
        .until(&format!("{tag} in all branches"), async || {
            for number in branches {
                let text = on_branch(world, *number);
                if !text.contains(&format!("newTag: {tag}")) {
                    return Err(format!("branch {number}: {text}"));
                }
            }
            Ok(())
        })
        .await;
}

fn on_branch(world: &World, number: usize) -> String {
    let branch = format!("branch-{number}");
    let path = "overlays/prod/kustomization.yaml";
    let text = world.git.show("env", &branch, path);
    String::from_utf8(text.expect("the file is there")).expect("it is text")
}

/// Every commit of ours on these branches; none may repeat another.
#[track_caller]
fn each_branch_was_written(world: &World, times: usize) {
    for number in 0..BRANCHES {
        let log = world.git.log("env", &format!("branch-{number}"));
        let log = log.expect("there is a log");
        let ours = log
            .iter()
            .filter(|it| it.author.starts_with("image-update"));
        assert_eq!(ours.count(), times, "branch {number}: {log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_divide_the_branches_and_together_do_all() {
    let (world, registry) = world(|_| json!({})).await;
    let first = Worker::start(&world, &["--shards=2", "--shard-index=0"]);
    let second = Worker::start(&world, &["--shards=2", "--shard-index=1"]);
    for worker in [&first, &second] {
        worker.becomes_ready(&world).await;
    }
    let all: Vec<usize> = (0..BRANCHES).collect();
    release(&world, &registry, "1.1.0", &all).await;
    release(&world, &registry, "1.2.0", &all).await;
    each_branch_was_written(&world, 2);
    let pushes = [first.pushes().await, second.pushes().await];
    assert!(pushes.iter().all(|it| *it > 0.5), "{pushes:?}");
    let expected = 2 * u32::try_from(BRANCHES).expect("they are few");
    assert!(
        (pushes[0] + pushes[1] - f64::from(expected)).abs() < 1e-9,
        "{pushes:?}"
    );
    world.watch_becomes("app", "Succeeded").await;

    // A conflict is found though another shard may have the older policy.
    let spec = json!({"writeBack": {"git": {"branch": "branch-0"}}});
    world.policy("late", semver("app", "*"), spec).await;
    world.policy_becomes("late", "Conflict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_whichever_shard_has_no_leader() {
    let (world, registry) = world(|_| json!({})).await;
    let namespace = format!("--leader-election-namespace={}", world.namespace);
    let flags = ["--leader-elect", "--shards=2", &namespace];
    let workers = [Worker::start(&world, &flags), Worker::start(&world, &flags)];
    let all: Vec<usize> = (0..BRANCHES).collect();
    release(&world, &registry, "1.1.0", &all).await;
    each_branch_was_written(&world, 1);
    let mut leading = BTreeSet::new();
    for (number, worker) in workers.iter().enumerate() {
        let samples = worker.pages.scrape().await.expect("the operator runs");
        if samples
            .get("image_update_leader")
            .is_some_and(|it| *it > 0.5)
        {
            leading.insert(number);
        }
    }
    assert_eq!(leading.len(), 2, "both work, each for a shard of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_leaves_other_policies_alone_until_their_labels_change() {
    let (world, registry) = world(|number| {
        let team = if number % 2 == 0 { "a" } else { "b" };
        json!({"team": team})
    })
    .await;
    let worker = Worker::start(&world, &["--shard-selector=team in (a)"]);
    worker.becomes_ready(&world).await;
    release(&world, &registry, "1.1.0", &[0, 2, 4, 6]).await;
    for number in [1, 3, 5, 7] {
        assert!(on_branch(&world, number).contains("newTag: 1.0.0"));
    }
    let label = json!({"metadata": {"labels": {"team": "a"}}});
    world.patch("ImageUpdatePolicy", "app-1", label).await;
    world
        .until(&"the policy that was taken over", async || {
            let text = on_branch(&world, 1);
            if text.contains("newTag: 1.1.0") {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
}
