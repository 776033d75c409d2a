//! Every form of every annotation at once, on real servers: what is written is what the files of
//! `tests/golden/legacy` say, and nothing else is, whichever way the annotations are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use image_update_testkit::registry::{PushOptions, Registry};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::argocd_credentials::{apply, template};
use super::cases::{self, Case, Files};
use super::{PREFIX, applications_of};
use crate::cli::run;
use crate::world::{GIT_PASSWORD, GIT_USER, World, resource};

/// What the registry that wants a login takes.
const LOGIN: (&str, &str) = ("puller", "pull-pa55word");

/// Who the old updater's commits were of.
const AUTHOR: &str = "argocd-image-updater <noreply@argoproj.io>";

/// The files of a branch.
type Branches = BTreeMap<(String, String), Files>;

/// A world with all cases, before anything is written.
struct Scene {
    world: World,
    registry: Registry,
    _locked: Registry,
    team: String,
    cases: Vec<Case>,
    /// What is in each branch before.
    before: Branches,
    _conf: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let mut world = World::start().await;
        let team = world.server.namespace("team").await;
        let team = team.expect("a namespace can be made");
        let registry = Registry::start().await.expect("the registry starts");
        let locked = Registry::builder().htpasswd(LOGIN.0, LOGIN.1).start().await;
        let locked = locked.expect("the registry starts");
        let digest = fill(&registry).await;
        for tag in ["1.0.0", "2.0.0"] {
            let pushed = locked.push("team/app", tag).await;
            pushed.expect("the image is pushed");
        }
        secrets(&world, &locked, &team).await;
        template(&world).await;
        let spec = json!({"sourceRepos": ["*"], "sourceNamespaces": [team]});
        apply(&world, "AppProject", "appprojects", "default", spec).await;

