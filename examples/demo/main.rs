//! The main job, live: a tag is pushed to a registry, and the commit that uses it is in git.
//!
//! `make demo` runs it. Everything is real and on loopback: etcd, kube-apiserver, a registry and
//! `git http-backend` over TLS. The chart is installed as Helm does it, and the operator is a process with
//! the arguments and the token of the chart's pod, since there is no node to start one. Nothing is left
//! running.

#![expect(clippy::print_stdout, reason = "it is a demonstration")]

mod stage;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use serde_json::Value;
use stage::Stage;

/// How long to wait for what takes the operator one interval of ten seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Shows one update from a pushed image to a commit.
#[derive(Parser)]
struct Arguments {
    /// Stay up afterwards, until Ctrl-C.
    #[arg(long)]
    keep: bool,

    /// The operator's program. Unset: the one that was built along with this example.
    #[arg(long)]
    operator: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::select! {
        result = run(&arguments) => result,
        stopped = tokio::signal::ctrl_c() => stopped.context("wait for Ctrl-C"),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let operator = match &arguments.operator {
        Some(path) => path.clone(),
        None => built_operator()?,
    };
    step("Starting etcd, kube-apiserver, a registry and a git server on loopback");
    let mut stage = Stage::start().await?;
    step("Installing the chart, with its defaults");
    let objects = stage.install().await?;
    println!("{}", names(&objects));
    step("Starting the operator, as the Deployment says and its ServiceAccount may");
    println!("{}", stage.start_operator(operator, &objects).await?);
    step("Making a Secret with the git credential, and pushing podinfo v1.0.0 to the registry");
    stage.prepare().await?;
    stage.push("1.0.0").await?;
    let result = show(&stage, arguments.keep).await;
    if result.is_err() {
        println!("\nThe operator's last words:\n{}", stage.logs());
    }
    result
}

/// What was installed, as `kubectl apply` lists it.
fn names(objects: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let lines = objects.iter().map(|object| {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        format!("{kind}/{name}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn show(stage: &Stage, keep: bool) -> anyhow::Result<()> {
    step("Applying an ImageWatch and an ImageUpdatePolicy");
    println!("{}", stage.apply().await?);
    wait_for(stage, "1.0.0").await?;

    step("Pushing podinfo v1.1.0 to the registry");
    let pushed = Instant::now();
    stage.push("1.1.0").await?;
    wait_for(stage, "1.1.0").await?;
    let waited = pushed.elapsed();
    stage.wait_until_ready().await?;

    step("The commit that the operator pushed");
    println!("{}", stage.commit()?);
    step("kubectl get imagewatches,imageupdatepolicies");
    for kind in ["imagewatches", "imageupdatepolicies"] {
        println!("{}", table::get(stage.kubeconfig(), kind).await?);
    }
    step("How long it took");
    println!(
        "from the pushed tag to the commit   {:6.2} s",
        waited.as_secs_f64()
    );
    let acted = stage.time_after_scan()?;
    println!(
        "of that, after the scan that saw it {:6.2} s",
        acted.as_secs_f64()
    );
    println!("(the rest is waiting for the scan: the watch looks every 10 s)");
    if keep {
        stage.explain()?;
        // Ctrl-C ends `main`.
        std::future::pending::<()>().await;
    }
    Ok(())
}

async fn wait_for(stage: &Stage, tag: &str) -> anyhow::Result<()> {
    step(&format!("Waiting for the commit that deploys v{tag}"));
    let expected = format!("newTag: {tag}");
    let started = Instant::now();
    while !stage.kustomization()?.contains(&expected) {
        anyhow::ensure!(
            started.elapsed() < PATIENCE,
            "no commit with {expected} after {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The operator beside this example: cargo puts examples in a folder of their own.
fn built_operator() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("find this program")?;
    let folder = this.parent().and_then(|examples| examples.parent());
    let path = folder
        .context("find the folder of this program")?
        .join("image-update-operator");
    anyhow::ensure!(
        path.exists(),
        "the operator is not built; run `make demo`, or `cargo build` first"
    );
    Ok(path)
}

fn step(text: &str) {
    println!("\n==> {text}");
}
