//! Credentials that Argo CD has: whose they are, and what for.

use image_update_testkit::registry::Registry;
use image_update_testkit::ssh_server::{KeyFormat, KeyType, SshServer, UserKey};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use super::main_job::semver;
use crate::world::{GIT_PASSWORD, GIT_USER, World, kustomization};

const FILE: &str = "overlays/prod/kustomization.yaml";

/// A world with an image at 1.0.0, watched, and a repository `env` at 0.9.0.
async fn world() -> (World, Registry) {
    let world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    let pushed = registry.push("team/app", "1.0.0").await;
    pushed.expect("the image is pushed");
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "0.9.0");
    let made = world
        .git
        .create_repository("env", &[(FILE, file.as_bytes())]);
    made.expect("the repository is made");
    world.watch("app", json!({"image": image})).await;
    (world, registry)
}

async fn create<K>(world: &World, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + serde::de::DeserializeOwned
        + serde::Serialize
        + Clone
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).expect("an object of its kind");
    let created = world
        .api::<K>()
        .create(&PostParams::default(), &object)
        .await;
    created.expect("the object can be created");
}

/// A Secret as Argo CD has it.
async fn repository_secret(world: &World, name: &str, kind: &str, data: Value) {
    let labels = json!({"argocd.argoproj.io/secret-type": kind});
    let metadata = json!({"name": name, "labels": labels});
    create::<Secret>(world, json!({"metadata": metadata, "stringData": data})).await;
}

/// A template for the whole server of the world, and the server's authority.
pub(super) async fn template(world: &World) {
    let url = world.git.url("");
    let url = url.trim_end_matches("/.git");
    let data = json!({"url": url, "username": GIT_USER, "password": GIT_PASSWORD});
    repository_secret(world, "server", "repo-creds", data).await;
    let ca = world.git.ca_pem().expect("the git server has TLS");
    let map = json!({
        "metadata": {"name": "argocd-tls-certs-cm"},
        "data": {"127.0.0.1": ca},
    });
    create::<ConfigMap>(world, map).await;
}

