//! Applications with the predecessor's annotations: policies made of them, commits made of those.

mod cases;
mod every_form;
mod image_updaters;
mod old_event;
mod old_metrics;
mod old_settings;
mod old_updater;

use std::fs;
use std::time::Duration;

use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use image_update_testkit::registry::Registry;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::argocd_credentials::{apply, template};
use crate::world::World;

const PREFIX: &str = "argocd-image-updater.argoproj.io/";

/// What the operator logs when it has written policies of Applications.
const WROTE: &str = "Wrote the policies";

/// A world in whose namespace Argo CD is, with a registry and annotated Applications.
struct Legacy {
    world: World,
    registry: Registry,
    _conf: TempDir,
}

impl Legacy {
    /// With 1.0.0 and 1.1.0 of `team/app`, and `files` in the repository `env`.
    async fn start(files: &[(&str, &str)]) -> Self {
        let mut world = World::start().await;
        let registry = Registry::start().await.expect("the registry starts");
        for tag in ["1.0.0", "1.1.0"] {
            let pushed = registry.push("team/app", tag).await;
            pushed.expect("the image is pushed");
        }
        let files = files.iter().map(|(path, text)| (*path, text.as_bytes()));
        let files: Vec<_> = files.collect();
        let made = world.git.create_repository("env", &files);
        made.expect("the repository is made");
        // No annotation says that a registry speaks plain HTTP.
        let conf = tempfile::tempdir().expect("a folder can be made");
        let path = conf.path().join("registries.conf");
        let host = registry.host();
        let text =
            format!("registries:\n- name: test\n  prefix: {host}\n  api_url: http://{host}\n");
        fs::write(&path, text).expect("the file can be written");
        world.flag(&format!("--registries-conf-path={}", path.display()));
        let flag = format!("--argocd-namespace={}", world.namespace);
        world.flag(&flag);
        world.flag("--interval=10s");
        Self {
            world,
            registry,
            _conf: conf,
        }
    }

    fn image(&self) -> String {
        format!("{}/team/app", self.registry.host())
    }

    fn applications(&self) -> Api<DynamicObject> {
        self.applications_of(&self.world.namespace)
    }

    fn applications_of(&self, namespace: &str) -> Api<DynamicObject> {
        applications_of(&self.world.kube, namespace)
    }

    /// Applies an Application whose source is the folder of its name, of this type. Annotations that
    /// it had before and has no more go.
    async fn application(&self, name: &str, source_type: &str, annotations: &[(&str, &str)]) {
        let object = self.object(name, source_type, annotations);
        let parameters = PatchParams::apply("test");
        let applied = self
            .applications()
            .patch(name, &parameters, &Patch::Apply(&object))
            .await;
        applied.expect("the API server takes the Application");
    }

    fn object(&self, name: &str, source_type: &str, annotations: &[(&str, &str)]) -> Value {
        let annotations = annotations.iter();
        let annotations: serde_json::Map<String, Value> = annotations
            .map(|(key, value)| (format!("{PREFIX}{key}"), json!(value)))
            .collect();
        json!({
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
            "status": {
                "sourceType": source_type,
                "summary": {"images": [format!("{}:1.0.0", self.image())]},
            },
        })
    }

    /// An Application whose kustomization is written as the Secret `git`.
    async fn kustomized(&self, name: &str, more: &[(&str, &str)]) {
        let list = format!("web={}", self.image());
        let mut annotations = vec![
            ("write-back-method", "git:secret:git"),
            ("write-back-target", "kustomization"),
        ];
        if !more.iter().any(|(key, _)| *key == "image-list") {
            annotations.push(("image-list", &list));
        }
        annotations.extend(more);
        self.application(name, "Kustomize", &annotations).await;
    }

    async fn policy(&self, name: &str) -> Option<ImageUpdatePolicy> {
        let found = self.world.api().get_opt(name).await;
        found.expect("policies can be read")
    }

    async fn watches(&self) -> Vec<ImageWatch> {
        let found = self.world.api().list(&ListParams::default()).await;
        found.expect("watches can be read").items
    }

