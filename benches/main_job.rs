//! The main job on the real stack: from the scan that sees a tag to the commit, and the operator's
//! memory at rest.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(
    clippy::cast_precision_loss,
    reason = "figures are shown with three digits"
)]

#[expect(dead_code, reason = "the demo uses the rest")]
#[path = "../examples/demo/stage.rs"]
mod stage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use image_update_operator::api::v1alpha1::ImageWatch;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use stage::Stage;

const ROUNDS: u32 = 20;
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut stage = Stage::start().await?;
    let objects = stage.install().await?;
    stage.prepare().await?;
    stage.push("1.0.0").await?;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator"));
    stage.start_operator(program, &objects).await?;
    stage.apply().await?;
    wait_for(&stage, "1.0.0").await?;

    let (mut after_scan, mut after_push) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let tag = format!("1.{round}.0");
        let pushed = Instant::now();
        stage.push(&tag).await?;
        request_scan(&stage, &tag).await?;
        wait_for(&stage, &tag).await?;
        after_push.push(pushed.elapsed());
        stage.wait_until_ready().await?;
        after_scan.push(stage.time_after_scan()?);
    }
    // At rest: a whole interval without anything to do.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let memory = operator_memory(&stage)?;

    println!("| {ROUNDS} tags | median | 95th percentile | target |\n|---|---|---|---|");
    row(
        "from the scan that saw the tag to the commit",
        after_scan,
        "500 ms",
    );
    row(
        "from the push, asked to scan at once, to the commit",
        after_push,
        "",
    );
    println!(
        "\nthe operator at rest: {:.1} MiB resident (target 40)",
        memory as f64 / 1024.0
    );
    Ok(())
}

fn row(name: &str, mut times: Vec<Duration>, target: &str) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "| {name} | {:.0} ms | {:.0} ms | {target} |",
        at(50),
        at(95)
    );
}

async fn wait_for(stage: &Stage, tag: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    let expected = format!("newTag: {tag}");
    while !stage.kustomization()?.contains(&expected) {
        if started.elapsed() > PATIENCE {
            println!("{}", stage.logs());
        }
        anyhow::ensure!(started.elapsed() < PATIENCE, "no commit with {expected}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Asks the watch for a scan at once, as a user does.
async fn request_scan(stage: &Stage, token: &str) -> anyhow::Result<()> {
    let api: Api<ImageWatch> = Api::namespaced(stage.kube.clone(), stage::NAMESPACE);
    let annotations = json!({"image-update.dev/requestedAt": token});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    api.patch("podinfo", &PatchParams::default(), &patch)
        .await
        .context("annotate the watch")?;
    Ok(())
}

/// The resident memory of the operator, in KiB.
fn operator_memory(stage: &Stage) -> anyhow::Result<u64> {
    let operator = stage.operator.as_ref().context("the operator runs")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.process.pid()))
        .context("read what the kernel says of the operator")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .context("the kernel says how much memory it has")
}
