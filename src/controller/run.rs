//! Starts the controllers and stops them again.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::channel::mpsc;
use futures::{FutureExt, Stream, StreamExt, future};
use image_update_core::webhook::Push;
use kube::Client;
use kube::core::{DeserializeGuard, Resource};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{self, store::Writer};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, predicates, utils::Predicate, utils::PredicateConfig};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::context::{Context, GuardedPolicy, GuardedWatch, Settings, key};
use super::elect::Term;
use super::gate::gate;
use super::legacy::Legacy;
use super::observed::Observed;
use super::scope;
use super::shards;
use super::status::ReportError;
use super::union::union;
use super::{applications, image_update_policy, image_watch, legacy, webhooks};
use crate::api::v1alpha1::{GROUP, ImageUpdatePolicy, ImageWatch};
use crate::config::{RunConfig, UnusableFlag, variable};
use crate::hosts::AllowedHosts;
use crate::metrics::Metrics;
use crate::registry::conf::Registries;
use crate::server::{self, Site};
use crate::telemetry::LogLevel;
use crate::webhook;

/// How long until an object is looked at again whose status could not be written.
const REPORT_RETRY: Duration = Duration::from_secs(5);

/// Runs both controllers until `stop` is cancelled, then lets what is under way finish, for
/// `config.shutdown_timeout` at most. They work once this replica leads, and end if it no longer
/// does.
pub(crate) async fn run(
    kube: Client,
    config: &RunConfig,
    (metrics, log_level): (Metrics, LogLevel),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let Listeners { pages, hooks } = listen(config).await?;
    check_kinds_are_installed(&kube).await?;
    let (watches, watch_writer) = reflector::store();
    let (policies, policy_writer) = reflector::store();
    let (watch_trigger, triggered_watches) = mpsc::unbounded();
    let (policy_trigger, triggered) = mpsc::unbounded();
    let context = Context::new(
        kube.clone(),
        (Settings::from(config), Legacy::new(config)),
        (allowed_hosts(config)?, registries(config)?),
        (watches.clone(), policies.clone()),
        (watch_trigger, policy_trigger),
        stop.clone(),
        metrics,
    )
    .context(UnusableFlag("--cache-dir"))?;

    // Not among the tasks: it serves while they end, and goes with this function.
    let mut pages = serve(pages, &context, &log_level);
    let (noting, known) = (Arc::clone(&context), context.watches_are_known.clone());
    let (whole, watches_are_whole) = watch::channel(false);
    let watch_stream = objects(&kube, config, watch_writer, (known, whole), move |event| {
        note_watch(&noting, event);
    });
    let (noting, known) = (Arc::clone(&context), context.policies_are_known.clone());
    let (whole, policies_are_whole) = watch::channel(false);
    let policy_stream = objects(&kube, config, policy_writer, (known, whole), move |event| {
        note_policy(&noting, event);
    });
    let settings = kube::runtime::controller::Config::default();
    let term = Term::of(&kube, config, &context.holders)?;
    let leads = context.leads.clone();
    let watch_stream = gate(
        watch_stream,
        watches.clone(),
        leads.clone(),
        watches_are_whole,
    );
    let policy_stream = gate(
        policy_stream,
        policies.clone(),
        leads.clone(),
        policies_are_whole,
    );
    // Nothing is lost: each policy is looked at when this replica begins to lead.
    let triggered = triggered.filter(move |_| future::ready(leads.is_cancelled()));

    let mut tasks = JoinSet::new();
    tasks.spawn(
        Controller::for_stream(watch_stream, watches)
            // Watches that wait for a registry must not keep others from being scanned: see
            // `Context::watch_permits`.
            .with_config(settings.clone().concurrency(0))
            .reconcile_on(triggered_watches)
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(image_watch::reconcile, error_policy, Arc::clone(&context))
            .for_each(async |result| log_failure(result)),
    );
    tasks.spawn(
        Controller::for_stream(policy_stream, policies)
            // Policies that wait for a push must not keep others from joining it: see
            // `Context::permits`.
            .with_config(settings.concurrency(0))
            .reconcile_on(triggered)
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(
                image_update_policy::reconcile,
                error_policy,
                Arc::clone(&context),
            )
            .for_each(async |result| log_failure(result)),
    );
    if let Some(listener) = hooks {
        let pushed = receive(listener, config, context.metrics.clone(), &mut pages);
        tasks.spawn(webhooks::follow(Arc::clone(&context), pushed, stop.clone()));
    }
    follow(kube, config, &context, &mut tasks);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        "The operator is running"
    );
    let work = supervise(tasks, stop, Duration::from_secs(config.shutdown_timeout));
    let ended = term.during(work, &context).await;
    context.notifications.finish().await;
    ended
}

