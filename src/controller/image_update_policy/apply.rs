//! Decides against what stands at each destination, and writes what differs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::StreamExt as _;
use image_update_core::image::Candidate;
use image_update_core::plan::{self, Files, ImageInput, Known, Plan, Target};
use image_update_core::remote::BranchName;
use image_update_core::template::{ImageChange, target_key};
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tracing::{Instrument as _, info_span, warn};

use super::destinations::{Destination, GitDestination, overrides_path};
use super::gather::Gathered;
use super::git_access::GitAccess;
use super::lookups::Lookups;
use super::settled::Settled;
use super::{Write, Written};
use crate::api::v1alpha1::{ImageUpdatePolicy, annotations};
use crate::api::validate::PolicyModel;
use crate::argocd::patch;
use crate::controller::applications;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::status::{FIELD_MANAGER, names};
use crate::git::update::Paths;
use crate::metrics::Metrics;
use crate::write_back::job::{CommitStyle, Decided, Job, Outcome};

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

/// The candidates of each image, in the order of the spec.
pub(super) type Candidates = Vec<Vec<Candidate>>;

/// What a policy decides by. Shared with the queue that asks for the decision.
struct Inputs {
    model: Arc<PolicyModel>,
    images: Arc<Vec<Gathered>>,
    targets: Vec<Target>,
    settled: Settled,
    lookups: Lookups,
    now: Timestamp,
    metrics: Metrics,
}

/// Decides and writes every destination, each for itself.
pub(super) async fn apply(task: &Task<'_>, destinations: Vec<Destination>) -> Vec<Write> {
    futures::stream::iter(destinations)
        .map(|destination| task.write(destination))
        .buffered(AT_ONCE)
        .collect()
        .await
}