        let cases = cases::read(&[
            ("host", &registry.host()),
            ("locked", &locked.host()),
            ("digest", &digest),
            ("env", &world.git.url("env")),
            ("other", &world.git.url("other")),
            ("namespace", &world.namespace),
            ("team", &team),
        ]);
        let before = commit_before(&world, &cases);
        let conf = tempfile::tempdir().expect("a folder can be made");
        configure(&mut world, &conf, &[&registry, &locked], &team);
        Self {
            world,
            registry,
            _locked: locked,
            team,
            cases,
            before,
            _conf: conf,
        }
    }

    fn object(&self, case: &Case) -> Value {
        let mut object = case.object(&self.registry.host(), &self.world.git.url("env"));
        object["metadata"]["namespace"] = json!(self.namespace(case));
        object
    }

    fn namespace<'a>(&'a self, case: &'a Case) -> &'a str {
        let own = case.namespace.as_deref();
        own.unwrap_or(&self.world.namespace)
    }

    async fn create_application(&self, case: &Case) {
        let api = applications_of(&self.world.kube, self.namespace(case));
        let patch = Patch::Apply(self.object(case));
        let parameters = PatchParams::apply("test");
        let applied = api.patch(&case.name, &parameters, &patch).await;
        applied.unwrap_or_else(|error| unreachable!("{}: {error}", case.name));
    }

    /// What each branch that was there has in the end.
    fn after(&self) -> Branches {
        let mut branches = self.before.clone();
        for case in &self.cases {
            let key = (case.repository.clone(), case.branch.clone());
            if let (Some(files), Some(expected)) = (branches.get_mut(&key), case.commit()) {
                files.extend(expected.files);
            }
        }
        branches
    }

    /// The branches that are made, each by one case.
    fn made(&self) -> Vec<(&Case, Files)> {
        let cases = self.cases.iter().filter(|case| {
            let key = (case.repository.clone(), case.branch.clone());
            !self.before.contains_key(&key)
        });
        cases
            .filter_map(|case| Some((case, case.commit()?.files)))
            .collect()
    }

    /// Waits until everything is as the cases say, and checks that nothing else is.
    async fn ends_as_expected(&self) {
        let after = self.after();
        for (key @ (repository, branch), files) in &after {
            let probe = async || differences(&self.files(key), files);
            let what = format!("branch {branch} of {repository}");
            self.world.until(&what, probe).await;
        }
        for (case, files) in self.made() {
            let probe = async || differences(&self.newest(case)?, &files);
            let what = format!("branch {}: {}", case.branch, case.why);
            self.world.until(&what, probe).await;
        }
        for case in self.cases.iter().filter(|it| !it.application.is_empty()) {
            let probe = async || self.application_is(case).await;
            let what = format!("Application {}: {}", case.name, case.why);
            self.world.until(&what, probe).await;
        }
        self.world
            .until(&"all policies", async || self.is_settled().await)
            .await;
        for (key, files) in &after {
            differences(&self.files(key), files).expect("nothing else is written");
        }
        self.branches_are_expected();
        self.commits_are_expected();
        for case in self.cases.iter().filter(|it| it.commit().is_none()) {
            self.application_is(case).await.expect("it is untouched");
        }
    }

    /// What the newest commit of a case's branch changes.
    fn newest(&self, case: &Case) -> Result<Files, String> {
        let (repository, branch) = (&case.repository, &case.branch);
        let branches = self.world.git.branches(repository);
        if branches.is_ok_and(|branches| !branches.contains(branch)) {
            return Err("there is no such branch".to_owned());
        }
        let paths = self.changed_paths(repository, branch);
        let all = self.files(&(repository.clone(), branch.clone()));
        let changed = all.into_iter();
        Ok(changed.filter(|(path, _)| paths.contains(path)).collect())
    }

    /// The files that a commit changes, sorted.
    fn changed_paths(&self, repository: &str, id: &str) -> Vec<String> {
        let what = ["diff-tree", "--no-commit-id", "--name-only", "-r", id];
        let paths = self.world.git.git(repository, &what);
        let paths = paths.expect("it is a commit");
        paths.lines().map(str::to_owned).collect()
    }

    /// No branch is there that no case expects.
    fn branches_are_expected(&self) {
        let mut expected: BTreeSet<_> = self.before.keys().cloned().collect();
        let made = self.made().into_iter();
        expected.extend(made.map(|(case, _)| (case.repository.clone(), case.branch.clone())));
        let found = ["env", "other"].into_iter().flat_map(|repository| {
            let branches = self.world.git.branches(repository);
            let branches = branches.expect("it is there").into_iter();
            branches.map(|branch| (repository.to_owned(), branch))
        });
        assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    }

    fn files(&self, (repository, branch): &(String, String)) -> Files {
        let git = &self.world.git;
        let tree = git.tree(repository, branch).unwrap_or_default();
        let text = |path: &String| {
            let text = git.show(repository, branch, path).unwrap_or_default();
            String::from_utf8(text).expect("the files are text")
        };
        tree.keys().map(|path| (path.clone(), text(path))).collect()
    }

    /// One commit for each case that has one, by the old updater's name and in its words, which
    /// changes the case's own files and no others.
    fn commits_are_expected(&self) {
        let mut found = BTreeMap::new();
        for repository in ["env", "other"] {
            let branches = self.world.git.branches(repository);
            for branch in branches.expect("it is there") {
                let log = self.world.git.log(repository, &branch);
                let log = log.expect("there is a log").into_iter();
                for commit in log.filter(|it| it.author == AUTHOR) {
                    let paths = self.changed_paths(repository, &commit.id);
                    let text = (commit.subject, commit.body, paths);
                    found.insert((repository, commit.id), text);
                }
            }
        }
        let mut found: Vec<_> = found.into_values().collect();
        for case in &self.cases {
            let Some(expected) = case.commit() else {
                continue;
            };
            let subject = format!("build: automatic update of {}", case.name);
            let index = found.iter().position(|(found, ..)| *found == subject);
            let index = index.unwrap_or_else(|| unreachable!("no commit {subject}"));
            let (_, body, paths) = found.swap_remove(index);
            let own = expected.files.iter();
            let own = own.filter(|(path, text)| case.files.get(*path) != Some(text));
            let own: Vec<&String> = own.map(|(path, _)| path).collect();
            assert!(paths.iter().eq(own), "{}: {paths:?}", case.name);
            if let Some(message) = expected.message {
                let whole = format!("{subject}\n\n{body}\n");
                assert_eq!(whole, message, "{}: {}", case.name, case.why);
            }
        }
        assert_eq!(found, Vec::new(), "commits that no case expects");
    }

    /// Whether an Application says what it should; if that is nothing, whether it is as it was.
    async fn application_is(&self, case: &Case) -> Result<(), String> {
        let api = applications_of(&self.world.kube, self.namespace(case));
        let found = api.get(&case.name).await;
        let found = found.map_err(|error| error.to_string())?.data;
        if case.application.is_empty() && found["spec"] != self.object(case)["spec"] {
            return Err(found["spec"].to_string());
        }
        for (pointer, expected) in &case.application {
            if found.pointer(pointer) != Some(expected) {
                return Err(found["spec"].to_string());
            }
        }
        Ok(())
    }

    /// Whether all policies have been looked at, as they are.
    async fn is_settled(&self) -> Result<(), String> {
        for policy in self.all::<ImageUpdatePolicy>().await {
            let status = policy.status.clone().unwrap_or_default();
            let is_ready = status.conditions.iter().any(|it| it.type_ == "Ready");
            if !is_ready || status.observed_generation != policy.metadata.generation {
                return Err(format!("{}: {:?}", policy.name_any(), status.conditions));
            }
        }
        Ok(())
    }

    async fn all<K>(&self) -> Vec<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
    {
        let mut all = Vec::new();
        for namespace in [&self.world.namespace, &self.team] {
            let api: Api<K> = Api::namespaced(self.world.kube.clone(), namespace);
            let found = api.list(&ListParams::default()).await;
            all.extend(found.expect("they can be listed").items);
        }
        all
    }

    /// The state of everything that the conversion writes, and of what follows from it.
    async fn versions(&self) -> BTreeMap<String, Option<String>> {
        let mut versions = BTreeMap::new();
        for policy in self.all::<ImageUpdatePolicy>().await {
            versions.insert(
                format!("policy {}", policy.name_any()),
                policy.resource_version(),
            );
        }
        // One that fails goes on to say so, which no conversion does.
        let is_ready = |watch: &ImageWatch| {
            let conditions = watch.status.iter().flat_map(|status| &status.conditions);
            let mut ready = conditions.filter(|it| it.type_ == "Ready");
            ready.any(|it| it.status == "True")
        };
        for watch in self.all::<ImageWatch>().await.into_iter().filter(is_ready) {
            versions.insert(
                format!("watch {}", watch.name_any()),
                watch.resource_version(),
            );
        }
        for namespace in [&self.world.namespace, &self.team] {
            let api = applications_of(&self.world.kube, namespace);
            for found in api.list(&ListParams::default()).await.expect("a list") {
                let name = format!("Application {}", found.name_any());
                versions.insert(name, found.resource_version());
            }
        }
        versions
    }

    /// The notes of the events about each Application's annotations.
    async fn notes(&self) -> BTreeMap<String, String> {
        let mut notes = BTreeMap::new();
        for event in self.all::<Event>().await {
            let regarding = event.regarding.unwrap_or_default();
            if event.reason.as_deref() == Some("InvalidAnnotations")
                && regarding.kind.as_deref() == Some("Application")
            {
                let note = event.note.unwrap_or_default();
                notes.insert(regarding.name.unwrap_or_default(), note);
            }
        }
        notes
    }

    /// Policies have the mistakes of their annotations as a condition, and others have none.
    async fn policies_say_the_same(&self) {
        for policy in self.all::<ImageUpdatePolicy>().await {
            let name = policy.name_any();
            let case = self.cases.iter().find(|case| case.name == name);
            let case = case.expect("policies are those of cases");
            let conditions = policy.status.unwrap_or_default().conditions;
            let mut conditions = conditions.into_iter();
            let found = conditions.find(|it| it.type_ == "InvalidAnnotations");
            let message = found.map(|it| it.message).unwrap_or_default();
            assert_eq!(
                message.is_empty(),
                case.problems.is_empty(),
                "{name}: {message}"
            );
            for problem in &case.problems {
                assert!(message.contains(problem), "{name}: {message}");
            }
        }
    }

    /// Everyone's mistakes are told, with the annotation, and nobody else's.
    #[track_caller]
    fn told(&self, notes: &BTreeMap<String, String>) {
        for case in &self.cases {
            let note = notes.get(&case.name).map(String::as_str);
            let note = note.unwrap_or_default();
            assert_eq!(
                note.is_empty(),
                case.problems.is_empty(),
                "{}: {note}",
                case.name
            );
            for problem in &case.problems {
                assert!(note.contains(problem), "{}: {note}", case.name);
            }
            assert!(!note.contains("never-shown"), "{note}");
        }
    }
}

