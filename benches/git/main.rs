//! Edits in a monorepo of 10,000 applications: the git engine beside the git command line, in one
//! run and by turns, over TLS to the same `git http-backend`.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(
    clippy::cast_precision_loss,
    reason = "figures are shown with three digits"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "it runs itself, and tells itself by the environment whom to trust"
)]

mod monorepo;
mod policies;

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use image_update_core::remote::RepoPath;
use image_update_operator::git::options::{Credential, RemoteOptions};
use image_update_operator::git::remote::Remote;
use image_update_operator::git::update::{CommitDraft, Paths, Signature, Snapshot, UpdateRequest};
use image_update_testkit::git_server::GitServer;
use jiff::Timestamp;
use tokio::process::Command;

const ROUNDS: usize = 5;
const USER: &str = "robot";
const PASSWORD: &str = "for-the-bench";

/// What one way of doing it took.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    bytes: u64,
    requests: u64,
}

/// What each way took, round by round.
#[derive(Default)]
struct Costs {
    shallow: Vec<Cost>,
    sparse: Vec<Cost>,
    cold: Vec<Cost>,
    warm: Vec<Cost>,
    after_others: Vec<Cost>,
    poll: Vec<Cost>,
}

/// How the command line gets at the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clone {
    Shallow,
    Sparse,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [argument, url, tag] = &arguments[..]
        && argument == policies::ARGUMENT
    {
        return policies::run(url, tag).await;
    }
    let server = GitServer::builder()
        .tls()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    monorepo::serve(&server).await?;
    let costs = one_edit(&server).await?;
    print_costs(&costs);
    let mut many = Vec::new();
    for round in 0..ROUNDS {
        many.push(policies::measure(&server, &format!("7.{round}.0")).await?);
    }
    server.fsck(monorepo::NAME)?;
    many.sort_by_key(|it| it.time);
    let median = &many[ROUNDS / 2];
    let peak = many.iter().map(|it| it.peak_mib).fold(0.0, f64::max);
    println!(
        "\n| 1,000 policies in one push, a commit each, median of {ROUNDS} | measured | target |\n\
         |---|---|---|\n\
         | from the first job to the last answer, 0.3 to 2.5 s of it waiting for more | {:.2} s | 3 s |\n\
         | resident at most | {peak:.0} MiB | 100 MiB |",
        median.time.as_secs_f64()
    );
    Ok(())
}

async fn one_edit(server: &GitServer) -> anyhow::Result<Costs> {
    let warm = remote(server)?;
    let mut costs = Costs::default();
    // The first use fetches what the others find; the second, all trees.
    for round in 0..2 {
        engine(&warm, &monorepo::values_file(1), &format!("1.{round}.1")).await?;
        somebody_else_pushes(server, round)?;
    }
    for round in 0..ROUNDS {
        let file = monorepo::values_file(round * 997);
        let tag = |way: usize| format!("{way}.{round}.0");
        let (second, third) = (tag(2), tag(3));
        let work = command_line(server, Clone::Shallow, &file, &second);
        costs.shallow.push(measure(server, work).await?);
        let work = command_line(server, Clone::Sparse, &file, &third);
        costs.sparse.push(measure(server, work).await?);
        let new = remote(server)?;
        costs
            .cold
            .push(measure(server, engine(&new, &file, &tag(4))).await?);
        somebody_else_pushes(server, round + 10)?;
        costs
            .after_others
            .push(measure(server, engine(&warm, &file, &tag(5))).await?);
        costs
            .warm
            .push(measure(server, engine(&warm, &file, &tag(6))).await?);
        let paths = Paths::from_iter([path(&file)?]);
        let poll = async { Ok(warm.read(None, &paths).await.map(drop)?) };
        costs.poll.push(measure(server, poll).await?);
    }
    Ok(costs)
}

fn somebody_else_pushes(server: &GitServer, round: usize) -> anyhow::Result<()> {
    let name = format!("{}/README.md", monorepo::folder(round * 31));
    let text = format!("round {round}\n");
    server.commit(
        monorepo::NAME,
        "main",
        &[(&name, text.as_bytes())],
        "By hand",
    )?;
    Ok(())
}

fn print_costs(costs: &Costs) {
    println!("\n| one edit, median of {ROUNDS} | time | bytes | requests |\n|---|---|---|---|");
    let [shallow, sparse, cold] = [&costs.shallow, &costs.sparse, &costs.cold].map(|it| median(it));
    row("`git clone --depth 1`, commit, push", shallow);
    row(
        "`git clone --depth 1 --filter=blob:none --sparse`, commit, push",
        sparse,
    );
    row("this engine, nothing known", cold);
    row(
        "this engine, others have pushed",
        median(&costs.after_others),
    );
    row("this engine, remote known", median(&costs.warm));
    row("this engine, unchanged poll", median(&costs.poll));
    let ratio = |other: Cost| other.time.as_secs_f64() / cold.time.as_secs_f64();
    println!(
        "\nWith nothing known: {:.0} times faster than the shallow clone (target 10), {:.1} times \
         faster than the sparse one (target 3), with {:.0} and {:.0} times fewer bytes.",
        ratio(shallow),
        ratio(sparse),
        shallow.bytes as f64 / cold.bytes as f64,
        sparse.bytes as f64 / cold.bytes as f64
    );
}

