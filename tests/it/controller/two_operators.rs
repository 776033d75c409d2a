//! Two operators that know nothing of each other write to one branch for the same policies: each
//! change is made once, and the repository stays sound, because git compares before it swaps.

use std::collections::BTreeMap;

use image_update_testkit::registry::Registry;
use serde_json::json;

use super::main_job::{running, semver};
use crate::world::{World, kustomization};

/// How many policies there are.
const POLICIES: usize = 12;

fn path(number: usize) -> String {
    format!("apps/{number}/kustomization.yaml")
}

/// Policies of one branch, each with a file of its own, while one operator runs.
async fn world() -> (World, Registry) {
    let (world, registry) = running(&["1.0.0"], "1.0.0").await;
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "1.0.0");
    let paths: Vec<String> = (0..POLICIES).map(path).collect();
    let files: Vec<(&str, &[u8])> = paths
        .iter()
        .map(|path| (path.as_str(), file.as_bytes()))
        .collect();
    let added = world.git.commit("env", "main", &files, "Add the apps");
    added.expect("it is committed");
    for number in 0..POLICIES {
        let target = json!([{"kustomization": {"path": format!("apps/{number}")}}]);
        let spec = json!({"writeBack": {"git": {"targets": target}}});
        world
            .policy(&format!("app-{number}"), semver("app", "*"), spec)
            .await;
    }
    (world, registry)
}

/// Waits until every file says `tag`.
async fn all_say(world: &World, tag: &str) {
    world
        .until(&format!("{tag} in all files"), async || {
            for number in 0..POLICIES {
                let text = world.git.show("env", "main", &path(number));
                let text = text.map_err(|error| error.to_string())?;
                let text = String::from_utf8_lossy(&text).into_owned();
                if !text.contains(&format!("newTag: {tag}")) {
                    return Err(text);
                }
            }
            Ok(())
        })
        .await;
}

/// How often each file was given each tag, over the whole history of the branch.
fn changes(world: &World) -> BTreeMap<String, usize> {
    let log = world.git.git(
        "env",
        &[
            "log",
            "-p",
            "--format=",
            "--unified=0",
            "main",
            "--",
            "apps",
        ],
    );
    let log = log.expect("there is a log");
    let mut changes = BTreeMap::new();
    let mut file = "";
    for line in log.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            file = path;
        } else if let Some(tag) = line.strip_prefix("+  newTag: ") {
            *changes.entry(format!("{file} {tag}")).or_default() += 1;
        }
    }
    changes
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_without_election_make_every_change_once() {
    let (world, registry) = world().await;
    let second = world.launch_operator();
    let tags = ["1.1.0", "1.2.0", "1.3.0"];
    for tag in tags {
        let pushed = registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
        world.request("ImageWatch", "app").await;
        all_say(&world, tag).await;
    }
    drop(second);
    let changes = changes(&world);
    for number in 0..POLICIES {
        for tag in ["1.0.0"].iter().chain(&tags) {
            let change = format!("{} {tag}", path(number));
            assert_eq!(changes.get(&change), Some(&1), "{change}: {changes:#?}");
        }
    }
    let log = world.git.log("env", "main").expect("there is a log");
    assert!(
        log.iter().all(|commit| commit.parents.len() <= 1),
        "the history is a line"
    );
    world.git.fsck("env").expect("the repository is sound");
}
