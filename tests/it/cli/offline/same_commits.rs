//! The operator and `apply` are one: the same objects make the same commits.

use serde_json::{Value, json};

use crate::cli::run_with;
use crate::world::World;

/// Everything of a commit but its time.
#[derive(Debug, PartialEq)]
struct Commit {
    author: String,
    subject: String,
    body: String,
    files: Vec<(String, String)>,
}

fn commits(world: &World, repository: &str) -> Vec<Commit> {
    let log = world.git.log(repository, "main");
    let log = log.expect("the repository has a log");
    let files = |id: &str| {
        let tree = world
            .git
            .tree(repository, id)
            .expect("the commit has a tree");
        let entry = tree.into_keys().map(|path| {
            let content = world.git.show(repository, id, &path).expect("it is a file");
            (path, String::from_utf8(content).expect("the file is text"))
        });
        entry.collect()
    };
    let commit = |commit: image_update_testkit::git_server::Commit| Commit {
        files: files(&commit.id),
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
    // Which of the two came first is left to chance; what they make of the files in the end is not.
    assert_eq!(online[0].files, offline[0].files);
    for commits in [&mut online, &mut offline] {
        commits.sort_by(|left, right| left.subject.cmp(&right.subject));
        for commit in commits {
            commit.files.clear();
        }
    }
    assert_eq!(online, offline);
}
