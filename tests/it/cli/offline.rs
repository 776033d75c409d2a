//! `plan` and `apply`, without a cluster: objects from files, a real registry and a real git server.

mod credentials;
mod same_commits;

use std::path::Path;

use image_update_testkit::git_server::GitServer;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ran, run_with};
use crate::world::{GIT_PASSWORD, GIT_USER, kustomization};

const FILE: &str = "overlays/prod/kustomization.yaml";

/// A registry with 1.0.0 and 1.1.0 of `team/app`, a git server with `env`, and a folder of objects.
struct Scene {
    registry: Registry,
    git: GitServer,
    folder: TempDir,
}

impl Scene {
    async fn start(files: &[(&str, &[u8])]) -> Self {
        let registry = Registry::start().await.expect("the registry starts");
        for tag in ["1.0.0", "1.1.0"] {
            let pushed = registry.push("team/app", tag).await;
            pushed.expect("the image is pushed");
        }
        let git = GitServer::builder()
            .tls()
            .basic_auth(GIT_USER, GIT_PASSWORD);
        let git = git.start().await.expect("the git server starts");
        let made = git.create_repository("env", files);
        made.expect("the repository is made");
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self {
            registry,
            git,
            folder,
        }
    }

    /// As [`Scene::start`], with a kustomization that has 1.0.0, a watch, and the git server's Secret.
    async fn with_app() -> Self {
        let file = kustomization("app", "1.0.0");
        let scene = Self::start(&[(FILE, file.as_bytes())]).await;
        scene.object("watch", &scene.watch());
        scene.object("secret", &scene.secret(true));
        scene
    }

    fn object(&self, name: &str, object: &Value) {
        std::fs::create_dir_all(self.folder.path().join("objects")).expect("a folder can be made");
        let path = self.folder.path().join(format!("objects/{name}.yaml"));
        let text = serde_yaml::to_string(object).expect("an object is YAML");
        std::fs::write(path, text).expect("the object can be written");
    }

    fn watch(&self) -> Value {
        json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": "ImageWatch",
            "metadata": {"name": "app"},
            "spec": {"image": format!("{}/team/app", self.registry.host()), "insecure": true},
        })
    }

    /// The git server's authority, and its credential if that is wanted.
    fn secret(&self, has_credential: bool) -> Value {
        let ca = self.git.ca_pem().expect("the git server has TLS");
        let data = if has_credential {
            json!({"ca.crt": ca, "username": GIT_USER, "password": GIT_PASSWORD})
        } else {
            json!({"ca.crt": ca})
        };
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "git"},
            "stringData": data,
        })
    }

    fn policy(&self, name: &str, image: &Value) -> Value {
        json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": "ImageUpdatePolicy",
            "metadata": {"name": name},
            "spec": {
                "images": [image],
                "writeBack": {"git": {
                    "repository": self.git.url("env"),
                    "branch": "main",
                    "credentials": {"secretRef": {"name": "git"}},
                    "targets": [{"kustomization": {"path": "overlays/prod"}}],
                }},
            },
        })
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
        let ran = run_with(program, self.folder.path(), arguments, b"", variables);
        let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr);
        assert!(!said.contains(GIT_PASSWORD), "{said}");
        ran
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    fn file(&self, path: &str) -> String {
        let file = self.git.show("env", "main", path);
        String::from_utf8(file.expect("the file is in git")).expect("the file is text")
    }

    fn commits(&self) -> usize {
        self.git.log("env", "main").expect("there is a log").len()
    }
}

