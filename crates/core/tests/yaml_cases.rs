//! The case file of the YAML edits: `tests/golden/yaml/cases.json`, one row a case.
//!
//! A case is found by its id. Adding one needs no Rust, unless its error is about something new.

use std::fmt::Write as _;

use base64::Engine as _;
use image_update_core::target::argocd_source::{self, OverrideEdit};
use image_update_core::target::kustomization::{self, ImageEdit};
use image_update_core::target::manifests::{self, ManifestEdit, Scope};
use image_update_core::target::markers::{self, MarkerEdit};
use image_update_core::target::{EditError, Image, helm_values};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    kind: String,
    file: Option<String>,
    file_parts: Option<Vec<Part>>,
    file_b64: Option<String>,
    edits: Vec<serde_json::Value>,
    want: Option<String>,
    want_parts: Option<Vec<Part>>,
    /// What an error is about; the message has these words.
    error_contains_hint: Option<String>,
    #[serde(rename = "note", default)]
    _note: String,
    /// For the Go decoders that confirmed the wanted output.
    #[serde(rename = "check", default)]
    _check: serde_json::Value,
    #[serde(rename = "skip_go", default)]
    _skip_go: String,
    #[serde(rename = "skip_go3", default)]
    _skip_go3: String,
}

/// A piece of a file that is too long to be written out.
#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Repeat { repeat: String, times: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KustomizationEdit {
    name: String,
    new_name: Option<String>,
    new_tag: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HelmValuesEdit {
    path: String,
    value: String,
}

#[test]
fn every_helm_values_case_gives_its_bytes() {
    check_all("helmvalues", 161, |file, edits| {
        let edits = edits
            .iter()
            .map(|edit: &HelmValuesEdit| {
                let path = edit.path.parse().map_err(EditError::Yaml)?;
                Ok(helm_values::ValueEdit {
                    path,
                    value: edit.value.clone(),
                })
            })
            .collect::<Result<Vec<_>, EditError>>()?;
        helm_values::edit(file, &edits)
    });
}

#[test]
fn every_kustomization_case_gives_its_bytes() {
    check_all("kustomization", 22, |file, edits| {
        let edits: Vec<_> = edits
            .iter()
            .map(|edit: &KustomizationEdit| kustomization::ImageEdit {
                name: edit.name.clone(),
                new_name: edit.new_name.clone(),
                new_tag: edit.new_tag.clone(),
                digest: edit.digest.clone(),
            })
            .collect();
        kustomization::edit(file, &edits)
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum ArgocdSourceEdit {
    Parameter {
        param: String,
        value: String,
    },
    KustomizeImage {
        kustomize_image: String,
        value: String,
    },
}

#[test]
fn every_argocd_source_case_gives_its_bytes() {
    check_all("argocd-source", 11, |file, edits| {
        let edits: Vec<_> = edits
            .iter()
            .map(|edit| match edit {
                ArgocdSourceEdit::Parameter { param, value } => OverrideEdit::HelmParameter {
                    name: param.clone(),
                    value: value.clone(),
                },
                ArgocdSourceEdit::KustomizeImage {
                    kustomize_image,
                    value,
                } => {
                    let (renamed, image) = match value.split_once('=') {
                        Some((_, image)) => (true, Image::parse(image)),
                        None => (false, Image::parse(value)),
                    };
                    OverrideEdit::KustomizeImage(ImageEdit {
                        name: kustomize_image.clone(),
                        new_name: renamed.then_some(image.name),
                        new_tag: image.tag,
                        digest: image.digest,
                    })
                }
            })
            .collect();
        argocd_source::edit(file, &edits)
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    policy: String,
    name: String,
    tag: String,
    digest: Option<String>,
}

#[test]
fn every_marker_case_gives_its_bytes() {
    check_all("marker", 16, |file, edits| {
        let edits: Vec<_> = edits
            .iter()
            .map(|edit: &Marker| MarkerEdit {
                policy: edit.policy.clone(),
                image: Image {
                    name: edit.name.clone(),
                    tag: Some(edit.tag.clone()),
                    digest: edit.digest.clone(),
                },
            })
            .collect();
        markers::edit(file, &edits)
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    image: String,
    value: String,
}

#[test]
fn every_manifest_case_gives_its_bytes() {
    check_all("manifest", 8, |file, edits| {
        let edits: Vec<_> = edits
            .iter()
            .map(|edit: &Manifest| ManifestEdit {
                repository: edit.image.clone(),
                image: Image::parse(&edit.value),
                scope: Scope::Containers,
            })
            .collect();
        manifests::edit(file, &edits)
    });
}

/// Runs all cases of `kind`, at least `least` of them, and reports every one that fails.
#[track_caller]
fn check_all<E: for<'de> Deserialize<'de>>(
    kind: &str,
    least: usize,
    edit: impl Fn(&[u8], &[E]) -> Result<Option<Vec<u8>>, EditError>,
) {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../tests/golden/yaml/cases.json"))
            .expect("the case file is JSON of the shape above");
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.kind == kind).collect();
    assert!(cases.len() >= least, "only {} cases of {kind}", cases.len());
    let mut failures = String::new();
    for case in &cases {
        let file = file_of(case);
        let edits: Vec<E> = case
            .edits
            .iter()
            .map(|edit| serde_json::from_value(edit.clone()).expect("edits fit their kind"))
            .collect();
        let result = edit(&file, &edits);
        if let Err(difference) = compare(case, &file, result) {
            writeln!(failures, "{}: {difference}", case.id).expect("a string takes all");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn file_of(case: &Case) -> Vec<u8> {
    match case {
        Case {
            file: Some(text), ..
        } => text.clone().into_bytes(),
        Case {
            file_parts: Some(parts),
            ..
        } => join(parts).into_bytes(),
        Case {
            file_b64: Some(text),
            ..
        } => base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("file_b64 is base64"),
        Case { id, .. } => unreachable!("case {id} has no file"),
    }
}

fn join(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(piece) => text.push_str(piece),
            Part::Repeat { repeat, times } => {
                for number in 0..*times {
                    text.push_str(&repeat.replace("{i}", &number.to_string()));
                }
            }
        }
    }
    text
}

fn compare(
    case: &Case,
    file: &[u8],
    result: Result<Option<Vec<u8>>, EditError>,
) -> Result<(), String> {
    let want = case
        .want
        .clone()
        .or_else(|| case.want_parts.as_deref().map(join));
    match (result, want, &case.error_contains_hint) {
        (Ok(edited), Some(want), None) => {
            let edited = edited.unwrap_or_else(|| file.to_vec());
            let edited = String::from_utf8_lossy(&edited);
            if edited == want {
                return Ok(());
            }
            Err(format!(
                "\n  want {:.400}\n  got  {:.400}",
                format!("{want:?}"),
                format!("{edited:?}")
            ))
        }
        (Err(error), None, Some(hint)) => {
            let message = error.to_string();
            if message.to_lowercase().contains(&hint.to_lowercase()) {
                return Ok(());
            }
            Err(format!("the error is not about `{hint}`: {message}"))
        }
        (Ok(_), ..) => Err("edited, though it should be refused".to_owned()),
        (Err(error), ..) => Err(format!("refused: {error}")),
    }
}
