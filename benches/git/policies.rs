//! A thousand policies that have something to write at once: a process of its own, so that what it
//! takes of memory is the operator's part and not the server's.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use image_update_core::message::MessageTemplate;
use image_update_core::remote::{RemoteUrl, RepoPath};
use image_update_core::template::ImageChange;
use image_update_operator::git::update::{Paths, Signature, Snapshot};
use image_update_operator::metrics::Metrics;
use image_update_operator::write_back::git::Remotes;
use image_update_operator::write_back::job::{CommitStyle, Decided, Edit, Job, Outcome};
use image_update_testkit::git_server::GitServer;
use jiff::Timestamp;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{monorepo, options, set_tag};

const POLICIES: usize = 1_000;

/// The argument that makes the bench that process, before the address and the tag.
pub(crate) const ARGUMENT: &str = "--policies";

/// What the process said.
pub(crate) struct Measured {
    pub(crate) time: Duration,
    pub(crate) peak_mib: f64,
}

/// Runs the process, and looks at what it made.
pub(crate) async fn measure(server: &GitServer, tag: &str) -> anyhow::Result<Measured> {
    let before = server.count_commits(monorepo::NAME, "main")?;
    let program = std::env::current_exe().context("find this program")?;
    let output = Command::new(program)
        .args([ARGUMENT, &server.url(monorepo::NAME), tag])
        .env("BENCH_CA", server.ca_pem().context("the server has TLS")?)
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("run this program")?;
    anyhow::ensure!(output.status.success(), "the policies' process failed");
    let written = server.count_commits(monorepo::NAME, "main")? - before;
    anyhow::ensure!(written == POLICIES, "{written} commits");
    let text = String::from_utf8(output.stdout).context("read what it said")?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().context("a number")?.context("read a number");
    Ok(Measured {
        time: Duration::from_secs_f64(next()?),
        peak_mib: next()?,
    })
}

/// Hands in a job for each policy, as reconciliations do, and prints seconds and MiB.
pub(crate) async fn run(url: &str, tag: &str) -> anyhow::Result<()> {
    let ca = std::env::var("BENCH_CA").context("the authority is given")?;
    let options = options(Some(ca.into_bytes()));
    let url: RemoteUrl = url.parse().context("the address is valid")?;
    let stop = CancellationToken::new();
    let remotes = Arc::new(Remotes::new(stop, Metrics::default(), 32 * 1024 * 1024));
    let started = Instant::now();
    let mut jobs = JoinSet::new();
    for index in 0..POLICIES {
        let job = job(index * 7, tag)?;
        let (remotes, url, options) = (Arc::clone(&remotes), url.clone(), options.clone());
        jobs.spawn(async move { remotes.submit(&url, &options, None, job).await });
    }
    while let Some(outcome) = jobs.join_next().await {
        let outcome = outcome.context("a job ends")??;
        anyhow::ensure!(matches!(outcome, Outcome::Written { .. }), "{outcome:?}");
    }
    println!("{} {}", started.elapsed().as_secs_f64(), peak_mib()?);
    Ok(())
}

fn job(index: usize, tag: &str) -> anyhow::Result<Job> {
    let path: RepoPath = monorepo::values_file(index).parse()?;
    let author = Signature::new("Bench", "bench@example.com", Timestamp::UNIX_EPOCH)?;
    let tag = tag.to_owned();
    let paths = Paths::from_iter([path.clone()]);
    let decide = move |snapshot: &Snapshot| {
        let content = snapshot.files.get(&path).and_then(Option::as_ref);
        let text = content.and_then(|content| std::str::from_utf8(content).ok());
        let Some(text) = text else {
            return Decided::Nothing;
        };
        let change = ImageChange {
            image: format!("registry.example/app-{index}"),
            name: format!("app-{index}"),
            alias: "app".to_owned(),
            old: Some("1.0.0".to_owned()),
            new: tag.clone(),
        };
        Decided::Write(vec![Edit {
            application: None,
            files: [(path.clone(), set_tag(text, &tag).into_bytes())].into(),
            changes: vec![change],
        }])
    };
    Ok(Job {
        name: format!("app-{index}"),
        namespace: "argocd".to_owned(),
        target_key: String::new(),
        paths,
        push: None,
        style: CommitStyle {
            message: MessageTemplate::default(),
            author,
            sign_off: false,
            signing: None,
            is_shared: false,
        },
        decide: Box::new(decide),
    })
}

/// The most memory that this process had, in MiB.
fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("ask the kernel")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = number
        .context("the kernel says it")?
        .parse()
        .context("read a number")?;
    Ok(kib / 1024.0)
}