fn web() -> Value {
    json!({
        "alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"},
        "strategy": {"semver": {}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_shows_what_apply_then_writes() {
    let scene = Scene::with_app().await;
    scene.object("policy", &scene.policy("shop", &web()));
    let url = scene.git.url("env");
    let image = format!("{}/team/app", scene.registry.host());

    let planned = scene.run(&["plan", "-f", "objects"]);
    let diff = format!(
        "--- a/{FILE}\n+++ b/{FILE}\n@@ -3,4 +3,5 @@\n - deployment.yaml\n images:\n \
         - name: app  # ours\n-  newTag: 1.0.0\n+  newTag: 1.1.0\n+  newName: {image}\n"
    );
    assert_eq!(planned.code, Some(3), "{planned:?}");
    assert_eq!(planned.stderr, "");
    let lines: Vec<&str> = planned.text().lines().collect();
    assert_eq!(
        lines[..3],
        [
            "# argocd/shop web: 1.0.0 -> 1.1.0, Pending: would write 1.1.0",
            "",
            &format!("# {url} main"),
        ],
        "{planned:?}"
    );
    assert!(planned.text().ends_with(&diff), "{planned:?}");
    assert_eq!(scene.commits(), 1, "a plan writes nothing");

    let applied = scene.run(&["apply", "-f", "objects"]);
    assert!(applied.done().ends_with(&diff), "{applied:?}");
    assert!(
        scene.file(FILE).contains("newTag: 1.1.0\n"),
        "{}",
        scene.file(FILE)
    );
    let log = scene.git.log("env", "main").expect("there is a log");
    assert!(
        applied.text().contains(&format!("# commit {}", log[0].id)),
        "{applied:?}"
    );

    let ran = scene.run(&["plan", "-f", "objects"]);
    assert_eq!(ran.done(), "# nothing to write\n");
    assert_eq!(
        scene.run(&["apply", "-f", "objects"]).done(),
        "# nothing to write\n"
    );
    assert_eq!(scene.commits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_is_data_for_a_pipeline() {
    let scene = Scene::with_app().await;
    scene.object("policy", &scene.policy("shop", &web()));
    let ran = scene.run(&["plan", "-f", "objects", "-ojson"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
    let data = ran.json();
    let push = &data["pushes"][0];
    assert_eq!(push["branch"], "main");
    assert_eq!(push["repository"], scene.git.url("env"));
    assert_eq!(push["files"][0]["path"], FILE);
    assert!(
        push["files"][0]["diff"]
            .as_str()
            .is_some_and(|it| it.contains("+  newTag: 1.1.0"))
    );
    assert!(
        push["commits"][0]["message"]
            .as_str()
            .is_some_and(|it| it.contains("1.1.0"))
    );
    assert!(push["commits"][0]["id"].is_null());
    let image = &data["policies"][0]["images"][0];
    assert_eq!(
        (&image["state"], &image["selected"]),
        (&json!("Pending"), &json!("1.1.0"))
    );

    let applied = scene.run(&["apply", "-f", "objects", "-oyaml"]);
    let data: Value = serde_yaml::from_str(applied.done()).expect("it is YAML");
    let log = scene.git.log("env", "main").expect("there is a log");
    assert_eq!(data["pushes"][0]["commits"][0]["id"], log[0].id.as_str());
}

/// The second policy sees what the first would make of the file they share.
#[tokio::test(flavor = "multi_thread")]
async fn policies_of_one_file_are_planned_on_top_of_each_other() {
    let file = "images:\n- name: app\n  newTag: 1.0.0\n- name: other\n  newTag: 1.0.0\n";
    let scene = Scene::start(&[(FILE, file.as_bytes())]).await;
    scene.object("watch", &scene.watch());
    scene.object("secret", &scene.secret(true));
    scene.object("first", &scene.policy("first", &web()));
    let mut image = web();
    image["kustomize"]["name"] = json!("other");
    scene.object("second", &scene.policy("second", &image));
    let planned = scene.run(&["plan", "-f", "objects", "-ojson"]).json();
    assert_eq!(
        planned["pushes"].as_array().map(Vec::len),
        Some(1),
        "{planned}"
    );
    assert_eq!(
        planned["pushes"][0]["commits"].as_array().map(Vec::len),
        Some(2),
        "{planned}"
    );
    scene.run(&["apply", "-f", "objects"]).done();
    let name = format!("1.1.0\n  newName: {}/team/app", scene.registry.host());
    assert_eq!(scene.file(FILE), file.replace("1.0.0", &name));
    assert_eq!(scene.commits(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_suspended_policy_write_nothing() {
    let scene = Scene::with_app().await;
    for field in ["dryRun", "suspend"] {
        let mut policy = scene.policy("shop", &web());
        policy["spec"][field] = json!(true);
        scene.object("policy", &policy);
        let planned = scene.run(&["plan", "-f", "objects"]);
        assert!(
            planned.done().ends_with("# nothing to write\n"),
            "{planned:?}"
        );
        assert!(
            planned.text().starts_with("# argocd/shop web: "),
            "{planned:?}"
        );
        scene.run(&["apply", "-f", "objects"]).done();
    }
    assert_eq!(scene.commits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn annotated_applications_are_converted() {
    let scene = Scene::with_app().await;
    let image = format!("web={}/team/app:1.x", scene.registry.host());
    scene.object(
        "application",
        &json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": "shop", "annotations": {
                    "argocd-image-updater.argoproj.io/image-list": image,
                    "argocd-image-updater.argoproj.io/web.kustomize.image-name": "app",
                    "argocd-image-updater.argoproj.io/write-back-method": "git:secret:git",
                    "argocd-image-updater.argoproj.io/write-back-target": "kustomization",
                }},
                "spec": {"source": {
                    "repoURL": scene.git.url("env"), "path": "overlays/prod",
                    "targetRevision": "main",
                }},
                "status": {"sourceType": "Kustomize", "summary": {"images": [
                    format!("{}/team/app:1.0.0", scene.registry.host()),
                ]}},
            },
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}},
        ]}),
    );
    // Registries of tests speak plain HTTP, and annotations can't say so.
    let conf = format!(
        "registries:\n- name: test\n  api_url: http://{0}\n  prefix: {0}\n",
        scene.registry.host()
    );
    std::fs::write(scene.folder.path().join("registries.conf"), conf).expect("it can be written");
    let flags = ["-f", "objects", "--registries-conf-path", "registries.conf"];
    let ran = scene.run(&[&["apply"], &flags[..]].concat());
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), "note: not looked at: 1 Deployment\n"),
        "{ran:?}"
    );
    assert!(
        scene.file(FILE).contains("newTag: 1.1.0"),
        "{}",
        scene.file(FILE)
    );
    let author = || {
        let log = scene.git.log("env", "main").expect("there is a log");
        log[0].author.clone()
    };
    assert_eq!(author(), "argocd-image-updater <noreply@argoproj.io>");

    // As the operator, it takes the old updater's settings, and its own flags before them.
    let pushed = scene.registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    let own = ["--git-commit-email", "own@example.org"];
    let variables = [
        ("GIT_COMMIT_USER", "Robot"),
        ("GIT_COMMIT_EMAIL", "old@example.org"),
    ];
    let ran = scene.run_with(&[&["apply"], &flags[..], &own].concat(), &variables);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(author(), "Robot <own@example.org>");
}

/// As it stands in git an Application has no status, and nothing tells what it runs.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_a_status_is_taken_for_running_its_images() {
    let scene = Scene::with_app().await;
    scene.object(
        "application",
        &json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop"},
            "spec": {"source": {
                "repoURL": scene.git.url("env"), "path": "overlays/prod", "targetRevision": "main",
            }},
        }),
    );
    let mut image = web();
    image["onlyLive"] = json!(true);
    let mut policy = scene.policy("shop", &image);
    policy["spec"]["applications"] = json!([{"name": "shop"}]);
    policy["spec"]["writeBack"]["git"]["targets"] = json!([{"kustomization": {"path": "."}}]);
    scene.object("policy", &policy);
    let ran = scene.run(&["plan", "-f", "objects"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.text().contains("+  newTag: 1.1.0"), "{ran:?}");
    assert!(
        ran.stderr
            .starts_with("warning: one Application has no status"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_there_is_a_failure() {
    let scene = Scene::with_app().await;
    let mut policy = scene.policy("shop", &web());
    policy["spec"]["writeBack"]["git"]["targets"] = json!([{"kustomization": {"path": "nope"}}]);
    scene.object("policy", &policy);
    for command in ["plan", "apply"] {
        let ran = scene.run(&[command, "-f", "objects"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let said = "error: policy argocd/shop: web: nope holds no kustomization";
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_an_application_are_planned_and_left_to_the_operator() {
    let scene = Scene::with_app().await;
    let mut image = web();
    image["kustomize"]["name"] = json!("team/app");
    let mut policy = scene.policy("shop", &image);
    policy["spec"]["applications"] = json!([{"name": "shop"}]);
    policy["spec"]["writeBack"] = json!({"argocd": {}});
    scene.object("policy", &policy);
    scene.object(
        "application",
        &json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop"},
            "spec": {"source": {
                "repoURL": scene.git.url("env"), "path": "overlays/prod",
                "kustomize": {"images": ["team/app:1.0.0"]},
            }},
        }),
    );
    let planned = scene.run(&["plan", "-f", "objects", "-ojson"]);
    assert_eq!(planned.code, Some(3), "{planned:?}");
    let application = &planned.json()["applications"][0];
    assert_eq!(application["namespace"], "argocd");
    assert_eq!(application["name"], "shop");
    let diff = application["diff"].as_str().unwrap_or_default();
    assert!(
        diff.contains('-') && diff.contains("team/app:1.1.0"),
        "{diff}"
    );

    let applied = scene.run(&["apply", "-f", "objects"]);
    assert_eq!(applied.code, Some(1), "{applied:?}");
    assert!(
        applied.stderr.contains("parameters are in a cluster"),
        "{applied:?}"
    );
}

/// What fails is told by its policy; the others are written.
#[tokio::test(flavor = "multi_thread")]
async fn one_failed_policy_does_not_keep_others_from_being_written() {
    let scene = Scene::with_app().await;
    scene.object("policy", &scene.policy("shop", &web()));
    let mut image = web();
    image["watchRef"]["name"] = json!("none");
    image["kustomize"]["name"] = json!("none");
    scene.object("broken", &scene.policy("broken", &image));
    let planned = scene.run(&["plan", "-f", "objects"]);
    assert_eq!(planned.code, Some(1), "{planned:?}");
    assert!(planned.text().contains("+  newTag: 1.1.0"), "{planned:?}");
    let applied = scene.run(&["apply", "-f", "objects"]);
    assert_eq!(applied.code, Some(1), "{applied:?}");
    assert_eq!(
        applied.stderr,
        "error: policy argocd/broken: ImageWatch none is not there\nerror: one policy failed\n"
    );
    assert!(scene.file(FILE).contains("newTag: 1.1.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_files_are_refused_before_anything_is_asked() {
    let scene = Scene::with_app().await;
    let check = |policy: Value, said: &str| {
        scene.object("policy", &policy);
        let ran = scene.run(&["plan", "-f", "objects"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
        assert!(
            ran.stderr.contains("ImageUpdatePolicy argocd/shop"),
            "{ran:?}"
        );
    };
    let mut image = web();
    image["strategy"] = json!({});
    check(scene.policy("shop", &image), "strategy");
    let mut policy = scene.policy("shop", &web());
    policy["spec"]["images"] = json!("web");
    check(policy, "must be of type array");
    let mut policy = scene.policy("shop", &web());
    policy["spec"]["writeback"] = json!({});
    check(
        policy,
        "unknown field \"spec.writeback\": did you mean writeBack?",
    );
    let mut policy = scene.policy("shop", &web());
    policy["kind"] = json!("ImageUpdatePolcy");
    scene.object("policy", &policy);
    let ran = scene.run(&["plan", "-f", "objects"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stderr.contains("has no kind \"ImageUpdatePolcy\""),
        "{ran:?}"
    );
    assert_eq!(scene.git.requests(), 0);
}
