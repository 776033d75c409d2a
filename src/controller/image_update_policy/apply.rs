//! Decides against what stands at each destination, and writes what differs.
//!
//! Thousands of policies may wait for a push, each with room for the largest future that it awaits
//! here. So those that go on before or after that are boxed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::StreamExt as _;
use image_update_core::plan::Plan;
use image_update_core::remote::BranchName;
use image_update_core::template::target_key;
use tokio::sync::Mutex as AsyncMutex;
use tracing::{Instrument as _, info_span, warn};

use super::destinations::{Destination, GitDestination, overrides_path};
use super::gather::Gathered;
use super::git_access::GitAccess;
use super::inputs::{Candidates, Inputs, candidates};
use super::lookups::Lookups;
use super::past::PastFiles;
use super::settled::Settled;
use super::{Commit, Write, Written};
use crate::api::v1alpha1::{ImageUpdatePolicy, annotations};
use crate::api::validate::PolicyModel;
use crate::argocd::patch::{self, Edited};
use crate::argocd::wrote::Wrote;
use crate::blocking;
use crate::controller::applications;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::status::{FIELD_MANAGER, names};
use crate::git::update::Paths;
use crate::write_back::job::{CommitStyle, Job, Outcome};

/// How many destinations of one policy are written at once.
const AT_ONCE: usize = 8;

/// What goes for every destination of a policy.
pub(super) struct Task<'a> {
    pub(super) policy: &'a ImageUpdatePolicy,
    pub(super) model: Arc<PolicyModel>,
    pub(super) images: Arc<Vec<Gathered>>,
    pub(super) settled: Settled,
    /// How git is asked and commits look; `None` where nothing is committed.
    pub(super) git: Option<(GitAccess, CommitStyle)>,
    /// What has been looked up for any destination.
    pub(super) lookups: AsyncMutex<Lookups>,
    /// The candidates of each image, for all Applications that are written themselves.
    pub(super) candidates: OnceLock<Candidates>,
    pub(super) context: &'a Context,
}

