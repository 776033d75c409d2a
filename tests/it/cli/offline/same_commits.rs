//! The operator and `apply` are one: the same objects make the same commits.

use serde_json::{Value, json};

use crate::cli::run_with;
use crate::world::World;

/// Everything of a commit but its time and its parent.
#[derive(Debug, PartialEq)]
struct Commit {
    author: String,
    subject: String,
    body: String,
    /// What it changes, with the ids of the files before and after.
    diff: String,
}

fn commits(world: &World, repository: &str) -> Vec<Commit> {
    let log = world.git.log(repository, "main");
    let log = log.expect("the repository has a log");
    let diff = |id: &str| {
        let show = ["show", "--format=", "--full-index", "--no-color", id];
        world.git.git(repository, &show).expect("it is a commit")
    };
    let commit = |commit: image_update_testkit::git_server::Commit| Commit {
        diff: diff(&commit.id),
        author: commit.author,
        subject: commit.subject,
        body: commit.body,
    };
    log.into_iter().map(commit).collect()
}

/// The objects of the world's namespace, as `kubectl get -o yaml` has them, with another repository.
async fn exported(world: &World, repository: &str) -> String {
    use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
    use k8s_openapi::api::core::v1::Secret;
    use kube::api::ListParams;

    let all = ListParams::default();
    let watches = world.api::<ImageWatch>().list(&all).await;
    let policies = world.api::<ImageUpdatePolicy>().list(&all).await;
    let secrets = world.api::<Secret>().list(&all).await;
    let mut objects = Vec::new();
    for watch in watches.expect("watches are listed") {
        objects.push(serde_json::to_value(watch).expect("it is JSON"));
    }
    for mut policy in policies.expect("policies are listed") {
        if let Some(git) = &mut policy.spec.write_back.git {
            git.repository = Some(world.git.url(repository));
        }
        policy.status = None;
        objects.push(serde_json::to_value(policy).expect("it is JSON"));
    }
    for secret in secrets.expect("Secrets are listed") {
        let mut secret = serde_json::to_value(secret).expect("it is JSON");
        secret["kind"] = json!("Secret");
        secret["apiVersion"] = json!("v1");
        objects.push(secret);
    }
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

async fn policies(world: &World, host: &str) {
    let image = |alias: &str, strategy: Value| {
        json!({
            "alias": alias, "watchRef": {"name": "app"}, "strategy": strategy,
            "kustomize": {"name": alias}, "helm": {"name": "image.name", "tag": "image.tag"},
        })
    };
    let message =
        "Update {{range .AppChanges}}{{.Image}} {{.OldTag}} -> {{.NewTag}}{{end}}\n\nbody";
    let git = json!({"git": {
        "commit": {
            "author": {"name": "Robot", "email": "robot@example.org"},
            "message": message, "signOff": true,
        },
    }});
    let web = image("web", json!({"semver": {}}));
    world
        .policy("shop", json!([web]), json!({"writeBack": git}))
        .await;
    // The tag that is followed gets its digest, which is looked up in a second round.
    let mut inline = image("inline", json!({"semver": {"constraint": "1.0.x"}}));
    inline["digestPolicy"] = json!("Always");
    let values =
        json!({"writeBack": {"git": {"targets": [{"helmValues": {"path": "values.yaml"}}]}}});
    inline["watchRef"] = json!({"name": "app"});
    inline["helm"] = json!({"spec": "image.all"});
    world.policy("values", json!([inline]), values).await;
    assert!(host.contains(':'), "{host}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_makes_the_commits_that_the_operator_makes() {
    let kustomization = b"images:\n- name: web  # ours\n  newTag: 1.0.0\n";
    let (mut world, registry) = World::with_app(&[]).await;
    let values = format!("image:\n  all: {}/team/app:0.9.0\n", registry.host());
    let files: [(&str, &[u8]); 2] = [
        ("overlays/prod/kustomization.yaml", kustomization),
        ("values.yaml", values.as_bytes()),
    ];
    for repository in ["env", "offline"] {
        if repository == "offline" {
            let made = world.git.create_repository(repository, &files);
            made.expect("the repository is made");
        } else {
            let made = world.git.commit(repository, "main", &files, "initial");
            made.expect("the files are committed");
        }
    }
    policies(&world, &registry.host()).await;
    let objects = exported(&world, "offline").await;

    world.start_operator();
    for policy in ["shop", "values"] {
        world.policy_becomes(policy, "Succeeded").await;
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    let arguments = ["apply", "-f", "-"];
    let ran = run_with(program, folder.path(), &arguments, objects.as_bytes(), &[]);
    ran.done();

    let (mut online, mut offline) = (commits(&world, "env"), commits(&world, "offline"));
    // The commits that the test made.
    online.retain(|it| !it.author.starts_with("Somebody"));
    offline.retain(|it| !it.author.starts_with("Somebody"));
    assert_eq!(online.len(), 2, "{online:?}");
    // Which of the two came first is left to chance; what each changes is not.
    for commits in [&mut online, &mut offline] {
        commits.sort_by(|left, right| left.diff.cmp(&right.diff));
        for (commit, path) in commits
            .iter()
            .zip(["overlays/prod/kustomization.yaml", "values.yaml"])
        {
            let head = format!("diff --git a/{path} b/{path}\n");
            assert!(commit.diff.starts_with(&head), "{commit:?}");
            assert_eq!(commit.diff.matches("diff --git ").count(), 1, "{commit:?}");
        }
    }
    assert_eq!(online, offline);
    let tree = |repository: &str| world.git.tree(repository, "main").expect("it has files");
    assert_eq!(tree("env"), tree("offline"));
}