/// Pushes the tags that the README of the cases names; returns the digest of `team/moving`.
async fn fill(registry: &Registry) -> String {
    let apps = ["1.0.0", "1.0.5", "1.1.0", "1.2.0-rc1", "2.0.0"];
    let apps = apps.map(|tag| ("team/app", tag));
    let workers = ["1.0.0", "3.0.0"].map(|tag| ("team/worker", tag));
    for (repository, tag) in apps.into_iter().chain(workers) {
        let pushed = registry.push(repository, tag).await;
        pushed.expect("the image is pushed");
    }
    let builds = ["a", "c", "d", "b"].iter().zip(1_704_067_200..);
    for (tag, second) in builds {
        let platform = if *tag == "d" {
            "linux/arm64"
        } else {
            "linux/amd64"
        };
        let options = PushOptions {
            created: Timestamp::from_second(second).ok(),
            platforms: vec![platform.to_owned()],
            ..PushOptions::default()
        };
        let pushed = registry.push_image("team/build", tag, &options).await;
        pushed.expect("the image is pushed");
    }
    let pushed = registry.push("team/moving", "latest").await;
    pushed.expect("the image is pushed")
}

/// The Secrets that the cases name.
async fn secrets(world: &World, locked: &Registry, team: &str) {
    let (user, password) = LOGIN;
    let login = format!("{user}:{password}");
    world.secret("login", None, &[("creds", &login)]).await;
    let auths = json!({locked.host(): {"username": user, "password": password}});
    let docker = json!({"auths": auths}).to_string();
    let kind = Some("kubernetes.io/dockerconfigjson");
    let docker = [(".dockerconfigjson", docker.as_str())];
    world.secret("pull", kind, &docker).await;
    let ca = world.git.ca_pem().expect("the git server has TLS");
    let secret = json!({
        "metadata": {"name": "git"},
        "stringData": {"username": GIT_USER, "password": GIT_PASSWORD, "ca.crt": ca},
    });
    let secret = serde_json::from_value(secret).expect("it is a Secret");
    let api: Api<Secret> = Api::namespaced(world.kube.clone(), team);
    let created = api.create(&PostParams::default(), &secret).await;
    created.expect("the Secret can be made");
}

