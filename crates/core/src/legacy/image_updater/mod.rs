//! The predecessor's own kind, `ImageUpdater` of `v1alpha1`: read into the same settings as
//! annotations are, one for each of its `applicationRefs`.
//!
//! A field that has no equal here is a problem, and never passed over. Where leaving it out would
//! write what was not written before, or without a check that there was, what it is about is refused.
//! Fields: <https://argocd-image-updater.readthedocs.io/en/stable/configuration/applications/>.

mod fields;
mod images;
mod overlap;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::fields::Fields;
use self::settings::{Level, Levels};
use super::diagnostic::{Diagnostic, Problem};
use super::{Settings, TargetSettings, WriteBackSettings};
use crate::image::Excerpt;
use crate::policy::Glob;

/// The most `applicationRefs` that are read.
const MAX_REFERENCES: usize = 256;

/// Applications, and what is done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Its place in `applicationRefs`, from 0.
    pub index: usize,
    /// A glob of names.
    pub name_pattern: String,
    /// Labels that they have.
    pub labels: BTreeMap<String, String>,
    /// Their images, and where those are written.
    pub settings: Settings,
}

/// Reads the `spec` of an `ImageUpdater` of `namespace`, which is the namespace of its Applications.
///
/// References that take everything from annotations are none of the selections.
pub fn parse_image_updater(namespace: &str, spec: &Value) -> (Vec<Selection>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut spec = Fields::of("spec".to_owned(), Some(spec), &mut problems);
    let common = Level::read(&mut spec, &mut problems);
    let common = common.with_write_back(&mut spec, &mut problems);
    // It once named where Applications are; they are where the object is.
    spec.without_effect(&["namespace"], &mut problems);
    let mut selections = Vec::new();
    let references = spec.list("applicationRefs", &mut problems);
    for (index, (path, reference)) in references.into_iter().enumerate() {
        if index == MAX_REFERENCES {
            let (limit, what) = (MAX_REFERENCES, "references");
            problems.push(Diagnostic::of_field(
                &path,
                Problem::TooMany { limit, what },
            ));
            break;
        }
        let fields = Fields::of(path, Some(reference), &mut problems);
        selections.extend(selection(index, fields, namespace, &common, &mut problems));
    }
    let listed = spec.take("applicationRefs");
    if listed.is_none_or(|it| it.as_array().is_some_and(Vec::is_empty)) {
        let path = spec.path_of("applicationRefs");
        problems.push(Diagnostic::of_field(&path, Problem::NoReferences));
    }
    spec.finish(&mut problems);
    overlap::report(&selections, &mut problems);
    (selections, problems)
}

fn selection(
    index: usize,
    mut fields: Fields<'_>,
    namespace: &str,
    above: &Level,
    problems: &mut Vec<Diagnostic>,
) -> Option<Selection> {
    let name_pattern = name_pattern(&mut fields, problems);
    let labels = labels(&mut fields, problems);
    if fields.flag("useAnnotations", problems) {
        let path = fields.path_of("useAnnotations");
        problems.push(Diagnostic::of_field(&path, Problem::UseAnnotations));
        // Of these only what is said about signatures counts.
        fields.without_effect(&["writeBackConfig", "images"], problems);
        let own = Level::read(&mut fields, problems);
        Levels(vec![&own]).refuse_verification(problems);
        fields.finish(problems);
        return None;
    }
    let own = Level::read(&mut fields, problems);
    let own = own.with_write_back(&mut fields, problems);
    let levels = Levels(vec![&own, above]);
    let write_back = levels.write_back(namespace, problems);
    let takes_plugins = write_back.as_ref().is_none_or(takes_plugins);
    let images = images::read(&mut fields, namespace, &levels, takes_plugins, problems);
    let listed = fields.take("images");
    if listed.is_none_or(|it| it.as_array().is_some_and(Vec::is_empty)) {
        let path = fields.path_of("images");
        problems.push(Diagnostic::of_field(&path, Problem::NoImages));
    }
    fields.finish(problems);
    let write_back = write_back.filter(|_| !images.is_empty())?;
    Some(Selection {
        index,
        name_pattern: name_pattern?,
        labels: labels?,
        settings: Settings {
            images,
            write_back: Some(write_back),
        },
    })
}

/// Whether variables of a plugin can be written there.
fn takes_plugins(write_back: &WriteBackSettings) -> bool {
    match write_back {
        WriteBackSettings::Argocd => true,
        WriteBackSettings::Git(git) => matches!(git.target, TargetSettings::Overrides(_)),
    }
}

fn name_pattern(fields: &mut Fields<'_>, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let path = fields.path_of("namePattern");
    let found = fields.text("namePattern", problems);
    let text = found.map(|it| it.text).unwrap_or_default();
    if text.is_empty() || text.parse::<Glob>().is_err() {
        let problem = Problem::NamePattern(Excerpt::new(&text));
        problems.push(Diagnostic::of_field(&path, problem));
        return None;
    }
    Some(text)
}

/// `None`: something is asked of labels that can't be asked here.
fn labels(
    fields: &mut Fields<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<BTreeMap<String, String>> {
    let mut selectors = fields.object("labelSelectors", problems);
    let labels = selectors.texts("matchLabels", problems);
    let path = selectors.path_of("matchExpressions");
    let expressions = selectors.list("matchExpressions", problems);
    selectors.finish(problems);
    if expressions.is_empty() {
        return Some(labels);
    }
    problems.push(Diagnostic::of_field(&path, Problem::MatchExpressions));
    None
}
