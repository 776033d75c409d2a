//! Credentials that are in no Secret: from the environment, from docker's configuration and from git's
//! helpers, each for its host only.

use std::os::unix::fs::PermissionsExt as _;

use image_update_testkit::git_server::GitServer;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use super::{FILE, Scene, web};
use crate::cli::Ran;
use crate::world::{GIT_PASSWORD, GIT_USER, kustomization};

const REGISTRY_PASSWORD: &str = "registry-pa55word-never-shown";

/// A scene whose git server and registry want credentials, and whose Secret has none.
async fn locked() -> Scene {
    let file = kustomization("app", "1.0.0");
    let mut scene = Scene::start(&[(FILE, file.as_bytes())]).await;
    let registry = Registry::builder().htpasswd("puller", REGISTRY_PASSWORD);
    scene.registry = registry.start().await.expect("the registry starts");
    for tag in ["1.0.0", "1.1.0"] {
        let pushed = scene.registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
    }
    scene.object("secret", &scene.secret(false));
    let mut watch = scene.watch();
    // It is in no file.
    watch["spec"]["secretRef"] = json!({"name": "regcred"});
    scene.object("watch", &watch);
    scene.object("policy", &scene.policy("shop", &web()));
    scene
}

impl Scene {
    /// The host of the git server, as helpers know it.
    fn git_host(&self) -> String {
        let url = self.git.url("env");
        let rest = url.strip_prefix("https://").expect("it has TLS");
        rest.split('/').next().unwrap_or_default().to_owned()
    }

    /// Writes a program into `bin`.
    fn program(&self, name: &str, script: &str) {
        let folder = self.folder.path().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("it can be made a program");
    }

