//! The guide to installation works: its commands are run by a shell, as a reader would, with Helm and
//! kubectl against an API server that has nothing yet.

use std::path::Path;

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::stack::Assets;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kustomizations::built;
use super::render::{NAMESPACE, RELEASE, command, folder, project, rendered, the};

const GUIDE: &str = "docs/guides/install.md";

/// A reader with the tools that the guide takes for granted, in a checkout.
struct Reader<'a> {
    server: &'a ApiServer,
    home: TempDir,
}

impl<'a> Reader<'a> {
    fn of(server: &'a ApiServer) -> Self {
        let home = tempfile::tempdir().expect("a folder can be made");
        let assets = Assets::locate().expect("there is a cache folder");
        let tools = [
            ("helm", assets.helm().expect("the stack is built")),
            ("kubectl", assets.kubectl().expect("the stack is built")),
            (RELEASE, crate::world::operator()),
        ];
        for (name, program) in tools {
            let link = std::os::unix::fs::symlink(program, home.path().join(name));
            link.expect("a link can be made");
        }
        Self { server, home }
    }

    /// Runs a script and returns what it prints.
    #[track_caller]
    fn runs(&self, script: &str) -> String {
        let home = self.home.path().display();
        let script = format!("export PATH={home}:$PATH\n{script}");
        let output = command("bash".as_ref())
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(project(""))
            .env("KUBECONFIG", self.server.kubeconfig())
            .env("HELM_CACHE_HOME", self.home.path())
            .env("HELM_CONFIG_HOME", self.home.path())
            .env("HELM_DATA_HOME", self.home.path())
            .output()
            .expect("bash runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{text}{problem}");
        text
    }

    /// The names of what there is of some kinds, in all namespaces.
    #[track_caller]
    fn lists(&self, kinds: &str) -> Vec<String> {
        let script = format!("kubectl get {kinds} --all-namespaces --output=name");
        self.runs(&script).lines().map(str::to_owned).collect()
    }

    /// The two definitions that there are, or not.
    #[track_caller]
    fn definitions(&self) -> usize {
        let names = self.lists("customresourcedefinitions");
        let ours = names.iter().filter(|it| it.ends_with(".image-update.dev"));
        ours.count()
    }
}

/// The commands below a heading of the guide, block by block.
#[track_caller]
fn commands(heading: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(project(GUIDE)).expect("there is a guide");
    let (_, section) = guide
        .split_once(&format!("\n## {heading}\n"))
        .expect("the guide has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    let blocks: Vec<String> = blocks
        .filter_map(|block| block.split("```").next())
        .map(str::to_owned)
        .collect();
    assert!(!blocks.is_empty(), "{heading} has commands");
    blocks
}

/// The blocks of YAML of a page, each with what it says.
fn blocks(page: &str) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(project(page)).expect("there is the page");
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    blocks
        .map(|text| {
            let value = serde_yaml::from_str(text).expect("it is YAML");
            (text.to_owned(), value)
        })
        .collect()
}

/// The overlay of a guide, whose paths begin at the project.
fn overlay(value: &Value) -> Vec<Value> {
    let mut kustomization = value.clone();
    for names in ["resources", "components"] {
        for name in kustomization[names].as_array_mut().into_iter().flatten() {
            let path = name.as_str().and_then(|it| it.strip_prefix("config/"));
            *name = Value::from(path.expect("the guide names folders of config"));
        }
    }
    built(kustomization)
}

#[test]
fn values_and_overlays_of_the_guides_are_taken_and_do_something() {
    let (mut values, mut overlays) = (0, 0);
    let default = rendered(&json!({}), NAMESPACE);
    for page in [GUIDE, "docs/guides/webhooks.md", "docs/guides/observe.md"] {
        for (text, block) in blocks(page) {
            if block["kind"] == "Kustomization" {
                assert!(overlay(&block).len() > default.len(), "{page}: {text}");
                overlays += 1;
            } else if block["patches"].is_array() {
                let mut kustomization = block.clone();
                kustomization["resources"] = json!(["config/default"]);
                let objects = overlay(&kustomization);
                let spec = &the(&objects, "Deployment")["spec"];
                assert_eq!(spec["replicas"], 3, "{page}: {text}");
                let variables = &spec["template"]["spec"]["containers"][0]["env"];
                let expected = json!([{"name": "IMAGE_UPDATE_SHARDS", "value": "3"}]);
                assert_eq!(*variables, expected, "{page}: {text}");
                overlays += 1;
            } else if block["apiVersion"].is_null() && block["spec"].is_null() {
                assert_ne!(rendered(&block, NAMESPACE), default, "{page}: {text}");
                values += 1;
            }
        }
    }
    assert!(values >= 5 && overlays == 2, "{values} {overlays}");
}