/// Puts the files of all cases into git; returns what is there then.
fn commit_before(world: &World, cases: &[Case]) -> Branches {
    let mut branches = Branches::new();
    for repository in ["env", "other"] {
        let mut files = Files::from([("README.md".to_owned(), String::new())]);
        for case in cases.iter().filter(|it| it.repository == repository) {
            files.extend(case.files.clone());
        }
        let bytes = files.iter();
        let bytes: Vec<_> = bytes
            .map(|(path, text)| (path.as_str(), text.as_bytes()))
            .collect();
        let made = world.git.create_repository(repository, &bytes);
        made.expect("the repository is made");
        branches.insert((repository.to_owned(), "main".to_owned()), files.clone());
        if repository == "env" {
            let made = world.git.git(repository, &["branch", "release", "main"]);
            made.expect("the branch is made");
            branches.insert((repository.to_owned(), "release".to_owned()), files);
        }
    }
    branches
}

/// No annotation says that a registry speaks plain HTTP, so a file does.
fn configure(world: &mut World, folder: &TempDir, registries: &[&Registry], team: &str) {
    let hosts = registries.iter().map(|it| it.host());
    let entries: Vec<String> = hosts
        .map(|host| format!("- name: '{host}'\n  prefix: {host}\n  api_url: http://{host}\n"))
        .collect();
    let text = format!("registries:\n{}", entries.concat());
    let path = folder.path().join("registries.conf");
    fs::write(&path, text).expect("the file can be written");
    for flag in [
        format!("--registries-conf-path={}", path.display()),
        format!("--argocd-namespace={}", world.namespace),
        format!("--application-namespaces={team}"),
        format!("--watch-namespaces={team}"),
    ] {
        world.flag(&flag);
    }
}

