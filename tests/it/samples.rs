//! `config/samples`: what is said to be accepted is, and each rule refuses in its own words.

use std::path::{Path, PathBuf};

use kube::api::{Api, DynamicObject, Patch, PatchParams};

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