/// Applies an object of Argo CD's.
pub(super) async fn apply(world: &World, kind: &str, plural: &str, name: &str, spec: Value) {
    let resource = ApiResource {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    let object = json!({
        "apiVersion": resource.api_version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.kube.clone(), &world.namespace, &resource);
    let applied = api
        .patch(name, &PatchParams::apply("test"), &Patch::Apply(&object))
        .await;
    applied.expect("the API server takes the object");
}

/// A policy for `repository`, or for the Applications of the world.
async fn policy(world: &World, name: &str, repository: Option<&str>) {
    let path = if repository.is_some() {
        "overlays/prod"
    } else {
        "."
    };
    let mut spec = json!({
        "interval": "30s",
        "images": semver("app", "*"),
        "writeBack": {"git": {
            "credentials": {"argocd": {}},
            "targets": [{"kustomization": {"path": path}}],
        }},
    });
    match repository {
        Some(repository) => spec["writeBack"]["git"]["repository"] = json!(repository),
        None => spec["applications"] = json!([{"name": name}]),
    }
    world.apply("ImageUpdatePolicy", name, spec).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_argo_cds_namespace_writes_as_argo_cd() {
    let (mut world, _registry) = world().await;
    template(&world).await;
    let flag = format!("--argocd-namespace={}", world.namespace);
    world.flag(&flag);
    let url = world.git.url("env");
    policy(&world, "app", Some(&url)).await;
    // The template's host is the beginning of this one's, and its credential not for it.
    policy(&world, "other", Some("https://127.0.0.1.evil.example/env")).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    let message = world.policy_becomes("other", "SecretNotFound").await;
    assert!(
        message.contains("Argo CD has no repository Secret for https://127.0.0.1.evil.example"),
        "{message}"
    );
    world.git.fsck("env").expect("the repository is sound");
    let shown = format!("{:?}{}", world.policy_status("app").await, world.logs());
    assert!(!shown.contains(GIT_PASSWORD), "a password is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_over_ssh_is_verified_by_argo_cds_known_hosts() {
    let (mut world, _registry) = world().await;
    let ssh = SshServer::builder().start(&world.git).await;
    let ssh = ssh.expect("sshd starts");
    let key = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "");
    let key = key.expect("a key is made");
    ssh.authorize(&key, "").expect("the key is let in");
    let url = ssh.url("env");
    let data = json!({"type": "git", "url": url, "sshPrivateKey": key.private});
    repository_secret(&world, "env", "repository", data).await;
    let known_hosts = ssh.known_hosts(KeyType::Ed25519).expect("a line");
    let map = json!({
        "metadata": {"name": "argocd-ssh-known-hosts-cm"},
        "data": {"ssh_known_hosts": known_hosts},
    });
    create::<ConfigMap>(&world, map).await;
    let flag = format!("--argocd-namespace={}", world.namespace);
    world.flag(&flag);
    policy(&world, "app", Some(&url)).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    assert_eq!(world.git.requests(), 0, "nothing went over HTTPS");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_other_namespaces_need_a_flag_and_a_project_that_permits() {
    let argocd = World::start().await;
    let (mut team, _registry) = world().await;
    let url = team.git.url("env");
    // Argo CD's credential for the team's server.
    let prefix = url.trim_end_matches("/env.git");
    let data = json!({"url": prefix, "username": GIT_USER, "password": GIT_PASSWORD});
    repository_secret(&argocd, "server", "repo-creds", data).await;
    let ca = team.git.ca_pem().expect("the git server has TLS");
    let map = json!({
        "metadata": {"name": "argocd-tls-certs-cm"},
        "data": {"127.0.0.1": ca},
    });
    create::<ConfigMap>(&argocd, map).await;
    let everything = format!("{prefix}/*");
    for (project, source_repos, source_namespaces) in [
        ("open", json!([everything]), json!([team.namespace])),
        ("shut", json!([]), json!([team.namespace])),
        // That of others, which the team's Application says to be of.
        ("platform", json!([everything]), json!(["platform"])),
    ] {
        let spec = json!({"sourceRepos": source_repos, "sourceNamespaces": source_namespaces});
        apply(&argocd, "AppProject", "appprojects", project, spec).await;
        let source = json!({
            "repoURL": url, "path": "overlays/prod", "targetRevision": "main",
            // So that nobody need say what it is.
            "kustomize": {},
        });
        let spec = json!({
            "project": project,
            "destination": {"server": "x", "namespace": "y"},
            "source": source,
        });
        apply(&team, "Application", "applications", project, spec).await;
    }
    let flag = format!("--argocd-namespace={}", argocd.namespace);
    team.flag(&flag);
    policy(&team, "shut", None).await;
    team.start_operator();
    let message = team.policy_becomes("shut", "CredentialsDenied").await;
    assert!(message.contains("--argocd-credentials=all"), "{message}");
    team.kill_operator();

    team.flag("--argocd-credentials=all");
    team.start_operator();
    let words = format!("AppProject shut does not permit {url}");
    let probe = async || {
        let (_, _, message) = team.policy_ready("shut").await;
        let is_told = message.contains(&words);
        is_told.then_some(()).ok_or(message)
    };
    team.until(&words, probe).await;
    policy(&team, "platform", None).await;
    let message = team.policy_becomes("platform", "CredentialsDenied").await;
    let words = format!(
        "AppProject platform is not for Applications of namespace {}; add it to its \
         sourceNamespaces",
        team.namespace
    );
    assert!(message.contains(&words), "{message}");
    policy(&team, "direct", Some(&url)).await;
    let message = team.policy_becomes("direct", "CredentialsDenied").await;
    assert!(message.contains("policies with applications"), "{message}");
    assert!(team.kustomization().contains("newTag: 0.9.0"));
    for name in ["shut", "direct", "platform"] {
        let suspended = json!({"spec": {"suspend": true}});
        team.patch("ImageUpdatePolicy", name, suspended).await;
        team.policy_becomes(name, "Suspended").await;
    }

    policy(&team, "open", None).await;
    team.kustomization_says("newTag: 1.0.0").await;
}