    fn path(&self) -> String {
        let bin = self.folder.path().join("bin");
        format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display())
    }

    /// Whether the update went through, with nothing of the credentials said.
    #[track_caller]
    fn wrote(&self, ran: &Ran) {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(self.file(FILE).contains("newTag: 1.1.0"), "{ran:?}");
        assert!(!format!("{ran:?}").contains(REGISTRY_PASSWORD), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_has_a_credential_for_each_host() {
    let scene = locked().await;
    let (registry, git) = (scene.registry.host(), scene.git_host());
    let pulls = format!("puller:{REGISTRY_PASSWORD}");
    let pushes = format!("{GIT_USER}:{GIT_PASSWORD}");
    let variables = [("PULLS", pulls.as_str()), ("PUSHES", pushes.as_str())];
    let flags = |registry: &str, git: &str| {
        let registry = format!("--registry-credentials={registry}=env:PULLS");
        [registry, format!("--git-credentials={git}=env:PUSHES")]
    };
    // What is for another host is not shown to this one.
    let [others, git_flag] = flags("registry.example", &git);
    let ran = scene.run_with(&["apply", "-f", "objects", &others, &git_flag], &variables);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let [own, others] = flags(&registry, "git.example");
    let ran = scene.run_with(&["apply", "-f", "objects", &own, &others], &variables);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(scene.git.authorized_requests(), 0);

    let [own, git_flag] = flags(&registry, &git);
    let ran = scene.run_with(&["apply", "-f", "objects", &own, &git_flag], &variables);
    scene.wrote(&ran);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_helpers_of_docker_and_git_are_asked_about_their_hosts_only() {
    let scene = locked().await;
    let (registry, git) = (scene.registry.host(), scene.git_host());
    scene.program(
        "docker-credential-test",
        &format!(
            "read host; echo \"docker $1 $host\" >> asked\n\
             echo '{{\"ServerURL\":\"{registry}\",\"Username\":\"puller\",\
             \"Secret\":\"{REGISTRY_PASSWORD}\"}}'"
        ),
    );
    let docker = scene.folder.path().join(".docker");
    std::fs::create_dir_all(&docker).expect("a folder can be made");
    let config = json!({"credHelpers": {registry.as_str(): "test"}, "credsStore": "none"});
    std::fs::write(docker.join("config.json"), config.to_string()).expect("it can be written");
    scene.program(
        "git-credential-test",
        &format!(
            "test \"$1\" = get || exit 0\nsed 's/^/git /' >> asked\n\
             echo username={GIT_USER}\necho password={GIT_PASSWORD}"
        ),
    );
    let gitconfig = "[credential]\n\thelper = test\n";
    std::fs::write(scene.folder.path().join(".gitconfig"), gitconfig).expect("it can be written");

    let path = scene.path();
    let refused = ["apply", "-f", "objects", "--no-user-credentials"];
    let ran = scene.run_with(&refused, &[("PATH", &path)]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran = scene.run_with(&["apply", "-f", "objects"], &[("PATH", &path)]);
    scene.wrote(&ran);
    let asked = std::fs::read_to_string(scene.folder.path().join("asked"));
    let asked = asked.expect("both were asked");
    assert!(
        asked.contains(&format!("docker get {registry}\n")),
        "{asked}"
    );
    assert!(asked.contains(&format!("git host={git}\n")), "{asked}");
    let hosts = asked
        .lines()
        .filter(|it| it.starts_with("docker") || it.contains("host="));
    let is_known = |line: &str| line.ends_with(&registry) || line.ends_with(&git);
    assert!(hosts.clone().all(is_known), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_goes_to_one_server_unless_it_says_where_it_belongs() {
    let scene = Scene::with_app().await;
    let evil = GitServer::builder()
        .tls()
        .basic_auth(GIT_USER, GIT_PASSWORD);
    let evil = evil.start().await.expect("the git server starts");
    let items: Vec<Value> = [("shop", &scene.git), ("evil", &evil)]
        .iter()
        .map(|(name, server)| {
            json!({
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name},
                "spec": {"source": {
                    "repoURL": server.url("env"), "path": "overlays/prod",
                    "targetRevision": "main",
                }},
                "status": {"sourceType": "Kustomize"},
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    scene.object("applications", &list);
    let mut policy = scene.policy("shop", &web());
    policy["spec"]["applications"] = json!([{"name": "*"}]);
    let git = &mut policy["spec"]["writeBack"]["git"];
    git["repository"] = Value::Null;
    git["insecure"] = json!(true);
    git["targets"] = json!([{"kustomization": {"path": "."}}]);
    scene.object("policy", &policy);
    let ran = scene.run(&["apply", "-f", "objects"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("add key url to the Secret"), "{ran:?}");
    assert_eq!(scene.git.requests() + evil.requests(), 0);

    let mut secret = scene.secret(true);
    let url = scene.git.url("");
    secret["stringData"]["url"] = json!(url.trim_end_matches("/.git"));
    scene.object("secret", &secret);
    let ran = scene.run(&["apply", "-f", "objects"]);
    assert!(
        ran.stderr.contains("not below the Secret's key url"),
        "{ran:?}"
    );
    assert!(scene.file(FILE).contains("newTag: 1.1.0"), "{ran:?}");
    assert_eq!(evil.requests(), 0);
}

/// A helper that knows nothing is no failure of its own: the server says what it wants.
#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_fails_leaves_it_to_the_server() {
    let scene = locked().await;
    let docker = scene.folder.path().join("docker");
    std::fs::create_dir_all(&docker).expect("a folder can be made");
    let config = json!({"credsStore": "broken"}).to_string();
    std::fs::write(docker.join("config.json"), config).expect("it can be written");
    scene.program(
        "docker-credential-broken",
        "echo credentials not found; exit 1",
    );
    let folder = docker.display().to_string();
    let path = scene.path();
    let variables = [("PATH", path.as_str()), ("DOCKER_CONFIG", &folder)];
    let ran = scene.run_with(&["plan", "-f", "objects"], &variables);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("has nothing for"), "{ran:?}");
    assert!(ran.stderr.contains("error: policy argocd/shop"), "{ran:?}");
}
