//! Edits of files: whatever a file holds, an edit does all that it should and nothing twice, or
//! leaves the file alone.

use image_update_core::target::argocd_source::{self, OverrideEdit};
use image_update_core::target::helm_values::{self, ValueEdit};
use image_update_core::target::kustomization::{self, ImageEdit};
use image_update_core::target::manifests::{self, ManifestEdit, Scope};
use image_update_core::target::markers::{self, MarkerEdit};
use image_update_core::target::{EditError, Image};
use image_update_core::yaml::KeyPath;

/// Edits `file`, and the outcome again: there is nothing left to do then.
fn check(file: &[u8], edit: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, EditError>) {
    match edit(file) {
        Ok(Some(edited)) => assert_eq!(edit(&edited), Ok(None)),
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A key on the first line, a values file behind it.
pub(super) fn values(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n');
    let (key, file) = bytes.split_at(line.map_or(0, |line| line + 1));
    let key = str::from_utf8(key).unwrap_or_default().trim_end();
    let Ok(path) = key.parse::<KeyPath>() else {
        return;
    };
    drop(helm_values::shared_with(file, &path, 8));
    let edit = [ValueEdit {
        path: path.clone(),
        value: "1.20".to_owned(),
    }];
    check(file, |file| helm_values::edit(file, &edit));
    if let Ok(Some(edited)) = helm_values::edit(file, &edit) {
        assert_eq!(
            helm_values::read(&edited, &path),
            Ok(Some("1.20".to_owned()))
        );
    }
}

/// A file in which images stand, in any of the ways they may.
pub(super) fn images(file: &[u8]) {
    let image = || Image::parse("ghcr.io/org/app:1.20@sha256:00");
    let entry = || ImageEdit {
        name: "ghcr.io/org/app".to_owned(),
        new_name: Some("mirror.example/app".to_owned()),
        new_tag: Some("1.20".to_owned()),
        digest: None,
    };
    check(file, |file| kustomization::edit(file, &[entry()]));
    check(file, |file| {
        argocd_source::edit(file, &[OverrideEdit::KustomizeImage(entry())])
    });
    check(file, |file| {
        let (name, value) = ("image.tag".to_owned(), "1.20".to_owned());
        argocd_source::edit(file, &[OverrideEdit::HelmParameter { name, value }])
    });
    check(file, |file| {
        let (name, value) = ("TAG".to_owned(), "1.20".to_owned());
        argocd_source::edit(file, &[OverrideEdit::PluginEnvironment { name, value }])
    });
    for scope in [Scope::Containers, Scope::Fields] {
        let repository = "ghcr.io/org/app".to_owned();
        let edit = [ManifestEdit {
            repository,
            image: image(),
            scope,
        }];
        check(file, |file| manifests::edit(file, &edit));
    }
    let edit = [MarkerEdit {
        policy: "ns:app".to_owned(),
        image: image(),
    }];
    check(file, |file| markers::edit(file, &edit));
}