    /// Waits until the policy is as `wanted` says.
    async fn policy_is(&self, name: &str, wanted: impl Fn(&ImageUpdatePolicy) -> bool) {
        let what = format!("policy {name}");
        let probe = async || match self.policy(name).await {
            Some(policy) if wanted(&policy) => Ok(()),
            found => Err(format!("{:?}", found.map(|it| it.spec))),
        };
        self.world.until(&what, probe).await;
    }

    /// Waits until there is no policy of the name, and so many watches.
    async fn policy_is_gone(&self, name: &str, watches_left: usize) {
        let what = format!("no policy {name} and {watches_left} watches");
        let probe = async || {
            let watches = self.watches().await.len();
            match self.policy(name).await {
                None if watches == watches_left => Ok(()),
                found => Err(format!(
                    "{} policies, {watches} watches",
                    found.iter().len()
                )),
            }
        };
        self.world.until(&what, probe).await;
    }

    /// The notes of the events with a reason on an object.
    async fn notes(&self, kind: &str, name: &str, reason: &str) -> Vec<String> {
        let events = self.world.api::<Event>().list(&ListParams::default()).await;
        let events = events.expect("events can be listed");
        let is_meant = |event: &Event| {
            let regarding = event.regarding.clone().unwrap_or_default();
            event.reason.as_deref() == Some(reason)
                && regarding.kind.as_deref() == Some(kind)
                && regarding.name.as_deref() == Some(name)
        };
        let events = events.items.into_iter().filter(is_meant);
        events.filter_map(|event| event.note).collect()
    }

    /// Waits for an event with a reason on an object, and returns its note.
    async fn note(&self, kind: &str, name: &str, reason: &str) -> String {
        let what = format!("event {reason} on {kind} {name}");
        let probe = async || {
            let mut notes = self.notes(kind, name, reason).await;
            notes.pop().ok_or_else(|| "no event".to_owned())
        };
        self.world.until(&what, probe).await
    }

    /// Waits until the tag in the Application's kustomization is this one.
    async fn tag_becomes(&self, application: &str, tag: &str) {
        let file = format!("{application}/kustomization.yaml");
        let expected = self.kustomization(tag);
        self.world.file_becomes(&file, &expected).await;
    }

    fn kustomization(&self, tag: &str) -> String {
        kustomization(&self.registry, tag)
    }
}

fn applications_of(kube: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Application".to_owned(),
        plural: "applications".to_owned(),
    };
    Api::namespaced_with(kube.clone(), namespace, &resource)
}

fn kustomization(registry: &Registry, tag: &str) -> String {
    let image = format!("{}/team/app", registry.host());
    format!("images:\n- name: {image}\n  newTag: {tag}\n")
}

/// A world with a kustomization of `team/app` at 1.0.0 for each of the Applications.
async fn with_kustomizations(names: &[&str]) -> Legacy {
    let legacy = Legacy::start(&[("README.md", "")]).await;
    let text = legacy.kustomization("1.0.0");
    let paths = names.iter();
    let paths: Vec<String> = paths.map(|it| format!("{it}/kustomization.yaml")).collect();
    let files: Vec<_> = paths
        .iter()
        .map(|path| (path.as_str(), text.as_bytes()))
        .collect();
    let committed = legacy.world.git.commit("env", "main", &files, "Start");
    committed.expect("the files are committed");
    legacy
}