fn row(name: &str, cost: Cost) {
    println!(
        "| {name} | {:.0} ms | {:.1} kB | {} |",
        cost.time.as_secs_f64() * 1e3,
        cost.bytes as f64 / 1e3,
        cost.requests
    );
}

/// The median of each figure.
fn median(costs: &[Cost]) -> Cost {
    let middle = costs.len() / 2;
    let mut times: Vec<Duration> = costs.iter().map(|cost| cost.time).collect();
    let mut bytes: Vec<u64> = costs.iter().map(|cost| cost.bytes).collect();
    let mut requests: Vec<u64> = costs.iter().map(|cost| cost.requests).collect();
    times.sort_unstable();
    bytes.sort_unstable();
    requests.sort_unstable();
    Cost {
        time: times[middle],
        bytes: bytes[middle],
        requests: requests[middle],
    }
}

/// What the server saw while `work` was done, and how long that took.
async fn measure(
    server: &GitServer,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Cost> {
    let seen = || (server.bytes_down() + server.bytes_up(), server.requests());
    let (bytes, requests) = seen();
    let started = Instant::now();
    work.await?;
    let time = started.elapsed();
    let (bytes_after, requests_after) = seen();
    Ok(Cost {
        time,
        bytes: bytes_after - bytes,
        requests: requests_after - requests,
    })
}

fn path(text: &str) -> anyhow::Result<RepoPath> {
    text.parse().context("the path is valid")
}

fn options(ca_pem: Option<Vec<u8>>) -> RemoteOptions {
    RemoteOptions {
        credential: Some(Credential::basic(USER, PASSWORD)),
        ca_pem,
        ..RemoteOptions::default()
    }
}

fn remote(server: &GitServer) -> anyhow::Result<Remote> {
    let options = options(server.ca_pem().map(|pem| pem.as_bytes().to_vec()));
    let url = server
        .url(monorepo::NAME)
        .parse()
        .context("the address is valid")?;
    Ok(Remote::new(url, &options)?)
}

/// The edit by the engine.
async fn engine(remote: &Remote, file: &str, tag: &str) -> anyhow::Result<()> {
    let path = path(file)?;
    let request = UpdateRequest {
        paths: Paths::from_iter([path.clone()]),
        ..UpdateRequest::default()
    };
    let decide = |snapshot: &Snapshot| {
        let content = snapshot.files.get(&path).and_then(Option::as_ref)?;
        let text = std::str::from_utf8(content).ok()?;
        Some(CommitDraft {
            files: [(path.clone(), set_tag(text, tag).into_bytes())].into(),
            message: "Update".to_owned(),
            author: Signature::new("Bench", "bench@example.com", Timestamp::UNIX_EPOCH).ok()?,
            signing: None,
        })
    };
    remote
        .update(&request, |snapshot| Ok::<_, Infallible>(decide(snapshot)))
        .await?;
    Ok(())
}

fn set_tag(text: &str, tag: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("  tag: ") {
        Some(_) => format!("  tag: {tag}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// The same edit by the command line.
async fn command_line(
    server: &GitServer,
    kind: Clone,
    file: &str,
    tag: &str,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let authority = folder.path().join("ca.pem");
    let pem = server.ca_pem().context("the server has TLS")?;
    std::fs::write(&authority, pem).context("write the authority")?;
    let clone = folder.path().join("clone");
    let url = server
        .url(monorepo::NAME)
        .replace("https://", &format!("https://{USER}:{PASSWORD}@"));
    let clone_text = clone.display().to_string();
    let mut arguments = vec!["clone", "--quiet", "--depth", "1"];
    if kind == Clone::Sparse {
        arguments.extend(["--filter=blob:none", "--sparse"]);
    }
    arguments.extend([url.as_str(), &clone_text]);
    git(&authority, folder.path(), &arguments).await?;
    if kind == Clone::Sparse {
        let (application, _) = file.rsplit_once('/').context("the file has a folder")?;
        git(&authority, &clone, &["sparse-checkout", "set", application]).await?;
    }
    let path = clone.join(file);
    let text = std::fs::read_to_string(&path).context("read the file")?;
    std::fs::write(&path, set_tag(&text, tag)).context("write the file")?;
    let commit = [
        "-c",
        "user.name=Bench",
        "-c",
        "user.email=bench@example.com",
    ];
    let commit = [&commit[..], &["commit", "--quiet", "-am", "Update"]].concat();
    git(&authority, &clone, &commit).await?;
    git(&authority, &clone, &["push", "--quiet"]).await
}

async fn git(authority: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_SSL_CAINFO", authority)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status()
        .await
        .context("run git")?;
    anyhow::ensure!(status.success(), "git {arguments:?} failed");
    Ok(())
}