/// Decides and writes every destination, each for itself.
pub(super) async fn apply(task: &Task<'_>, destinations: Vec<Destination>) -> Vec<Write> {
    futures::stream::iter(destinations)
        .map(|destination| task.write(destination))
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// What a job came to: the last plan, and the branch that it was made for.
type LastPlan = Arc<Mutex<Option<(Plan, BranchName)>>>;

/// How one attempt at a destination ended.
struct Attempted {
    plan: Option<Plan>,
    written: Result<Written, Error>,
}

impl Attempted {
    fn failed(error: Error) -> Self {
        Self {
            plan: None,
            written: Err(error),
        }
    }
}

impl Task<'_> {
    /// Digests, images and earlier files are looked up once the files tell which are needed.
    async fn write(&self, destination: Destination) -> Write {
        let mut past = PastFiles::default();
        loop {
            let lookups = self.lookups.lock().await.clone();
            let round = lookups.round();
            let inputs = Inputs {
                model: Arc::clone(&self.model),
                images: Arc::clone(&self.images),
                targets: destination.targets().to_vec(),
                settled: self.settled.clone(),
                past: past.clone(),
                lookups,
                now: self.context.clock.now(),
                metrics: self.context.metrics.clone(),
                keeps_rejected: self.context.caller.is_some(),
            };
            let Attempted { plan, written } = match &destination {
                Destination::Git(git) => self.write_git(&destination, git, inputs, &mut past).await,
                Destination::Application { known, index, .. } => {
                    Box::pin(self.write_application(known, *index, &inputs)).await
                }
            };
            if let (Some(plan), Ok(_)) = (&plan, &written)
                && !plan.is_decided()
            {
                Box::pin(self.learn(plan, round)).await;
                continue;
            }
            if let (Ok(Written::Pushed { .. }), Some(plan)) = (&written, &plan) {
                self.refresh(plan).await;
            }
            return Write {
                applications: destination.applications(),
                remote: destination.into_remote(),
                plan,
                written,
            };
        }
    }

    /// Adds to `past` what the plan has to know of it.
    async fn write_git(
        &self,
        destination: &Destination,
        git: &GitDestination,
        inputs: Inputs,
        past: &mut PastFiles,
    ) -> Attempted {
        let nothing = Written::Nothing { read: None };
        let Some((access, style)) = &self.git else {
            return Attempted {
                plan: None,
                written: Ok(nothing),
            };
        };
        let url = &git.url;
        if !self.context.allowed_hosts.allows(url.host(), url.port()) {
            let host = url.host().to_owned();
            return Attempted::failed(Error::HostNotAllowed { host });
        }
        let options = access.options(self.policy, destination, url, self.context);
        let options = match Box::pin(options).await {
            Ok(options) => options,
            Err(error) => return Attempted::failed(error),
        };
        let last_plan = LastPlan::default();
        let job = job(self.policy, git, inputs, style, Arc::clone(&last_plan));
        let outcome = self
            .context
            .remotes
            .submit(url, &options, git.branch.clone(), job)
            .instrument(info_span!("write", git.remote = %url))
            .await;
        let last = last_plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut written = match outcome {
            Ok(Outcome::Undecided) => Ok(nothing),
            Ok(Outcome::UpToDate { branch, commit_id }) => Ok(Written::Nothing {
                read: Some(Commit {
                    branch,
                    id: commit_id,
                }),
            }),
            Ok(Outcome::Rehearsed) => Ok(Written::Rehearsed),
            Ok(Outcome::Written {
                commit_id,
                branch,
                attempts,
            }) => Ok(Written::Pushed {
                commit: Commit {
                    branch,
                    id: commit_id,
                },
                attempts,
            }),
            Err(error) => Err(Error::WriteBack(error)),
        };
        if let (Some((plan, branch)), Ok(_)) = (&last, &written)
            && !plan.missing_past.is_empty()
        {
            let commits = self.settled.commits(url, branch);
            let paths = &plan.missing_past;
            let read = past.read((url, &options), branch, commits, paths, self.context);
            if let Err(error) = Box::pin(read).await {
                written = Err(Error::WriteBack(error));
            }
        }
        Attempted {
            plan: last.map(|(plan, _)| plan),
            written,
        }
    }

    /// Decides on what is known of the Application; it is read anew only to be written.
    async fn write_application(
        &self,
        application: &applications::Known,
        index: usize,
        inputs: &Inputs,
    ) -> Attempted {
        let nothing = || Ok(Written::Nothing { read: None });
        let (policy_namespace, policy) = names(&self.policy.metadata);
        let candidates = self.candidates.get_or_init(|| candidates(&self.images));
        // What makes an Application would take a note on it away, or keep it and put back the rest.
        let is_noted = !application.is_generated;
        let decide = |overrides: &[u8], wrote: &Wrote| {
            let noted = |alias: &str| wrote.value(policy, alias).filter(|_| is_noted);
            blocking::in_place(|| inputs.decide_overrides(candidates, overrides, noted))
        };
        let overrides = application.overrides.get(index);
        let overrides = overrides.map_or(&b"{}"[..], Vec::as_slice);
        let plan = decide(overrides, &application.wrote);
        let (namespace, name) = (&application.facts.namespace, &application.facts.name);
        let shown = format!("{namespace}/{name}");
        if plan.files.is_empty() || !plan.is_decided() || self.model.dry_run {
            return Attempted {
                plan: Some(plan),
                written: nothing(),
            };
        }
        if let Some(caller) = &self.context.caller {
            let after = plan.files.get(&overrides_path());
            return Attempted {
                written: caller
                    .application(shown, index, (overrides, after))
                    .map(|()| Written::Rehearsed),
                plan: Some(plan),
            };
        }
        let what = self.right_and_values(&plan);
        let writer = format!("{policy_namespace}/{policy}");
        if self.context.put_backs.is_contested(&shown, &writer, &what) {
            return Attempted {
                plan: Some(plan),
                written: Err(Error::PutBack { application: shown }),
            };
        }
        let mut last_plan = None;
        let edit = |overrides: &[u8], mut wrote: Wrote| {
            let mut plan = decide(overrides, &wrote);
            let edited = plan.files.get(&overrides_path()).cloned();
            let is_decided = plan.is_decided();
            if !is_decided {
                plan.files.clear();
            }
            let values = plan
                .changes()
                .map(|(it, change)| (it.alias.clone(), change.new.clone()));
            wrote.note(policy, values);
            last_plan = Some(plan);
            edited.filter(|_| is_decided).map(|overrides| Edited {
                overrides,
                wrote: is_noted.then_some(wrote),
            })
        };
        let kube = &self.context.kube;
        let written = match patch::update(kube, namespace, name, index, FIELD_MANAGER, edit).await {
            Ok(patch::Outcome::Patched) => {
                self.context.put_backs.note(&shown, &writer, what);
                Ok(Written::Patched { application: shown })
            }
            Ok(patch::Outcome::Unchanged) => nothing(),
            Err(source) => Err(Error::Application(source)),
        };
        Attempted {
            plan: last_plan.or(Some(plan)),
            written,
        }
    }

    /// What a plan writes, and what would let it be written again after others put it back: another
    /// policy of this name, a new spec, or a new value of the annotation that releases.
    fn right_and_values(&self, plan: &Plan) -> String {
        let metadata = &self.policy.metadata;
        let released = annotations::released(metadata);
        let values = plan.changes();
        let values = values.map(|(it, change)| format!("{}={}", it.alias, change.new));
        let values: Vec<String> = values.collect();
        format!(
            "{:?} {:?} {released:?} {}",
            metadata.uid,
            metadata.generation,
            values.join(" ")
        )
    }

    /// Asks Argo CD to look at what was pushed. It would in its own time, so failures are logged.
    async fn refresh(&self, plan: &Plan) {
        if !self.context.refreshes {
            return;
        }
        let changed = plan
            .changes()
            .filter_map(|(it, _)| it.application.as_deref());
        let changed: BTreeSet<&str> = changed.collect();
        let _permit = self.context.report_permit().await;
        let requests = changed.into_iter().filter_map(|name| name.split_once('/'));
        futures::stream::iter(requests)
            .for_each_concurrent(AT_ONCE, async |(namespace, name)| {
                let refreshed = patch::refresh(&self.context.kube, namespace, name).await;
                if let Err(error) = refreshed {
                    warn!(
                        argocd.application = format!("{namespace}/{name}"),
                        error = Error::Application(error).chain(),
                        "Could not ask Argo CD to refresh an Application"
                    );
                }
            })
            .await;
    }

    /// Asks for what a plan waits for. If another destination has asked since `round`, that may be
    /// known by now, and the plan is made again first.
    async fn learn(&self, plan: &Plan, round: u32) {
        let mut lookups = self.lookups.lock().await;
        if lookups.round() == round {
            let _permit = self.context.permit().await;
            let (model, images) = (&self.model, &self.images);
            lookups.learn(plan, model, images, self.context).await;
        }
    }
}

