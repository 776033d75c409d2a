//! One edit in a monorepo of 10,000 applications: the git engine beside the git command line, in
//! one run and by turns, over TLS to the same `git http-backend`.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(
    clippy::cast_precision_loss,
    reason = "figures are shown with three digits"
)]

use std::convert::Infallible;
use std::fmt::Write as _;
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

const APPLICATIONS: usize = 10_000;
const COMMITS: usize = 200;
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    println!("making a repository of {APPLICATIONS} applications and {COMMITS} commits");
    let server = GitServer::builder()
        .tls()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    fill(&server)?;

    let warm = remote(&server)?;
    let (mut ours, mut again, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let file = application(round * 997);
        let tag = format!("2.{round}.0");
        theirs.push(measure(&server, command_line(&server, &file, &tag)).await?);
        let cold = remote(&server)?;
        let tag = format!("3.{round}.0");
        ours.push(measure(&server, engine(&cold, &file, &tag)).await?);
        let tag = format!("4.{round}.0");
        // The first use fetches what the others find.
        let cost = measure(&server, engine(&warm, &file, &tag)).await?;
        if round > 0 {
            again.push(cost);
        }
    }
    let poll = measure(&server, async {
        warm.read(None, &Paths::from_iter([path(&application(0))?]))
            .await?;
        Ok(())
    });
    let poll = poll.await?;
    server.fsck("mono")?;

    let (theirs, ours, again) = (median(&theirs), median(&ours), median(&again));
    println!("\n| one edit, median of {ROUNDS} | time | bytes | requests |\n|---|---|---|---|");
    row("git clone --depth 1, commit, push", theirs);
    row("this engine, nothing known", ours);
    row("this engine, remote known", again);
    row("this engine, unchanged poll", poll);
    println!(
        "\nratio to the command line: {:.0} times faster (target 10), {:.0} times fewer bytes (target 100)",
        theirs.time.as_secs_f64() / ours.time.as_secs_f64(),
        theirs.bytes as f64 / ours.bytes as f64
    );
    Ok(())
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

fn application(index: usize) -> String {
    let index = index % APPLICATIONS;
    format!("apps/team-{:03}/app-{index:05}/values.yaml", index / 100)
}

/// Values of 4 kB that don't compress well, as real ones with digests and certificates.
fn values(index: usize, tag: &str) -> Vec<u8> {
    let mut text = format!("image:\n  repository: registry.example/app-{index}\n  tag: {tag}\n");
    let mut state = index as u64 + 1;
    for line in 0..64 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Writing to a String does not fail.
        writeln!(
            text,
            "key{line}: \"{state:016x}{:016x}\"",
            state.rotate_left(31)
        )
        .ok();
    }
    text.into_bytes()
}

fn fill(server: &GitServer) -> anyhow::Result<()> {
    let files: Vec<(String, Vec<u8>)> = (0..APPLICATIONS)
        .map(|index| (application(index), values(index, "1.0.0")))
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_slice()))
        .collect();
    server.create_repository("mono", &files)?;
    for commit in 0..COMMITS {
        let index = commit * 41 % APPLICATIONS;
        let content = values(index, &format!("1.0.{commit}"));
        let path = application(index);
        server.commit("mono", "main", &[(&path, &content)], "Update")?;
    }
    Ok(())
}

fn path(text: &str) -> anyhow::Result<RepoPath> {
    text.parse().context("the path is valid")
}

fn remote(server: &GitServer) -> anyhow::Result<Remote> {
    let options = RemoteOptions {
        credential: Some(Credential::basic(USER, PASSWORD)),
        ca_pem: server.ca_pem().map(|pem| pem.as_bytes().to_vec()),
        ..RemoteOptions::default()
    };
    let url = server.url("mono").parse().context("the address is valid")?;
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
async fn command_line(server: &GitServer, file: &str, tag: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let authority = folder.path().join("ca.pem");
    let pem = server.ca_pem().context("the server has TLS")?;
    std::fs::write(&authority, pem).context("write the authority")?;
    let clone = folder.path().join("clone");
    let url = server
        .url("mono")
        .replace("https://", &format!("https://{USER}:{PASSWORD}@"));
    let clone_text = clone.display().to_string();
    let arguments = ["clone", "--quiet", "--depth", "1", &url, &clone_text];
    git(&authority, folder.path(), &arguments).await?;
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
