//! Policies of one branch: few pushes, a commit each or one for all, and nobody waits for nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use image_update_testkit::git_server::Fault;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use super::main_job::{running, semver};
use crate::world::{World, kustomization};

/// A running world with `count` more policies, each with a file of its own, all at 1.0.0.
async fn many(count: usize, commit: Value) -> (World, Registry) {
    let (world, registry) = running(&["1.0.0"], "1.0.0").await;
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "1.0.0");
    let paths: Vec<String> = (0..count).map(file_of).collect();
    let files: Vec<(&str, &[u8])> = paths
        .iter()
        .map(|path| (path.as_str(), file.as_bytes()))
        .collect();
    let added = world.git.commit("env", "main", &files, "Add apps");
    added.expect("somebody commits");
    for index in 0..count {
        policy(&world, index, json!({"commit": commit})).await;
    }
    for index in 0..count {
        world.policy_becomes(&name(index), "Succeeded").await;
    }
    world.policy_becomes("app", "Succeeded").await;
    (world, registry)
}

async fn policy(world: &World, index: usize, git: Value) {
    let mut git = git;
    git["targets"] = json!([{"kustomization": {"path": format!("apps/{index}")}}]);
    let spec = json!({"writeBack": {"git": git}});
    world.policy(&name(index), semver("app", "*"), spec).await;
}

fn name(index: usize) -> String {
    format!("app-{index}")
}

fn file_of(index: usize) -> String {
    format!("apps/{index}/kustomization.yaml")
}

async fn release(world: &World, registry: &Registry, tag: &str) {
    let pushed = registry.push("team/app", tag).await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
}

/// Waits until all files hold the tag.
async fn all_say(world: &World, count: usize, tag: &str) {
    let expected = format!("newTag: {tag}");
    let says = |path: &str| {
        let content = world.git.show("env", "main", path);
        content.is_ok_and(|content| String::from_utf8_lossy(&content).contains(&expected))
    };
    world
        .until(&"all files", async || {
            let late: Vec<String> = (0..count).map(file_of).filter(|path| !says(path)).collect();
            if late.is_empty() {
                Ok(())
            } else {
                Err(format!("{} files: {late:?}", late.len()))
            }
        })
        .await;
    world.kustomization_says(&expected).await;
}

/// Has the server keep a log of what the branch pointed to: an entry for each push from now on.
fn count_pushes(world: &World) {
    let kept = world
        .git
        .configure("env", "core.logAllRefUpdates", "always");
    kept.expect("the repository can be configured");
}