/// The policy's part of a push. `last_plan` is where its last decision is found afterwards.
fn job(
    policy: &ImageUpdatePolicy,
    git: &GitDestination,
    inputs: Inputs,
    style: &CommitStyle,
    last_plan: LastPlan,
) -> Job {
    let remote = git.url.clone();
    let (namespace, name) = names(&policy.metadata);
    let targets: Vec<&str> = git.targets.iter().map(|it| it.path.as_str()).collect();
    let branch = git.branch.as_ref().map_or("", |branch| branch.as_str());
    let files = git.targets.iter().flat_map(|it| it.files.iter());
    let folders = git.targets.iter().filter_map(|it| it.folder.clone());
    let push = inputs.model.write_back.git().and_then(|it| it.push.clone());
    Job {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        target_key: target_key(&git.url.to_string(), branch, &targets.join(",")),
        paths: Paths {
            files: files.cloned().collect(),
            folders: folders.collect(),
        },
        push,
        style: style.clone(),
        decide: Box::new(move |snapshot| {
            let plan = inputs.decide_files(&remote, snapshot);
            let decided = inputs.decided(&plan);
            let last = Some((plan, snapshot.branch.clone()));
            *last_plan.lock().unwrap_or_else(PoisonError::into_inner) = last;
            decided
        }),
    }
}