/// A copy of the chart as an earlier version may have been: without a field of a definition.
fn older_chart(place: &Path) {
    let mut stack = vec![folder()];
    while let Some(path) = stack.pop() {
        let copy = place.join(path.strip_prefix(folder()).expect("it is below the chart"));
        if path.is_dir() {
            std::fs::create_dir_all(&copy).expect("a folder can be made");
            let entries = std::fs::read_dir(&path).expect("a folder can be read");
            stack.extend(entries.map(|entry| entry.expect("it can be read").path()));
        } else {
            std::fs::copy(&path, &copy).expect("a file can be copied");
        }
    }
    let file = place.join("files/crds/image-update.dev_imagewatches.yaml");
    let text = std::fs::read_to_string(&file).expect("it can be read");
    let mut definition: Value = serde_yaml::from_str(&text).expect("it is YAML");
    let spec =
        &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let fields = spec["properties"].as_object_mut();
    let removed = fields.expect("a spec has fields").remove("timeout");
    assert!(removed.is_some());
    std::fs::write(&file, definition.to_string()).expect("it can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_brings_new_fields_and_a_removal_leaves_all_objects() {
    let server = ApiServer::start().await.expect("it starts");
    let reader = Reader::of(&server);
    let older = tempfile::tempdir().expect("a folder can be made");
    older_chart(older.path());
    let older = older.path().display();
    let flags = format!("--namespace {NAMESPACE} --create-namespace");
    reader.runs(&format!("helm install {RELEASE} {older} {flags}"));
    let definition = "kubectl get crd imagewatches.image-update.dev --output=json";
    let has_field = || reader.runs(definition).contains("\"timeout\": {");
    assert!(!has_field(), "the older one lacks it");

    let watch = "config/samples/accepted/image-watch.yaml";
    reader.runs(&format!("kubectl apply --filename {watch}"));
    let chart = folder().display().to_string();
    reader.runs(&format!(
        "helm upgrade {RELEASE} {chart} --namespace {NAMESPACE} --set replicaCount=2"
    ));
    assert!(has_field(), "the new one has it");
    let pods =
        "kubectl get deployment --all-namespaces --output=jsonpath='{.items[*].spec.replicas}'";
    assert_eq!(reader.runs(pods), "2");

    reader.runs(&format!("helm uninstall {RELEASE} --namespace {NAMESPACE}"));
    assert_eq!(
        reader.lists("deployments,clusterroles").len(),
        clusterroles(&reader)
    );
    assert_eq!(reader.definitions(), 2, "`crds.keep`");
    assert_eq!(reader.lists("imagewatches").len(), 1, "and what is of them");
}

/// How many cluster roles there are that are Kubernetes' own.
#[track_caller]
fn clusterroles(reader: &Reader<'_>) -> usize {
    let names = reader.lists("clusterroles");
    let own = names.iter().filter(|it| !it.contains("image-update"));
    own.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_guide_install_and_remove_all() {
    let server = ApiServer::start().await.expect("it starts");
    let reader = Reader::of(&server);
    for block in commands("With Helm") {
        reader.runs(&block);
    }
    let image = "kubectl get deployments --all-namespaces \
                 --output=jsonpath='{.items[*].spec.template.spec.containers[*].image}'";
    let expected = concat!(
        "registry.example.com/image-update-operator:",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(reader.runs(image), expected);
    assert_eq!(reader.definitions(), 2);

    for block in commands("Remove it") {
        reader.runs(&block);
    }
    assert_eq!(reader.definitions(), 0);
    assert!(reader.lists("deployments").is_empty());

    for block in commands("With kubectl") {
        reader.runs(&block);
    }
    assert_eq!(reader.definitions(), 2);
    assert_eq!(reader.lists("deployments").len(), 1);
}