fn pushes(world: &World) -> usize {
    let count = world
        .git
        .git("env", &["rev-list", "--walk-reflogs", "--count", "main"]);
    count
        .expect("the log of the ref is kept")
        .parse()
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_policies_need_few_pushes_and_have_a_commit_each() {
    const COUNT: usize = 50;
    let (world, registry) = many(COUNT, json!({})).await;
    let before = world.commits().len();
    count_pushes(&world);
    release(&world, &registry, "1.1.0").await;
    all_say(&world, COUNT, "1.1.0").await;
    let made = world.commits().len() - before;
    assert_eq!(made, COUNT + 1, "a commit each");
    assert!(pushes(&world) <= 3, "{} pushes", pushes(&world));
    world.git.fsck("env").expect("the repository is sound");
    // Every policy knows the commit that is its own.
    let mut own = BTreeSet::new();
    for index in 0..COUNT {
        world.policy_becomes(&name(index), "Succeeded").await;
        let write = world.policy_status(&name(index)).await.last_write;
        let write = write.expect("it has written");
        let commit = write.commit.expect("it is a commit");
        assert!(own.insert(commit.clone()), "{commit}");
        let subject = world.git.git("env", &["log", "-1", "--format=%s", &commit]);
        assert_eq!(
            subject.expect("the commit is there"),
            format!("build: automatic update of {}", name(index))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_is_one_commit() {
    const COUNT: usize = 12;
    let commit = json!({"granularity": "Batch", "signOff": true,
        "message": "chore: {{len .AppChanges}} of {{.AppName}}"});
    let (world, registry) = many(COUNT, commit).await;
    let before = world.git.count_commits("env", "main").expect("a count");
    count_pushes(&world);
    release(&world, &registry, "1.1.0").await;
    all_say(&world, COUNT, "1.1.0").await;
    let made = world.git.count_commits("env", "main").expect("a count") - before;
    let pushes = pushes(&world);
    // One for the policy `app`, which has a style of its own, and one a push for the others.
    assert!(made <= pushes + 1, "{made} commits in {pushes} pushes");
    assert!(pushes <= 2, "{pushes} pushes");
    let body = world.git.git("env", &["log", "--format=%B", "-2", "main"]);
    let body = body.expect("there is a log");
    let sign_off = "Signed-off-by: image-update-operator <noreply@image-update.dev>";
    assert!(body.contains(sign_off), "{body}");
    world.git.fsck("env").expect("the repository is sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_target_of_one_policy_keeps_nobody() {
    let (world, registry) = many(4, json!({})).await;
    let entries = [image_update_testkit::git_server::Entry::Symlink(
        "apps/0/kustomization.yaml",
        "../../overlays/prod/kustomization.yaml",
    )];
    let changed = world
        .git
        .commit_entries("env", "main", &entries, "Make a symlink");
    changed.expect("somebody commits");
    let broken = b"images: [";
    let files = [("apps/1/kustomization.yaml", broken.as_slice())];
    let changed = world.git.commit("env", "main", &files, "Break a file");
    changed.expect("somebody commits");
    let message = "{{if eq (index .AppChanges 0).NewTag \"1.2.0\"}}{{else}}Later{{end}}";
    policy(&world, 2, json!({"commit": {"message": message}})).await;
    world.policy_becomes(&name(2), "Succeeded").await;

    release(&world, &registry, "1.2.0").await;

    world.kustomization_says("newTag: 1.2.0").await;
    world
        .until(&"the good policy", async || {
            let content = world.git.show("env", "main", &file_of(3));
            let text = String::from_utf8(content.expect("the file is there"));
            let text = text.expect("the file is text");
            if text.contains("newTag: 1.2.0") {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    world.policy_becomes(&name(0), "UnsafePath").await;
    world.policy_becomes(&name(1), "InvalidTarget").await;
    let message = world.policy_becomes(&name(2), "InvalidSpec").await;
    assert_eq!(
        message,
        "spec.writeBack.git.commit.message can't be used: the template renders an empty message"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_a_full_queue_nothing_is_lost_or_doubled() {
    const COUNT: usize = 8;
    let (mut world, registry) = many(COUNT, json!({})).await;
    for round in 1..=6_u64 {
        let tag = format!("1.{round}.0");
        if round % 2 == 0 {
            world.git.inject("git-receive-pack", Fault::DropAfter);
        }
        release(&world, &registry, &tag).await;
        // Scan, window, push: the moments sweep over all of them.
        tokio::time::sleep(Duration::from_millis(round * 110)).await;
        world.kill_operator();
        world.start_operator();
    }
    all_say(&world, COUNT, "1.6.0").await;
    let log = world.git.git("env", &["log", "--format=%B%x00", "main"]);
    let log = log.expect("there is a log");
    let messages: Vec<&str> = log
        .split('\0')
        .map(str::trim)
        .filter(|message| message.contains("updates image"))
        .collect();
    let distinct: BTreeSet<&str> = messages.iter().copied().collect();
    assert_eq!(distinct.len(), messages.len(), "a change was made twice");
    world.git.fsck("env").expect("the repository is sound");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::disallowed_methods,
    reason = "a user stops the operator with a signal"
)]
async fn sigterm_writes_what_waits() {
    const COUNT: usize = 6;
    let (world, registry) = many(COUNT, json!({})).await;
    release(&world, &registry, "1.1.0").await;
    // While the first of them wait in the queue.
    world
        .until(&"the scan", async || {
            let status = world.watch_status("app").await;
            let is_seen = status.latest_tags.iter().any(|tag| tag == "1.1.0");
            is_seen
                .then_some(())
                .ok_or_else(|| "not scanned".to_owned())
        })
        .await;
    let pid = world.operator_pid().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.expect("kill is there").success());
    world
        .until(&"the operator to stop", async || {
            let logs = world.logs();
            let is_over = logs.contains("Stopped");
            is_over.then_some(()).ok_or_else(|| "running".to_owned())
        })
        .await;
    let logs = world.logs();
    assert!(
        !logs.contains("did not end in time"),
        "what waited was carried out: {logs}"
    );
    // Whatever was begun is whole: each file that changed has its commit, and each commit is ours.
    let changed = (0..COUNT).filter(|index| {
        let content = world.git.show("env", "main", &file_of(*index));
        String::from_utf8_lossy(&content.expect("the file is there")).contains("1.1.0")
    });
    let in_main = usize::from(world.kustomization().contains("1.1.0"));
    assert_eq!(world.commits().len(), changed.count() + in_main);
    world.git.fsck("env").expect("the repository is sound");
}