/// Receives webhooks of registries, by a task among `tasks`; returns what was pushed.
fn receive(
    listener: TcpListener,
    config: &RunConfig,
    metrics: Metrics,
    tasks: &mut JoinSet<()>,
) -> Receiver<Vec<Push>> {
    let (sender, pushed) = tokio::sync::mpsc::channel(webhooks::QUEUE);
    let secrets = webhook::Secrets::new(config.webhook.webhook_secret_dir.clone(), variable);
    tasks.spawn(async move {
        let types = secrets.served().await.join(" ");
        info!(address = address(&listener), types, "Receiving webhooks");
        webhook::serve(listener, webhook::Receiver::new(secrets, sender, metrics)).await;
    });
    pushed
}

/// Where others may ask.
struct Listeners {
    pages: [(Site, Option<TcpListener>); 2],
    hooks: Option<TcpListener>,
}

/// Takes the addresses that the settings name.
async fn listen(config: &RunConfig) -> anyhow::Result<Listeners> {
    let probes = server::listen(Site::Probes, config.metrics_address()).await;
    let probes = probes.context(UnusableFlag("--metrics-address"))?;
    let debug_address = config.debug_address.as_deref().unwrap_or_default();
    let debug = server::listen(Site::Debug, debug_address).await;
    let debug = debug.context(UnusableFlag("--debug-address"))?;
    let hooks = server::listen(Site::Probes, &config.webhook.webhook_address).await;
    let hooks = hooks.context(UnusableFlag("--webhook-address"))?;
    Ok(Listeners {
        pages: [(Site::Probes, probes), (Site::Debug, debug)],
        hooks,
    })
}

/// For the log.
fn address(listener: &TcpListener) -> String {
    let address = listener.local_addr();
    address.map_or_else(|_| String::new(), |it| it.to_string())
}

/// Serves the pages until the set is dropped.
fn serve(
    pages: [(Site, Option<TcpListener>); 2],
    context: &Arc<Context>,
    log_level: &LogLevel,
) -> JoinSet<()> {
    let mut serving = JoinSet::new();
    for (site, listener) in pages {
        if let Some(listener) = listener {
            info!(address = address(&listener), ?site, "Serving");
            let observed = Arc::new(Observed::new(Arc::clone(context), log_level.clone()));
            serving.spawn(server::serve(site, listener, observed));
        }
    }
    serving
}

/// Follows what is neither a watch nor a policy.
fn follow(kube: Client, config: &RunConfig, context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let stop = &context.stop;
    let (follower, end) = (Arc::clone(context), stop.clone());
    tasks.spawn(async move { follower.registries.follow(end).await });
    if context.shards.are_on() {
        tasks.spawn(shards::follow(Arc::clone(context)));
    }
    if context.legacy.is_on() {
        tasks.spawn(legacy::follow(Arc::clone(context), stop.clone()));
    }
    tasks.spawn(applications::follow(
        kube,
        config.watch_namespaces.clone(),
        Arc::clone(context),
        stop.clone(),
    ));
}

/// What else follows from a change of a watch.
fn note_watch(context: &Context, event: &Event<GuardedWatch>) {
    context.shards.objects_changed();
    if let Event::Delete(watch) = event {
        context.forget_watch(watch.meta());
    }
}

/// What else follows from a change of a policy.
fn note_policy(context: &Context, event: &Event<GuardedPolicy>) {
    context.shards.objects_changed();
    match event {
        Event::Delete(policy) => context.forget_policy(policy.meta()),
        Event::Apply(policy) | Event::InitApply(policy) => {
            context.policy_index.put(policy);
            context.legacy.policy_changed(policy.meta());
        }
        Event::InitDone => {
            let all = context.policies.state();
            let all = all.iter().map(|policy| key(policy.meta())).collect();
            context.policy_index.keep(&all);
        }
        Event::Init => {}
    }
}