#[tokio::test(flavor = "multi_thread")]
async fn annotated_applications_are_written_as_they_say_and_share_a_watch() {
    let mut legacy = Legacy::start(&[("chart/Chart.yaml", "name: chart\n")]).await;
    let image = legacy.image();
    let values = format!("# kept\nimage:\n  name: {image}\n  tag: 1.0.0\n");
    let files = [
        (
            "kustomized/kustomization.yaml",
            legacy.kustomization("1.0.0"),
        ),
        ("helm/values.yaml", values.clone()),
    ];
    let files = files
        .each_ref()
        .map(|(path, text)| (*path, text.as_bytes()));
    let committed = legacy.world.git.commit("env", "main", &files, "Start");
    committed.expect("the files are committed");

    legacy.kustomized("kustomized", &[]).await;
    let list = format!("web={image}:~1");
    let git = ("write-back-method", "git:secret:git");
    let list = ("image-list", list.as_str());
    let target = ("write-back-target", "helmvalues");
    legacy
        .application("helm", "Helm", &[list, git, target])
        .await;
    legacy.application("chart", "Helm", &[list, git]).await;
    legacy.application("live", "Helm", &[list]).await;
    legacy.application("foreign", "Helm", &[]).await;
    legacy.world.start_operator();

    legacy.tag_becomes("kustomized", "1.1.0").await;
    let written = values.replace("1.0.0", "1.1.0");
    legacy
        .world
        .file_becomes("helm/values.yaml", &written)
        .await;
    let overrides = format!(
        "helm:\n  parameters:\n  - name: image.name\n    value: {image}\n    forceString: true\n  \
         - name: image.tag\n    value: 1.1.0\n    forceString: true\n"
    );
    let path = "chart/.argocd-source-chart.yaml";
    legacy.world.file_becomes(path, &overrides).await;
    let probe = async || {
        let found = legacy.applications().get("live").await;
        let found = found.map_err(|error| error.to_string())?;
        let found = &found.data["spec"]["source"]["helm"]["parameters"];
        let expected = json!([
            {"name": "image.name", "value": image, "forceString": true},
            {"name": "image.tag", "value": "1.1.0", "forceString": true},
        ]);
        let is_written = *found == expected;
        is_written.then_some(()).ok_or_else(|| found.to_string())
    };
    legacy.world.until(&"the Application", probe).await;

    let watches = legacy.watches().await;
    assert_eq!(watches.len(), 1, "they share it: {watches:?}");
    assert_eq!(watches[0].spec.interval, "10s");
    assert_eq!(
        watches[0].labels()["image-update.dev/origin"],
        "annotations"
    );
    assert!(watches[0].owner_references().is_empty());
    let policy = legacy.policy("helm").await.expect("it is there");
    assert_eq!(policy.labels()["image-update.dev/origin"], "annotations");
    let application = legacy
        .applications()
        .get("helm")
        .await
        .expect("it is there");
    let owner = &policy.owner_references()[0];
    assert_eq!(Some(&owner.uid), application.metadata.uid.as_ref());
    assert!(legacy.policy("foreign").await.is_none());
    let log = legacy.world.git.log("env", "main").expect("there is a log");
    assert!(
        log[0].author.starts_with("argocd-image-updater"),
        "{}",
        log[0].author
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_that_change_are_followed_until_they_go() {
    let mut legacy = with_kustomizations(&["one", "two"]).await;
    let list = format!("web={}:1.0.x", legacy.image());
    legacy
        .kustomized(
            "one",
            &[("image-list", &list), ("web.ignore-tags", "*-rc*")],
        )
        .await;
    legacy.kustomized("two", &[]).await;
    legacy.world.start_operator();
    legacy.tag_becomes("two", "1.1.0").await;
    legacy.world.policy_becomes("one", "Succeeded").await;
    legacy.tag_becomes("one", "1.0.0").await;

    legacy.kustomized("one", &[]).await;
    legacy.tag_becomes("one", "1.1.0").await;
    let one = legacy.policy("one").await.expect("it is there");
    assert!(
        one.spec.images[0]
            .tags
            .as_ref()
            .is_none_or(|tags| tags.ignore.is_empty()),
        "{one:?}"
    );

    // The watch stays while the other needs it.
    legacy.application("one", "Kustomize", &[]).await;
    legacy.policy_is_gone("one", 1).await;
    let deleted = legacy
        .applications()
        .delete("two", &DeleteParams::default())
        .await;
    deleted.expect("the Application can be deleted");
    legacy.policy_is_gone("two", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_person_is_never_touched() {
    let mut legacy = with_kustomizations(&["own", "taken"]).await;
    let images = json!([{
        "alias": "mine", "image": "registry.invalid/mine", "strategy": {"semver": {}},
    }]);
    legacy
        .world
        .policy("own", images, json!({"suspend": true}))
        .await;
    let before = legacy.policy("own").await.expect("it is there");
    legacy.kustomized("own", &[]).await;
    legacy.kustomized("taken", &[]).await;
    legacy.world.start_operator();
    legacy.tag_becomes("taken", "1.1.0").await;

    // Who takes the label off owns the policy, and the watch with it.
    let taken = json!({"metadata": {"labels": null, "ownerReferences": null}});
    legacy
        .world
        .patch("ImageUpdatePolicy", "taken", taken)
        .await;
    legacy.application("taken", "Kustomize", &[]).await;
    legacy.application("own", "Kustomize", &[]).await;
    legacy.kustomized("later", &[]).await;
    legacy.policy_is("later", |_| true).await;
    legacy.application("later", "Kustomize", &[]).await;
    legacy.policy_is_gone("later", 1).await;

    let own = legacy.policy("own").await.expect("it is there");
    assert_eq!(own.spec, before.spec);
    assert!(own.labels().is_empty() && own.owner_references().is_empty());
    assert!(legacy.policy("taken").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_it_already_is_not_written_again_even_after_a_restart() {
    let mut legacy = with_kustomizations(&["one", "two", "late"]).await;
    // Only the end of a log is kept.
    let level = "--log-level=off,image_update_operator::controller::legacy=info";
    legacy.world.flag(level);
    legacy.kustomized("one", &[]).await;
    // Told once, and it has a policy all the same.
    legacy
        .kustomized("two", &[("nobody.update-strategy", "digest")])
        .await;
    legacy.world.start_operator();
    legacy.tag_becomes("one", "1.1.0").await;
    legacy.tag_becomes("two", "1.1.0").await;
    legacy
        .note("Application", "two", "InvalidAnnotations")
        .await;
    legacy.world.kill_operator();
    let told = legacy
        .world
        .logs()
        .matches("nobody.update-strategy")
        .count();
    assert_eq!(told, 1, "{}", legacy.world.logs());
    let wrote = legacy.world.logs().matches(WROTE).count();

    legacy.world.start_operator();
    // News of the Application that its policy does not depend on.
    let other = json!({"status": {"sourceType": "Kustomize", "summary": {"images": ["x:1"]}}});
    let patched = legacy
        .applications()
        .patch("one", &PatchParams::default(), &Patch::Merge(&other))
        .await;
    patched.expect("the API server takes the patch");
    legacy.kustomized("late", &[]).await;
    legacy.tag_becomes("late", "1.1.0").await;
    let logs = legacy.world.logs();
    assert_eq!(logs.matches(WROTE).count(), wrote + 1, "{logs}");
    assert_eq!(
        logs.matches("nobody.update-strategy").count(),
        told,
        "{logs}"
    );

    // What somebody else changes is put right, and what somebody deletes comes back.
    let changed = json!({"spec": {"dryRun": true}});
    legacy
        .world
        .patch("ImageUpdatePolicy", "one", changed)
        .await;
    legacy.policy_is("one", |policy| !policy.spec.dry_run).await;
    let watch = legacy.watches().await[0].name_any();
    let watches: Api<ImageWatch> = legacy.world.api();
    let deleted = watches.delete(&watch, &DeleteParams::default()).await;
    deleted.expect("the watch can be deleted");
    let probe = async || {
        let watches = legacy.watches().await.len();
        (watches == 1)
            .then_some(())
            .ok_or_else(|| watches.to_string())
    };
    legacy.world.until(&"the watch", probe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_told_on_the_application_and_disturbs_nobody_else() {
    let mut legacy = with_kustomizations(&["bad", "good"]).await;
    let list = format!("web={},typo={0}", legacy.image());
    let typo = ("typo.update-strategy", "newest");
    legacy
        .kustomized("bad", &[("image-list", &list), typo])
        .await;
    legacy.kustomized("good", &[]).await;
    legacy
        .kustomized("hopeless", &[("write-back-method", "svn")])
        .await;
    legacy.world.start_operator();

    legacy.tag_becomes("good", "1.1.0").await;
    legacy.tag_becomes("bad", "1.1.0").await;
    let note = legacy
        .note("Application", "bad", "InvalidAnnotations")
        .await;
    assert!(
        note.contains("/typo.update-strategy:1: ") && note.contains("newest-build"),
        "{note}"
    );
    let note = legacy
        .note("Application", "hopeless", "InvalidAnnotations")
        .await;
    assert!(note.contains("is not a way to write back"), "{note}");
    assert!(legacy.policy("hopeless").await.is_none());
    assert!(
        legacy
            .notes("Application", "good", "InvalidAnnotations")
            .await
            .is_empty()
    );

    // Nothing is written by what the annotations said before.
    legacy
        .kustomized("good", &[("write-back-target", "kustomization:../..")])
        .await;
    legacy.world.policy_becomes("good", "Suspended").await;
    let problem = async || {
        let status = legacy.world.policy_status("good").await;
        let mut conditions = status.conditions.into_iter();
        let found = conditions.find(|it| it.type_ == "InvalidAnnotations");
        found.map(|it| it.message)
    };
    let message = problem().await.expect("the policy says why");
    assert!(message.contains("/write-back-target:1: "), "{message}");
    legacy.kustomized("good", &[]).await;
    legacy.world.policy_becomes("good", "Succeeded").await;
    assert_eq!(problem().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cds_own_credentials_serve_as_they_did() {
    let mut legacy = with_kustomizations(&["plain", "spelled"]).await;
    template(&legacy.world).await;
    let spec = json!({"sourceRepos": ["*"]});
    apply(&legacy.world, "AppProject", "appprojects", "default", spec).await;
    let git = ("write-back-method", "git");
    legacy.kustomized("plain", &[git]).await;
    let git = ("write-back-method", "git:repocreds");
    legacy.kustomized("spelled", &[git]).await;
    legacy.world.start_operator();
    legacy.tag_becomes("plain", "1.1.0").await;
    legacy.tag_becomes("spelled", "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_of_other_namespaces_are_converted_if_they_are_named() {
    let mut legacy = with_kustomizations(&["here"]).await;
    let team = World::start().await;
    legacy
        .world
        .flag(&format!("--watch-namespaces={}", team.namespace));
    let image = legacy.image();
    let there = legacy.applications_of(&team.namespace);
    let list = format!("web={image}");
    let object = legacy.object("there", "Helm", &[("image-list", &list)]);
    let parameters = PatchParams::apply("test");
    let applied = there
        .patch("there", &parameters, &Patch::Apply(&object))
        .await;
    applied.expect("the API server takes the Application");
    legacy.kustomized("here", &[]).await;
    legacy.world.start_operator();
    legacy.tag_becomes("here", "1.1.0").await;
    let policies: Api<ImageUpdatePolicy> = team.api();
    let found = policies.get_opt("there").await;
    assert!(found.expect("policies can be read").is_none());
    legacy.world.kill_operator();

    legacy
        .world
        .flag(&format!("--application-namespaces={}", team.namespace));
    legacy.world.start_operator();
    let probe = async || {
        let found = there.get("there").await;
        let found = found.map_err(|error| error.to_string())?;
        let found = &found.data["spec"]["source"]["helm"]["parameters"][1]["value"];
        (*found == "1.1.0")
            .then_some(())
            .ok_or_else(|| found.to_string())
    };
    legacy.world.until(&"the Application", probe).await;
    let watches: Api<ImageWatch> = team.api();
    let watches = watches.list(&ListParams::default()).await;
    assert_eq!(watches.expect("they can be listed").items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_left_alone_if_they_are_turned_off() {
    let mut legacy = with_kustomizations(&["app"]).await;
    legacy.kustomized("app", &[]).await;
    legacy.world.flag("--legacy-annotations=false");
    legacy.world.start_operator();
    legacy
        .world
        .watch("app", json!({"image": legacy.image()}))
        .await;
    legacy.world.watch_becomes("app", "Succeeded").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(legacy.policy("app").await.is_none());
}
