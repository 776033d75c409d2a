//! What `plan` and `apply` print: for people diffs by repository, branch and file, with what else is to
//! say in lines that begin with `#`, so that the whole can be given to `git apply`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

use super::diff::{Colours, unified};
use crate::api::v1alpha1::{ImageState, ImageStatus};
use crate::controller::once::{Finding, Findings};
use crate::write_back::journal::{ApplicationNote, CommitNote, PushNote};

/// What is printed.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    policies: Vec<Policy>,
    pushes: Vec<Push>,
    applications: Vec<Application>,
}

#[derive(Debug, Serialize)]
struct Policy {
    namespace: String,
    name: String,
    images: Vec<Image>,
    errors: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Image {
    alias: String,
    state: ImageState,
    current: Option<String>,
    selected: Option<String>,
    reason: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct Push {
    repository: String,
    branch: String,
    commits: Vec<Commit>,
    files: Vec<File>,
}

#[derive(Debug, Serialize)]
struct Commit {
    /// Not there in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    author: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct File {
    path: String,
    diff: String,
}

#[derive(Debug, Serialize)]
struct Application {
    namespace: String,
    name: String,
    source: usize,
    diff: String,
}

impl Shown {
    pub(super) fn of(findings: &Findings) -> Self {
        let notes = &findings.notes;
        Self {
            policies: findings.policies.iter().map(policy).collect(),
            pushes: notes.pushes.iter().map(push).collect(),
            applications: notes.applications.iter().map(application).collect(),
        }
    }

    /// Whether nothing was written, or would be.
    pub(super) fn is_empty(&self) -> bool {
        self.pushes.is_empty() && self.applications.is_empty()
    }

    /// The text for people.
    pub(super) fn text(&self, colours: Colours) -> String {
        let mut text = String::new();
        for policy in &self.policies {
            for image in &policy.images {
                text.push_str(&line(policy, image));
            }
        }
        if self.is_empty() {
            text.push_str("# nothing to write\n");
        }
        for push in &self.pushes {
            // Writing to a String does not fail.
            write!(text, "\n# {} {}\n", push.repository, push.branch).ok();
            for commit in &push.commits {
                let subject = commit.message.lines().next().unwrap_or_default();
                let id = commit.id.as_deref().map(|id| format!("{id} "));
                let id = id.unwrap_or_default();
                writeln!(text, "# commit {id}{subject}").ok();
            }
            for file in &push.files {
                text.push_str(&file.diff);
            }
        }
        for application in &self.applications {
            let Application {
                namespace,
                name,
                source,
                diff,
            } = application;
            write!(
                text,
                "\n# Application {namespace}/{name}, source {source}\n{diff}"
            )
            .ok();
        }
        colours.paint(&text)
    }
}

/// `# argocd/shop web: 1.0.0 -> 1.1.0, Pending: would write 1.1.0`; nothing for what is as it should be.
fn line(policy: &Policy, image: &Image) -> String {
    let is_written = image.message.starts_with("wrote ");
    let is_fine = matches!(image.state, ImageState::UpToDate | ImageState::NotLive);
    if is_fine && !is_written {
        return String::new();
    }
    let (namespace, name, alias) = (&policy.namespace, &policy.name, &image.alias);
    let (state, message) = (image.state.as_str(), one_line(&image.message));
    let current = image.current.as_deref().unwrap_or("none");
    let selected = image.selected.as_deref().unwrap_or("none");
    format!("# {namespace}/{name} {alias}: {current} -> {selected}, {state}: {message}\n")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn policy(finding: &Finding) -> Policy {
    let image = |image: &ImageStatus| Image {
        alias: image.alias.clone(),
        state: image.state,
        current: image.current.clone(),
        selected: image.selected.clone(),
        reason: image.reason.as_str().to_owned(),
        message: image.message.clone(),
    };
    Policy {
        namespace: finding.namespace.clone(),
        name: finding.name.clone(),
        images: finding.status.images.iter().map(image).collect(),
        errors: finding.errors.clone(),
    }
}

fn push(note: &PushNote) -> Push {
    // What several commits make of a file is one difference.
    let mut files: BTreeMap<&str, (Option<&Bytes>, &[u8])> = BTreeMap::new();
    for file in note.commits.iter().flat_map(|commit| &commit.files) {
        let before = file.before.as_ref();
        let entry = files.entry(file.path.as_str());
        entry.or_insert((before, &file.after)).1 = &file.after;
    }
    let commit = |commit: &CommitNote| Commit {
        id: commit.commit_id.map(|id| id.to_string()),
        author: commit.author.clone(),
        message: commit.message.clone(),
    };
    let file = |(path, (before, after)): (&str, (Option<&Bytes>, &[u8]))| File {
        path: path.to_owned(),
        diff: unified(path, before.map(AsRef::as_ref), after),
    };
    Push {
        repository: note.remote.to_string(),
        branch: note.branch.to_string(),
        commits: note.commits.iter().map(commit).collect(),
        files: files.into_iter().map(file).collect(),
    }
}

fn application(note: &ApplicationNote) -> Application {
    let (namespace, name) = note.application.split_once('/').unwrap_or_default();
    Application {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: note.source,
        diff: unified(&note.application, Some(&note.before), &note.after),
    }
}