impl Task<'_> {
    /// Digests and images are looked up once the files tell which are needed.
    async fn write(&self, destination: Destination) -> Write {
        loop {
            let lookups = self.lookups.lock().await.clone();
            let round = lookups.round();
            let inputs = Inputs {
                model: Arc::clone(&self.model),
                images: Arc::clone(&self.images),
                targets: destination.targets().to_vec(),
                settled: self.settled.clone(),
                lookups,
                now: self.context.clock.now(),
                metrics: self.context.metrics.clone(),
            };
            let (plan, written) = match &destination {
                Destination::Git(git) => self.write_git(&destination, git, inputs).await,
                Destination::Application { known, index, .. } => {
                    self.write_application(known, *index, &inputs).await
                }
            };
            if let (Some(plan), Ok(_)) = (&plan, &written)
                && !plan.is_decided()
            {
                self.learn(plan, round).await;
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

    async fn write_git(
        &self,
        destination: &Destination,
        git: &GitDestination,
        inputs: Inputs,
    ) -> (Option<Plan>, Result<Written, Error>) {
        let Some((access, style)) = &self.git else {
            return (None, Ok(Written::Nothing { branch: None }));
        };
        let url = &git.url;
        if !self.context.allowed_hosts.allows(url.host(), url.port()) {
            let host = url.host().to_owned();
            return (None, Err(Error::HostNotAllowed { host }));
        }
        let options = access.options(self.policy, destination, url, self.context);
        let options = match options.await {
            Ok(options) => options,
            Err(error) => return (None, Err(error)),
        };
        let plan = Arc::new(Mutex::new(None));
        let job = job(self.policy, git, inputs, style, Arc::clone(&plan));
        let outcome = self
            .context
            .remotes
            .submit(url, &options, git.branch.clone(), job)
            .instrument(info_span!("write", git.remote = %url))
            .await;
        let plan: Option<Plan> = plan.lock().unwrap_or_else(PoisonError::into_inner).take();
        let written = match outcome {
            Ok(Outcome::Undecided) => Ok(Written::Nothing { branch: None }),
            Ok(Outcome::UpToDate { branch }) => Ok(Written::Nothing {
                branch: Some(branch),
            }),
            Ok(Outcome::Written {
                commit_id,
                branch,
                attempts,
            }) => Ok(Written::Pushed {
                commit_id: commit_id.to_string(),
                branch,
                attempts,
            }),
            Err(error) => Err(Error::WriteBack(error)),
        };
        (plan, written)
    }

    /// Decides on what is known of the Application; it is read anew only to be written.
    async fn write_application(
        &self,
        application: &applications::Known,
        index: usize,
        inputs: &Inputs,
    ) -> (Option<Plan>, Result<Written, Error>) {
        let nothing = || Ok(Written::Nothing { branch: None });
        let overrides = application.overrides.get(index);
        let overrides = overrides.map_or(&b"{}"[..], Vec::as_slice);
        let candidates = self.candidates.get_or_init(|| candidates(&self.images));
        let plan = inputs.decide_overrides(candidates, overrides);
        if plan.files.is_empty() || !plan.is_decided() || self.model.dry_run {
            return (Some(plan), nothing());
        }
        let what = self.right_and_values(&plan);
        let shown = format!("{}/{}", application.facts.namespace, application.facts.name);
        if self.context.put_backs.is_contested(&shown, &what) {
            return (Some(plan), Err(Error::PutBack { application: shown }));
        }
        let mut last_plan = None;
        let (namespace, name) = (&application.facts.namespace, &application.facts.name);
        let edit = |overrides: &[u8]| {
            let mut plan = inputs.decide_overrides(candidates, overrides);
            let edited = plan.files.get(&overrides_path()).cloned();
            let is_decided = plan.is_decided();
            if !is_decided {
                plan.files.clear();
            }
            last_plan = Some(plan);
            edited.filter(|_| is_decided)
        };
        let kube = &self.context.kube;
        let written = match patch::update(kube, namespace, name, index, FIELD_MANAGER, edit).await {
            Ok(patch::Outcome::Patched) => {
                self.context.put_backs.note(&shown, what);
                Ok(Written::Patched { application: shown })
            }
            Ok(patch::Outcome::Unchanged) => nothing(),
            Err(source) => Err(Error::Application(source)),
        };
        (last_plan.or(Some(plan)), written)
    }

    /// What a plan writes, and what would let it be written again after others put it back: a new
    /// spec, or a new value of the annotation that releases.
    fn right_and_values(&self, plan: &Plan) -> String {
        let metadata = &self.policy.metadata;
        let released = annotations::released(metadata);
        let values = plan.changes();
        let values = values.map(|(it, change)| format!("{}={}", it.alias, change.new));
        let values: Vec<String> = values.collect();
        format!(
            "{:?} {released:?} {}",
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
    last_plan: Arc<Mutex<Option<Plan>>>,
) -> Job {
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
            let files = snapshot.files.iter();
            let files = files.map(|(path, content)| (path.clone(), content.as_deref()));
            // Made for each decision: while a push is waited for they would take much memory.
            let candidates = candidates(&inputs.images);
            let branch = Some(&snapshot.branch);
            let plan = inputs.decide(&candidates, &files.collect(), branch);
            let decided = inputs.decided(&plan);
            *last_plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
            decided
        }),
    }
}

fn candidates(images: &[Gathered]) -> Candidates {
    let of_image = |image: &Gathered| match &image.tags {
        Ok(known) => known.tags.candidates(),
        Err(_) => Vec::new(),
    };
    images.iter().map(of_image).collect()
}

impl Inputs {
    fn decide(
        &self,
        candidates: &Candidates,
        files: &Files<'_>,
        branch: Option<&BranchName>,
    ) -> Plan {
        let _span = info_span!("decide").entered();
        let started = Instant::now();
        let images = self.images(candidates, branch);
        let mut plan = plan::decide(&images, &self.targets, files, &self.lookups.digests);
        // Nobody asks the operator for all of them, and they would take the memory of the tags
        // until a push is through.
        plan.forget_rejected();
        self.metrics.selected(started.elapsed());
        plan
    }

    fn decide_overrides(&self, candidates: &Candidates, overrides: &[u8]) -> Plan {
        let files = Files::from([(overrides_path(), Some(overrides))]);
        self.decide(candidates, &files, None)
    }

    /// The images that have tags, without those of which something can't be had.
    fn images<'a>(
        &'a self,
        candidates: &'a Candidates,
        branch: Option<&BranchName>,
    ) -> Vec<ImageInput<'a>> {
        // What one Application has says nothing about another that is selected later.
        let branch = branch.filter(|_| self.model.applications.is_empty());
        self.model
            .images
            .iter()
            .zip(self.images.iter())
            .zip(candidates)
            .filter(|((image, _), _)| !self.lookups.has_failed(&image.alias))
            .filter_map(|((image, gathered), candidates)| {
                let tags = &gathered.tags.as_ref().ok()?.tags;
                Some(ImageInput {
                    alias: &image.alias,
                    repository: &tags.repository,
                    kustomize_name: image.kustomize_name.as_deref(),
                    helm: image.helm.as_ref(),
                    plugin: image.plugin.as_ref(),
                    markers: &gathered.markers,
                    only_live: image.only_live,
                    policy: &image.policy,
                    digest: image.digest,
                    candidates,
                    settled: branch.and_then(|branch| self.settled.on(branch, &image.alias)),
                    known: Known {
                        looks: self.lookups.looks(&image.alias),
                        sightings: &tags.sightings,
                        now: self.now,
                    },
                })
            })
            .collect()
    }

    /// What follows from a plan; nothing for a dry run.
    fn decided(&self, plan: &Plan) -> Decided {
        if !plan.is_decided() {
            return Decided::Undecided;
        }
        if self.model.dry_run || plan.files.is_empty() {
            return Decided::Nothing;
        }
        let changes = plan.changes().map(|(placement, change)| ImageChange {
            image: change.image.clone(),
            name: self.repository_path(&placement.alias),
            alias: placement.alias.clone(),
            old: change.old.as_deref().map(digest_or_tag),
            new: digest_or_tag(&change.new),
        });
        Decided::Write {
            changes: changes.collect(),
            files: plan.files.clone(),
        }
    }

    fn repository_path(&self, alias: &str) -> String {
        let image = self.images.iter().find(|image| image.alias == alias);
        image
            .and_then(|image| image.tags.as_ref().ok())
            .map(|known| known.tags.repository.path().to_owned())
            .unwrap_or_default()
    }
}

/// What messages and names of branches say of `tag`, `tag@digest` or a digest: as in those of the
/// predecessor the digest alone, where there is one.
pub(super) fn digest_or_tag(text: &str) -> String {
    let digest = text.rsplit_once('@').map(|(_, digest)| digest);
    digest.unwrap_or(text).to_owned()
}
