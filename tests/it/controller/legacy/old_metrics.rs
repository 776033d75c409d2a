//! The old updater's metrics, compared with what the servers say that happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use image_update_testkit::faulty_registry::FaultyRegistry;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PREFIX, applications_of};
use crate::controller::metrics::Pages;
use crate::world::World;

const APPLICATIONS: &str = "argocd_image_updater_applications_watched_total";
const IMAGES: &str = "argocd_image_updater_images_watched_total";
const UPDATED: &str = "argocd_image_updater_images_updated_total";
const ERRORS: &str = "argocd_image_updater_images_errors_total";
const UNWRITTEN: &str = "argocd_image_updater_images_updated_errors_total";
const REQUESTS: &str = "argocd_image_updater_registry_requests_total";
const FAILED: &str = "argocd_image_updater_registry_requests_failed_total";
const KUBERNETES: &str = "argocd_image_updater_k8s_api_requests_total";
const KUBERNETES_ERRORS: &str = "argocd_image_updater_k8s_api_errors_total";

/// The sum of the series of each of the names.
type Samples = BTreeMap<String, f64>;

/// A world whose operator is counted by the API server, the registry and git.
struct Counted {
    world: World,
    registry: FaultyRegistry,
    pages: Pages,
    /// The operator, as the API server has it.
    user: String,
    /// Where git notes the commit of each push that it refuses.
    refused: String,
    _folder: TempDir,
}

impl Counted {
    async fn start() -> Self {
        let mut world = World::start().await;
        let registry = FaultyRegistry::start().await.expect("a registry starts");
        registry.set_tags("org/app", ["1.0.0", "1.1.0"].map(str::to_owned));
        let files = [
            (
                "one/kustomization.yaml",
                kustomization(&registry, "org/app", "1.0.0"),
            ),
            (
                "two/kustomization.yaml",
                kustomization(&registry, "org/app", "1.1.0"),
            ),
        ];
        let files = files
            .each_ref()
            .map(|(path, text)| (*path, text.as_bytes()));
        let made = world.git.create_repository("env", &files);
        made.expect("the repository is made");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let conf = folder.path().join("registries.conf");
        let host = registry.host();
        let text = format!("registries:\n- name: r\n  prefix: {host}\n  api_url: http://{host}\n");
        fs::write(&conf, text).expect("a file can be written");
        let kubeconfig = folder.path().join("kubeconfig");
        let text = world
            .server
            .kubeconfig_with_token(&account(&world).await, &world.namespace)
            .expect("there is a kubeconfig");
        fs::write(&kubeconfig, text).expect("a file can be written");
        let namespace = &world.namespace;
        let user = format!("system:serviceaccount:{namespace}:operator");
        let (pages, flag) = Pages::with_flag();
        let flags = vec![
            flag,
            format!("--watch-namespaces={namespace}"),
            format!("--argocd-namespace={namespace}"),
            format!("--registries-conf-path={}", conf.display()),
            "--interval=10s".to_owned(),
        ];
        world.operate_as(kubeconfig, flags);
        let refused = folder.path().join("refused").display().to_string();
        Self {
            world,
            registry,
            pages,
            user,
            refused,
            _folder: folder,
        }
    }

    async fn application(&self, name: &str, images: Option<&str>) {
        let list = images.map(|images| images.replace("<host>", &self.registry.host()));
        let annotations = list.map(|list| {
            json!({
                format!("{PREFIX}image-list"): list,
                format!("{PREFIX}force-update"): "true",
                format!("{PREFIX}write-back-method"): "git:secret:git",
                format!("{PREFIX}write-back-target"): "kustomization",
            })
        });
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "project": "default",
                "destination": {"server": "x", "namespace": "y"},
                "source": {
                    "repoURL": self.world.git.url("env"), "path": name, "targetRevision": "main",
                },
            },
            "status": {"sourceType": "Kustomize"},
        });
        let applied = applications_of(&self.world.kube, &self.world.namespace)
            .patch(name, &PatchParams::apply("test"), &Patch::Apply(&object))
            .await;
        applied.expect("the API server takes the Application");
    }

    async fn scrape(&self) -> Result<Samples, String> {
        let mut sums = Samples::new();
        for (series, value) in self.pages.scrape().await? {
            let name = series.split('{').next().unwrap_or_default();
            *sums.entry(name.to_owned()).or_default() += value;
        }
        Ok(sums)
    }

    /// Waits until `truth` is the same before and after a scrape that says the same.
    async fn agree(&self, names: &[&str], truth: impl Fn(&Self) -> Vec<usize>) {
        let what = names.join(" and ");
        let probe = async || {
            let before = truth(self);
            let samples = self.scrape().await?;
            let said: Vec<String> = names.iter().map(|name| said(&samples, name)).collect();
            let expected: Vec<String> = before.iter().map(usize::to_string).collect();
            let is_at_rest = before == truth(self);
            (is_at_rest && said == expected)
                .then_some(())
                .ok_or_else(|| format!("{said:?}, not {expected:?}"))
        };
        self.world.until(&what, probe).await;
    }

    /// How many commits git has refused; one that was pushed again counts once.
    fn refusals(&self) -> usize {
        let noted = fs::read_to_string(&self.refused).unwrap_or_default();
        noted.lines().collect::<BTreeSet<_>>().len()
    }
}

