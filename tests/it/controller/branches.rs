//! What the spec says of branches and commits, from the object to the repository.

use std::path::Path;

use serde_json::{Value, json};

use super::main_job::{running, semver};
use crate::world::World;

fn git(world: &World, arguments: &[&str]) -> String {
    world.git.git("env", arguments).expect("git does it")
}

async fn policy(world: &World, git: Value) {
    let spec = json!({"writeBack": {"git": git}});
    world.policy("app", semver("app", "*"), spec).await;
}

/// Waits until a branch says the tag, and returns its name.
async fn branch_says(world: &World, start: &str, tag: &str) -> String {
    world
        .until(&"the branch", async || {
            let branches = world.git.branches("env").map_err(|it| it.to_string())?;
            let found = branches.iter().find(|branch| {
                let file = world
                    .git
                    .show("env", branch, "overlays/prod/kustomization.yaml");
                branch.starts_with(start)
                    && file.is_ok_and(|file| String::from_utf8_lossy(&file).contains(tag))
            });
            found.cloned().ok_or_else(|| branches.join(" "))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_update_has_a_branch_for_review() {
    let (world, registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    policy(
        &world,
        json!({"push": {"branch": "updates/{{.AppName}}-{{.SHA256}}"}}),
    )
    .await;
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;

    let first = branch_says(&world, "updates/app-", "newTag: 1.1.0").await;
    assert_eq!(first.len(), "updates/app-".len() + 64, "{first}");
    world.policy_becomes("app", "Succeeded").await;
    let write = world.policy_status("app").await.last_write;
    assert_eq!(write.expect("it has written").branch, Some(first.clone()));
    assert!(
        world.kustomization().contains("newTag: 1.0.0"),
        "main is as it was"
    );
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "Succeeded").await;
    assert_eq!(
        git(&world, &["rev-list", "--count", &format!("main..{first}")]),
        "1"
    );

    // Merged by its reviewer; the next update has the next branch.
    git(&world, &["update-ref", "refs/heads/main", &first]);
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    let second = branch_says(&world, "updates/app-", "newTag: 1.2.0").await;
    assert_ne!(first, second);
    world.git.fsck("env").expect("the repository is sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_commits_stop_the_policy_until_they_are_merged() {
    let (world, registry) = running(&["1.0.0"], "0.9.0").await;
    world.policy_becomes("app", "Succeeded").await;
    policy(&world, json!({"push": {"branch": "updates"}})).await;
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    branch_says(&world, "updates", "newTag: 1.1.0").await;
    for (branch, file) in [("updates", "theirs"), ("main", "on-main")] {
        let committed = world.git.commit("env", branch, &[(file, b"x")], "By hand");
        committed.expect("somebody commits");
    }
    let before = world.git.head("env", "updates").expect("it is there");
    world.request("ImageUpdatePolicy", "app").await;

    let message = world.policy_becomes("app", "ForeignCommits").await;

    assert!(message.contains(&before), "{message}");
    assert!(
        message.contains("merge main into it, merge it, or delete it"),
        "{message}"
    );
    assert_eq!(
        world.git.head("env", "updates").expect("it is there"),
        before
    );
    git(&world, &["update-ref", "-d", "refs/heads/updates"]);
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "Succeeded").await;
    branch_says(&world, "updates", "newTag: 1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_templates_are_told_with_their_place() {
    let (world, _registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    for (git, expected) in [
        (
            json!({"commit": {"message": "update\n{{.Nope}}"}}),
            "spec.writeBack.git.commit.message: line 2, column 3: no field `Nope`; there are .AppName",
        ),
        (
            json!({"push": {"branch": "a..{{.AppName}}"}}),
            "spec.writeBack.git.push.branch: \"a..application\" is not the name of a branch",
        ),
        (
            json!({"push": {"branch": "{{range}}"}}),
            "spec.writeBack.git.push.branch: line 1, column ",
        ),
    ] {
        let spec = json!({"spec": {"writeBack": {"git": {"commit": null, "push": null}}}});
        world.patch("ImageUpdatePolicy", "app", spec).await;
        world.policy_becomes("app", "Succeeded").await;
        let patch = json!({"spec": {"writeBack": {"git": git}}});
        world.patch("ImageUpdatePolicy", "app", patch).await;
        let message = world.policy_becomes("app", "InvalidSpec").await;
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_signed_with_the_key_of_a_secret() {
    let (world, registry) = running(&["1.0.0"], "0.9.0").await;
    world.policy_becomes("app", "Succeeded").await;
    let home = tempfile::tempdir().expect("a directory");
    let (private, signers) = ssh_key(home.path());
    world.secret("signing", None, &[("unrelated", "x")]).await;
    let commit = json!({"signing": {"secretRef": {"name": "signing"}}, "signOff": true,
        "author": {"name": "Robot", "email": "robot@example.org"}});
    policy(&world, json!({"commit": commit})).await;

    let message = world.policy_becomes("app", "InvalidSecret").await;
    assert!(
        message.contains("it has none of the keys git.asc, identity"),
        "{message}"
    );
    let locked = [("identity", private.as_str())];
    world.secret("signing", None, &locked).await;
    world.request("ImageUpdatePolicy", "app").await;
    world
        .until(&"the word about the passphrase", async || {
            let (_, _, message) = world.policy_ready("app").await;
            let is_told = message.contains("is encrypted and there is no passphrase");
            is_told.then_some(()).ok_or(message)
        })
        .await;
    let open = [
        ("identity", private.as_str()),
        ("passphrase", "open-sesame\n"),
    ];
    world.secret("signing", None, &open).await;
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.1.0").await;

    let allowed = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    let settings = ["-c", "gpg.format=ssh", "-c", allowed.as_str()];
    let with = |arguments: &[&str]| git(&world, &[&settings, arguments].concat());
    with(&["verify-commit", "main"]);
    assert_eq!(
        with(&["log", "-1", "--format=%G? %GS", "main"]),
        "G robot@example.org"
    );
    let body = with(&["log", "-1", "--format=%B", "main"]);
    assert!(
        body.ends_with("Signed-off-by: Robot <robot@example.org>"),
        "{body}"
    );
    world.git.fsck("env").expect("the repository is sound");
    assert!(!world.logs().contains("open-sesame"));
}

#[expect(clippy::disallowed_methods, reason = "users make keys with ssh-keygen")]
fn ssh_key(home: &Path) -> (String, std::path::PathBuf) {
    let file = home.join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "open-sesame", "-f"])
        .arg(&file)
        .status();
    assert!(made.expect("install openssh-client").success());
    let public = std::fs::read_to_string(home.join("key.pub")).expect("the public key is there");
    let signers = home.join("signers");
    std::fs::write(&signers, format!("robot@example.org {public}")).expect("it can be written");
    let private = std::fs::read_to_string(file).expect("the private key is there");
    (private, signers)
}