/// Waits for the controllers to end, which they do only when told to.
async fn supervise(
    mut tasks: JoinSet<()>,
    stop: CancellationToken,
    timeout: Duration,
) -> anyhow::Result<()> {
    let ended = tasks
        .join_next()
        .map(|ended| ended.map(|result| result.context("a controller panicked")));
    let mut failure = None;
    tokio::select! {
        () = stop.cancelled() => info!("Stopping: letting writes finish"),
        ended = ended => failure = match ended {
            Some(Err(error)) => Some(error),
            Some(Ok(())) | None if stop.is_cancelled() => None,
            Some(Ok(())) | None => Some(anyhow::anyhow!("a controller ended by itself")),
        },
    }
    stop.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(timeout, rest).await.is_err() {
        warn!("Some reconciliations did not end in time; they go on at the next start");
    }
    info!("Stopped");
    failure.map_or(Ok(()), Err)
}

/// The objects of one kind as a stream that is silent about status writes.
///
/// `watch_namespaces` of the configuration is honoured; `known` is cancelled once the store holds
/// them all; `whole` says whether it does, and not while they are listed anew; `seen` is called for what happens, statuses too, after the store knows it.
fn objects<K>(
    kube: &Client,
    config: &RunConfig,
    writer: Writer<DeserializeGuard<K>>,
    (known, whole): (CancellationToken, watch::Sender<bool>),
    seen: impl Fn(&Event<DeserializeGuard<K>>) + Send + Sync + 'static,
) -> impl Stream<Item = Result<DeserializeGuard<K>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let apis = scope::apis::<DeserializeGuard<K>>(kube, &config.watch_namespaces);
    let mut watches: Vec<_> = apis
        .into_iter()
        .map(|api| {
            watcher::watcher(api, watcher::Config::default())
                .default_backoff()
                .boxed()
        })
        .collect();
    let events = match watches.pop() {
        Some(only) if watches.is_empty() => only,
        last => {
            watches.extend(last);
            union(watches).boxed()
        }
    };
    events
        // Nobody looks at who owns which field, and it is most of an object.
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .inspect(move |event| {
            let Ok(event) = event else { return };
            match event {
                Event::Init => drop(whole.send_replace(false)),
                Event::InitDone => {
                    known.cancel();
                    whole.send_replace(true);
                }
                Event::InitApply(_) | Event::Apply(_) | Event::Delete(_) => {}
            }
            seen(event);
        })
        .applied_objects()
        .predicate_filter(
            predicates::generation
                .combine(predicates::annotations)
                // Of which a shard may be made.
                .combine(predicates::labels),
            PredicateConfig::default(),
        )
}

/// The file about registries, if there is one.
fn allowed_hosts(config: &RunConfig) -> anyhow::Result<AllowedHosts> {
    AllowedHosts::parse(&config.allowed_hosts).context(UnusableFlag("--allowed-hosts"))
}

fn registries(config: &RunConfig) -> anyhow::Result<Registries> {
    match &config.registries_conf_path {
        Some(path) => Registries::load(path, variable, config.allow_ext_credentials)
            .context(UnusableFlag("--registries-conf-path")),
        None => Ok(Registries::none(variable)),
    }
}

/// Fails early, and with the way out, if the kinds are not there.
async fn check_kinds_are_installed(kube: &Client) -> anyhow::Result<()> {
    let version = format!("{GROUP}/v1alpha1");
    let installed = match kube.list_api_group_resources(&version).await {
        Ok(list) => list.resources,
        Err(kube::Error::Api(answer)) if answer.code == 404 => Vec::new(),
        Err(error) => return Err(error).context("could not reach the Kubernetes API server"),
    };
    for kind in [ImageWatch::kind(&()), ImageUpdatePolicy::kind(&())] {
        anyhow::ensure!(
            installed.iter().any(|resource| resource.kind == kind),
            "the kind {kind}.{GROUP} is not installed; \
             run: image-update-operator crds | kubectl apply --server-side -f -"
        );
    }
    Ok(())
}

/// Reached only when the report itself could not be written: the API server is the problem.
fn error_policy<K>(_: Arc<K>, _: &ReportError, _: Arc<Context>) -> Action {
    Action::requeue(REPORT_RETRY)
}

fn log_failure<T, E: std::error::Error + 'static>(result: Result<T, E>) {
    if let Err(error) = result {
        warn!(
            error = &error as &dyn std::error::Error,
            "A reconciliation was not completed"
        );
    }
}