/// A whole number as text; `None` of it is a metric that is not there.
fn said(samples: &Samples, name: &str) -> String {
    samples
        .get(name)
        .map_or_else(|| "nothing".to_owned(), f64::to_string)
}

fn kustomization(registry: &FaultyRegistry, image: &str, tag: &str) -> String {
    let host = registry.host();
    format!("images:\n- name: {host}/{image}\n  newTag: {tag}\n")
}

/// Makes a service account that may do everything in the namespace; returns its token.
async fn account(world: &World) -> String {
    let account = json!({"metadata": {"name": "operator"}});
    let binding = json!({
        "metadata": {"name": "operator"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
        },
        "subjects": [{
            "kind": "ServiceAccount", "name": "operator", "namespace": world.namespace,
        }],
    });
    let parameters = PostParams::default();
    let account = serde_json::from_value(account).expect("it is a ServiceAccount");
    let accounts = world.api::<ServiceAccount>();
    let created = accounts.create(&parameters, &account).await;
    created.expect("the account can be made");
    let binding = serde_json::from_value(binding).expect("it is a RoleBinding");
    let bindings = world.api::<RoleBinding>();
    let bound = bindings.create(&parameters, &binding).await;
    bound.expect("the binding can be made");
    let request: Value = json!({"spec": {"audiences": []}});
    let request: TokenRequest = serde_json::from_value(request).expect("it is a request");
    let answer = accounts.create_token_request("operator", &parameters, &request);
    let status = answer.await.expect("there is a token").status;
    status.expect("there is a token").token
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_metrics_say_what_happened() {
    let mut counted = Counted::start().await;
    counted.application("one", Some("web=<host>/org/app")).await;
    let list = "web=<host>/org/app:1.1.x, gone=<host>/org/gone";
    counted.application("two", Some(list)).await;
    counted.application("three", None).await;
    counted.world.start_operator();
    let updated = kustomization(&counted.registry, "org/app", "1.1.0");
    let world = &counted.world;
    world.file_becomes("one/kustomization.yaml", &updated).await;

    // Two of the three are annotated, with three images, of which one had a new tag and one can't be
    // listed.
    let known = [APPLICATIONS, IMAGES, UPDATED, UNWRITTEN];
    counted.agree(&known, |_| vec![2, 3, 1, 0]).await;
    let failed = async || {
        let errors = counted.scrape().await?.get(ERRORS).copied();
        let is_told = errors.is_some_and(|it| it >= 1.0);
        is_told.then_some(()).ok_or_else(|| format!("{errors:?}"))
    };
    world.until(&"the image that is not there", failed).await;

    // From here on nothing fails but pushes, which git counts.
    counted
        .application("two", Some("web=<host>/org/app:1.1.x"))
        .await;
    counted.agree(&[APPLICATIONS, IMAGES], |_| vec![2, 2]).await;
    for policy in ["one", "two"] {
        world.policy_becomes(policy, "Succeeded").await;
    }
    let before = counted.scrape().await.expect("the operator answers");
    let hook = format!(
        "#!/bin/sh\nwhile read old new ref; do echo $new >> {}; done\nexit 1\n",
        counted.refused
    );
    let installed = world.git.install_hook("env", "pre-receive", &hook);
    installed.expect("the hook is installed");
    let tags = ["1.0.0", "1.1.0", "1.2.0"].map(str::to_owned);
    counted.registry.set_tags("org/app", tags);
    world.policy_becomes("one", "PushRejected").await;
    counted
        .agree(&[UPDATED, UNWRITTEN], |it| vec![1, it.refusals()])
        .await;
    let after = async || {
        let samples = counted.scrape().await?;
        let more = samples[ERRORS] - before[ERRORS];
        let is_true = said(&samples, UNWRITTEN) == more.to_string();
        is_true.then_some(()).ok_or_else(|| more.to_string())
    };
    world
        .until(&"each refused push to be an error", after)
        .await;
    assert!(counted.refusals() > 0);

    counted
        .agree(&[REQUESTS, FAILED], |it| {
            let requests = it.registry.requests();
            let refused = requests.iter().filter(|it| it.path.contains("org/gone"));
            vec![it.registry.request_count(), refused.count()]
        })
        .await;
    counted
        .agree(&[KUBERNETES, KUBERNETES_ERRORS], |it| {
            let answers = it.world.server.answers(&it.user);
            let answers = answers.expect("there is a log");
            let refused = answers.iter().filter(|status| **status >= 400).count();
            vec![answers.len(), refused]
        })
        .await;
}
