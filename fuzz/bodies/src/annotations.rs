//! The predecessor's annotations, a line each: the name, an equals sign, the value.

use std::collections::{BTreeMap, HashSet};

use image_update_core::argocd::{Application, Source};
use image_update_core::legacy::{self, PREFIX, Severity, TargetSettings, WriteBackSettings, parse};

use super::text;

/// The images are an object's list, no target climbs, and who is left out is told why.
pub(super) fn annotations(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let annotations: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (format!("{PREFIX}{key}"), value.to_owned()))
        .collect();
    let application = Application {
        namespace: "argocd".to_owned(),
        name: "shop".to_owned(),
        sources: vec![Source {
            path: "apps/shop".to_owned(),
            ..Source::default()
        }],
        ..Application::default()
    };
    let Some((settings, problems)) = parse(&application, &annotations) else {
        let list = format!("{PREFIX}{}", legacy::IMAGE_LIST);
        assert!(!annotations.contains_key(&list));
        return;
    };
    let has_error = problems
        .iter()
        .any(|it| it.problem.severity() == Severity::Error);
    let listed = annotations[&format!("{PREFIX}{}", legacy::IMAGE_LIST)].split(',');
    let listed = listed.filter(|it| !it.trim().is_empty()).count();
    assert!(settings.images.len() <= listed);
    assert!(settings.images.len() == listed || has_error);
    assert!(settings.write_back.is_some() || has_error);
    let mut aliases = HashSet::new();
    assert!(settings.images.iter().all(|it| aliases.insert(&it.alias)));
    if let Some(WriteBackSettings::Git(git)) = &settings.write_back {
        let path = match &git.target {
            TargetSettings::Overrides(path) => path.as_deref().unwrap_or_default(),
            TargetSettings::HelmValues(path) | TargetSettings::Kustomization(path) => path,
        };
        assert!(path.split('/').all(|part| part != ".."), "{path}");
    }
    for problem in problems {
        let shown = problem.to_string();
        assert!(shown.starts_with(PREFIX), "{shown}");
        assert!(!shown.chars().any(char::is_control), "{shown}");
    }
}
