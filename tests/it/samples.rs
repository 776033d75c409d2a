//! `config/samples`: what is said to be accepted is, and each rule refuses in its own words; by an API
//! server, and without one by `plan`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use image_update_operator::api::admission::Schema;
use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cli::{Ran, run_with};
use crate::world::{api_server, resource};

fn samples(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config/samples")
        .join(folder);
    let entries = std::fs::read_dir(&folder).expect("the samples are there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no samples in {}", folder.display());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a sample can be read");
        (path, text)
    };
    files.into_iter().map(read).collect()
}

/// Applies a sample as `kubectl apply --server-side --dry-run=server` does.
pub(crate) async fn apply(text: &str) -> Result<(), kube::Error> {
    let object: serde_json::Value = serde_yaml::from_str(text).expect("a sample is YAML");
    let kind = object["kind"].as_str().expect("a sample has a kind");
    let name = object["metadata"]["name"]
        .as_str()
        .expect("a sample has a name")
        .to_owned();
    let server = api_server().await;
    let kube = server.client().await.expect("there is a client");
    let api: Api<DynamicObject> = Api::namespaced_with(kube, "default", &resource(kind));
    let mut parameters = PatchParams::apply("samples").force();
    parameters.dry_run = true;
    parameters.field_validation = Some(kube::api::ValidationDirective::Strict);
    api.patch(&name, &parameters, &Patch::Apply(&object))
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_samples_are_accepted() {
    let mut refused = Vec::new();
    for (path, text) in samples("accepted") {
        if let Err(error) = apply(&text).await {
            refused.push(format!("{}: {error}", path.display()));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_samples_are_refused_in_the_words_of_their_first_line() {
    let mut wrong = Vec::new();
    for (path, text) in samples("refused") {
        let first = text.lines().next().unwrap_or_default();
        let words = first
            .strip_prefix("# refused: ")
            .expect("the first line says the words");
        let said = match apply(&text).await {
            Ok(()) => "it is accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        if !said.contains(words) {
            wrong.push(format!("{}: wanted {words:?}: {said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `plan` refuses the same files in the same words, before it asks anybody.
#[test]
fn refused_samples_are_refused_by_plan_in_the_same_words() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("it need not wait");
    let address = listener.local_addr().expect("it has an address");
    let proxy = format!("http://{address}");
    let variables = [("HTTPS_PROXY", proxy.as_str()), ("HTTP_PROXY", &proxy)];
    let mut wrong = Vec::new();
    for (path, text) in samples("refused") {
        let ran = plan(&path, &variables);
        let first = text.lines().next().unwrap_or_default();
        let words = first.trim_start_matches("# refused: ");
        let file = path.display().to_string();
        let is_told = [words, &file, "default/refused"]
            .iter()
            .all(|part| ran.stderr.contains(part));
        if ran.code != Some(2) || !is_told || !ran.text().is_empty() {
            wrong.push(format!("{file}: wanted {words:?}: {ran:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let asked = listener.accept().map_err(|error| error.kind());
    assert!(matches!(asked, Err(ErrorKind::WouldBlock)), "{asked:?}");
}

/// Nobody is there to answer, so that it fails; its input is right.
#[test]
fn accepted_samples_are_accepted_by_plan() {
    let refusing = [("HTTPS_PROXY", "http://127.0.0.1:1")];
    for (path, text) in samples("accepted") {
        if text.contains("kind: ImageUpdatePolicy") {
            let ran = plan(&path, &refusing);
            assert!(
                matches!(ran.code, Some(0 | 1)),
                "{}: {ran:?}",
                path.display()
            );
        }
    }
}

fn plan(path: &Path, variables: &[(&str, &str)]) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = path.display().to_string();
    let arguments = [
        "plan",
        "-n",
        "default",
        "--no-user-credentials",
        "-f",
        &file,
    ];
    run_with(program, folder.path(), &arguments, b"", variables)
}

/// Each value of each accepted sample, replaced by others: what an API server refuses we refuse,
/// what it takes we take.
#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_those_of_an_api_server() {
    let server = api_server().await;
    let kube = server.client().await.expect("there is a client");
    let schemas = [
        ("ImageUpdatePolicy", Schema::of::<ImageUpdatePolicy>()),
        ("ImageWatch", Schema::of::<ImageWatch>()),
    ];
    let mut mutants = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in samples("accepted") {
        let object: Value = serde_yaml::from_str(&text).expect("a sample is YAML");
        let mut pointers = Vec::new();
        pointers_of(&object["spec"], "/spec", &mut pointers);
        // A null in a map is refused here on purpose.
        pointers.retain(|it| !it.contains("/matchLabels/"));
        // What one sample has at a place, the next one need not have again.
        let place = |pointer: &str| {
            let text = format!("{}{pointer}", object["kind"]);
            text.replace(|it: char| it.is_ascii_digit(), "")
        };
        pointers.retain(|it| seen.insert(place(it)));
        for pointer in pointers {
            let name = format!("{} {pointer}", path.display());
            mutants.extend(
                mutations(&object, &pointer)
                    .into_iter()
                    .map(|it| (name.clone(), it)),
            );
        }
    }
    assert!(mutants.len() > 500, "only {} mutants", mutants.len());
    let compared = mutants.into_iter().map(async |(name, mut object)| {
        object["metadata"]["namespace"] = json!("default");
        let (_, schema) = schemas
            .iter()
            .find(|(kind, _)| object["kind"] == **kind)
            .expect("a sample is of a kind of ours");
        let ours = schema.admit(&object).map(drop);
        let ours = ours.map_err(|refusals| refusals.to_string());
        let theirs = create(&kube, &object)
            .await
            .map_err(|error| error.to_string());
        (ours.is_ok() != theirs.is_ok())
            .then(|| format!("{name}: {object}\n  ours {ours:?}\n  theirs {theirs:?}"))
    });
    let compared = futures::stream::iter(compared).buffer_unordered(16);
    let differences: Vec<String> = compared.filter_map(async |it| it).collect().await;
    assert!(
        differences.is_empty(),
        "{} differences, such as\n{}",
        differences.len(),
        differences
            .iter()
            .take(12)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

/// Creates an object as `kubectl create --dry-run=server --validate=strict` does.
async fn create(kube: &kube::Client, object: &Value) -> Result<(), kube::Error> {
    let kind = object["kind"].as_str().expect("a sample has a kind");
    let plural = resource(kind).plural;
    let request = http::Request::post(format!(
        "/apis/image-update.dev/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"
    ));
    let request = request.header("content-type", "application/json");
    let request = request.body(object.to_string().into_bytes());
    kube.request::<Value>(request.expect("it is a request"))
        .await
        .map(drop)
}

/// Where there is a value, everywhere below `value`.
fn pointers_of(value: &Value, pointer: &str, pointers: &mut Vec<String>) {
    pointers.push(pointer.to_owned());
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                pointers_of(value, &format!("{pointer}/{key}"), pointers);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                pointers_of(value, &format!("{pointer}/{index}"), pointers);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The object with other values at `pointer`: of another type, empty, too much, twice, gone.
fn mutations(object: &Value, pointer: &str) -> Vec<Value> {
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(""),
        json!("1h"),
        json!("a b\n"),
        json!("../x"),
        json!("é".repeat(300)),
        json!([]),
        json!({}),
        json!({"notThere": 1}),
    ];
    let replaced = others.into_iter().map(|other| {
        let mut mutant = object.clone();
        *mutant.pointer_mut(pointer).expect("it is there") = other;
        mutant
    });
    let mut mutants: Vec<Value> = replaced.collect();
    let mut mutant = object.clone();
    match mutant.pointer_mut(pointer).expect("it is there") {
        Value::Object(members) => {
            members.insert("notThere".to_owned(), json!(1));
            mutants.push(mutant);
        }
        Value::Array(items) => {
            items.extend(items.first().cloned());
            mutants.push(mutant);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a key");
    let mut mutant = object.clone();
    if let Some(members) = mutant.pointer_mut(parent).and_then(Value::as_object_mut) {
        members.remove(key);
        mutants.push(mutant);
    }
    mutants
}