/// What a branch has otherwise than it should.
fn differences(found: &Files, expected: &Files) -> Result<(), String> {
    let paths: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let wrong = paths
        .into_iter()
        .filter(|path| found.get(*path) != expected.get(*path));
    let wrong: Vec<String> = wrong
        .map(|path| {
            format!(
                "{path}: {:?}, not {:?}",
                found.get(path),
                expected.get(path)
            )
        })
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_annotation_does_what_it_did_and_converting_twice_changes_nothing() {
    let mut scene = Scene::start().await;
    for case in &scene.cases {
        scene.create_application(case).await;
    }
    scene.world.start_operator();
    scene.ends_as_expected().await;
    scene.told(&scene.notes().await);
    scene.policies_say_the_same().await;

    let before = scene.versions().await;
    scene.world.kill_operator();
    scene.world.start_operator();
    // One that is new shows that all others were looked at again.
    let late = format!("{}/team/worker", scene.registry.host());
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "zz-late", "annotations": {
            "argocd-image-updater.argoproj.io/image-list": late,
            "argocd-image-updater.argoproj.io/force-update": "true",
        }},
        "spec": {
            "project": "default",
            "destination": {"server": "x", "namespace": "y"},
            "source": {"repoURL": "https://git.example/a.git", "path": "a"},
        },
        "status": {"sourceType": "Helm"},
    });
    let api = applications_of(&scene.world.kube, &scene.world.namespace);
    let applied = api
        .patch(
            "zz-late",
            &PatchParams::apply("test"),
            &Patch::Apply(&object),
        )
        .await;
    applied.expect("the API server takes the Application");
    let written = async || {
        let found = api.get("zz-late").await.expect("it is there");
        let found = &found.data["spec"]["source"]["helm"]["parameters"][1]["value"];
        let is_written = *found == "3.0.0";
        is_written.then_some(()).ok_or_else(|| found.to_string())
    };
    scene.world.until(&"the late Application", written).await;
    let mut after = scene.versions().await;
    after.retain(|name, _| !name.ends_with(" zz-late"));
    assert_eq!(before, after);
    scene.ends_as_expected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_convert_prints_do_the_same_in_whatever_order_they_come() {
    let mut scene = Scene::start().await;
    scene.world.flag("--legacy-annotations=false");
    scene.world.start_operator();
    let objects: Vec<Value> = scene.cases.iter().map(|case| scene.object(case)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let ran = run(&["convert", "-f", "-"], &list.to_string());
    for case in &scene.cases {
        for problem in &case.problems {
            let told = match problem.strip_prefix('/') {
                Some(problem) => format!("{}: {PREFIX}{problem}", case.name),
                None => problem.clone(),
            };
            let is_told = ran.stderr.contains(&told);
            assert!(is_told, "{}: {problem}\n{}", case.name, ran.stderr);
        }
    }
    // As they come last in the list, and the Applications after their policies.
    let printed: Vec<Value> = serde_yaml::from_multiple(ran.text()).expect("it is YAML");
    for document in printed.iter().rev() {
        let metadata = &document["metadata"];
        let kind = document["kind"].as_str().expect("it has a kind");
        let namespace = metadata["namespace"].as_str().expect("it has a namespace");
        let name = metadata["name"].as_str().expect("it has a name");
        let api: Api<DynamicObject> =
            Api::namespaced_with(scene.world.kube.clone(), namespace, &resource(kind));
        let applied = api
            .patch(name, &PatchParams::apply("test"), &Patch::Apply(document))
            .await;
        applied.unwrap_or_else(|error| unreachable!("{kind} {name}: {error}"));
    }
    for case in scene.cases.iter().rev() {
        scene.create_application(case).await;
    }
    scene.ends_as_expected().await;
    assert_eq!(scene.notes().await, BTreeMap::new());
}
