//! What is said of all images, of those of a reference, and of one; and where they are written.

use super::fields::{Fields, Text};
use crate::argocd::Application;
use crate::legacy::annotations::Annotations;
use crate::legacy::diagnostic::{Diagnostic, Problem};
use crate::legacy::keys;
use crate::legacy::write_back::{self, WriteBackSettings};

/// The fields of `commonUpdateSettings`, and the annotations that say the same.
const UPDATE: [(&str, &str); 6] = [
    ("updateStrategy", keys::UPDATE_STRATEGY),
    ("forceUpdate", keys::FORCE_UPDATE),
    ("allowTags", keys::ALLOW_TAGS),
    ("ignoreTags", keys::IGNORE_TAGS),
    ("pullSecret", keys::PULL_SECRET),
    ("platforms", keys::PLATFORMS),
];

/// The fields of `writeBackConfig.gitConfig`, likewise.
const GIT: [(&str, &str); 3] = [
    ("repository", keys::GIT_REPOSITORY),
    ("branch", keys::GIT_BRANCH),
    ("writeBackTarget", keys::WRITE_BACK_TARGET),
];

/// An annotation that says what a field does.
pub(super) struct Row {
    /// The annotation without its prefix.
    pub(super) key: String,
    pub(super) value: Text,
}

/// What one level says.
#[derive(Default)]
pub(super) struct Level {
    update: Vec<(&'static str, Text)>,
    write_back: Vec<(&'static str, Text)>,
    /// The place of `pullRequest`, if it is set.
    pull_request: Option<String>,
    verification: Option<Verification>,
}

/// What is said about signatures.
struct Verification {
    path: String,
    /// The default is the level above, and then true.
    is_enabled: Option<bool>,
}

/// The levels, the nearest to the image first. What a nearer one says goes before one above, field
/// by field.
pub(super) struct Levels<'l>(pub(super) Vec<&'l Level>);

impl Level {
    /// Reads those of the fields that may stand on every level.
    pub(super) fn read(fields: &mut Fields<'_>, problems: &mut Vec<Diagnostic>) -> Self {
        let mut common = fields.object("commonUpdateSettings", problems);
        let update = rows(&mut common, &UPDATE, problems);
        common.finish(problems);
        let verification = Verification::read(fields, problems);
        Self {
            update,
            verification,
            ..Self::default()
        }
    }

    /// Reads where the images are written, which is not said of one alone.
    pub(super) fn with_write_back(
        mut self,
        fields: &mut Fields<'_>,
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut config = fields.object("writeBackConfig", problems);
        let method = rows(
            &mut config,
            &[("method", keys::WRITE_BACK_METHOD)],
            problems,
        );
        let mut git = config.object("gitConfig", problems);
        self.write_back = rows(&mut git, &GIT, problems);
        self.write_back.extend(method);
        let path = git.path_of("pullRequest");
        self.pull_request = git.take("pullRequest").map(|_| path);
        git.finish(problems);
        config.finish(problems);
        self
    }
}

fn rows(
    fields: &mut Fields<'_>,
    names: &[(&'static str, &'static str)],
    problems: &mut Vec<Diagnostic>,
) -> Vec<(&'static str, Text)> {
    let names = names.iter();
    names
        .filter_map(|(field, key)| Some((*key, fields.text(field, problems)?)))
        .collect()
}

impl Verification {
    fn read(fields: &mut Fields<'_>, problems: &mut Vec<Diagnostic>) -> Option<Self> {
        let path = fields.path_of("imagesVerification");
        let mut verification = fields.object("imagesVerification", problems);
        let is_there = verification.is_set();
        let is_set = verification.take("enabled").is_some();
        let is_enabled = is_set.then(|| verification.flag("enabled", problems));
        // It names the key of signatures, which are not looked at.
        verification.take("cosignKey");
        verification.finish(problems);
        is_there.then_some(Self { path, is_enabled })
    }
}

impl Levels<'_> {
    /// What is said of an image, as annotations of the alias.
    pub(super) fn rows(&self, alias: &str) -> Vec<Row> {
        let said = UPDATE.iter().filter_map(|(_, key)| {
            let value = nearest(self.0.iter().map(|level| &level.update), key)?;
            let key = format!("{alias}.{key}");
            Some(Row { key, value })
        });
        said.collect()
    }

    /// Notes that images are not verified here, if they are to be; returns whether.
    pub(super) fn refuse_verification(&self, problems: &mut Vec<Diagnostic>) -> bool {
        let said = || {
            self.0
                .iter()
                .filter_map(|level| level.verification.as_ref())
        };
        let is_enabled = said().find_map(|it| it.is_enabled).unwrap_or(true);
        let Some(nearest) = said().next().filter(|_| is_enabled) else {
            return false;
        };
        problems.push(Diagnostic::of_field(&nearest.path, Problem::Verification));
        true
    }

    /// Where the images are written. `None` if anything about it is wrong.
    pub(super) fn write_back(
        &self,
        namespace: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<WriteBackSettings> {
        let keys = [
            keys::WRITE_BACK_METHOD,
            keys::WRITE_BACK_TARGET,
            keys::GIT_BRANCH,
            keys::GIT_REPOSITORY,
        ];
        let rows = keys.iter().filter_map(|key| {
            let value = nearest(self.0.iter().map(|level| &level.write_back), key)?;
            let key = (*key).to_owned();
            Some(Row { key, value })
        });
        let rows: Vec<Row> = rows.collect();
        // Of many Applications nothing is known but where they are.
        let application = Application {
            namespace: namespace.to_owned(),
            ..Application::default()
        };
        let mut annotations = Annotations::of_rows(row_texts(&rows));
        let settings = write_back::parse(&application, &mut annotations);
        problems.extend(in_fields(annotations.into_problems(), &rows));
        let mut levels = self.0.iter();
        if let Some(path) = levels.find_map(|level| level.pull_request.as_deref()) {
            problems.push(Diagnostic::of_field(path, Problem::PullRequest));
            return None;
        }
        settings
    }
}

/// The first that one of the levels says.
fn nearest<'v>(
    mut levels: impl Iterator<Item = &'v Vec<(&'static str, Text)>>,
    key: &str,
) -> Option<Text> {
    levels.find_map(|said| {
        let mut said = said.iter();
        said.find(|(found, _)| *found == key)
            .map(|(_, value)| value.clone())
    })
}

/// The rows as annotations are read.
pub(super) fn row_texts(rows: &[Row]) -> impl Iterator<Item = (&str, &str)> {
    rows.iter()
        .map(|row| (row.key.as_str(), row.value.text.as_str()))
}

/// Problems of annotations as those of the fields that they were made of.
pub(super) fn in_fields(problems: Vec<Diagnostic>, rows: &[Row]) -> Vec<Diagnostic> {
    let in_field = |problem: Diagnostic| {
        let mut rows = rows.iter();
        match rows.find(|row| problem.is_about(&row.key)) {
            Some(row) => Diagnostic::of_field(&row.value.path, problem.problem),
            None => problem,
        }
    };
    problems.into_iter().map(in_field).collect()
}
