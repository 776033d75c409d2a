//! `plan` and `apply`: the operator's main job as one command, with objects from files. Registries and
//! git remotes are real; no cluster is asked.

mod diff;
mod objects;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use image_update_core::legacy::Severity;

use super::failure::{self, Failure};
use super::logins::LoginFlags;
use super::output::OutputFlag;
use super::progress::Progress;
use crate::config::CommitConfig;
use crate::controller::once::{self, Cluster, Findings, Options, Seen};
use crate::write_back::journal::Mode;

/// The exit code of `plan` where there is something to write.
const PENDING: u8 = 3;

/// Flags of `plan` and `apply`.
#[derive(Args, Debug)]
pub(super) struct OfflineArgs {
    /// A file of objects as YAML or JSON, lists of them too; a folder, whose `.yaml`, `.yml` and
    /// `.json` files are read; or `-` for standard input. Policies, watches, Applications (annotated
    /// ones are converted), Secrets and ServiceAccounts are looked at, and what Argo CD knows of
    /// repositories. May be given again
    #[arg(short, long, value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "argocd")]
    namespace: String,

    /// A folder for what is known of images, so that the next run need not fetch it again. Unset: it
    /// is forgotten
    #[arg(long, env = "IMAGE_UPDATE_CACHE_DIR", value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,

    #[command(flatten)]
    commit: CommitConfig,

    #[command(flatten)]
    logins: LoginFlags,

    #[command(flatten)]
    output: OutputFlag,
}

/// Shows what would be written.
pub(super) fn plan(args: &OfflineArgs) -> Result<ExitCode, Failure> {
    let is_pending = carry_out(args, Mode::Rehearse)?;
    Ok(if is_pending {
        ExitCode::from(PENDING)
    } else {
        ExitCode::SUCCESS
    })
}

/// Writes it.
pub(super) fn apply(args: &OfflineArgs) -> Result<(), Failure> {
    carry_out(args, Mode::Push).map(drop)
}

/// Looks, and prints; says whether something was written, or would be.
#[tokio::main]
async fn carry_out(args: &OfflineArgs, mode: Mode) -> Result<bool, Failure> {
    crate::tls::install_provider();
    let found = objects::read(&args.filename, &args.namespace)?;
    let seen = Arc::new(Seen::default());
    let options = Options {
        mode,
        registries: args.logins.registries()?,
        argocd_namespace: args.logins.argocd_namespace(),
        argocd_credentials: args.logins.argocd_credentials(),
        commit: args.commit.settings(),
        cache_dir: args.cache_dir.clone(),
        logins: args.logins.logins()?,
        only: None,
        seen: Arc::clone(&seen),
    };
    let message = match found.count() {
        1 => "looking at one policy".to_owned(),
        count => format!("looking at {count} policies"),
    };
    let progress = Progress::counting(message, move || seen.to_string());
    let looked = once::look(found.objects, Cluster::Files(found.others), options).await;
    drop(progress);
    let findings = looked.context("the folder of --cache-dir can't be used")?;
    let shown = show::Shown::of(&findings);
    args.output
        .print(&shown, |shown| shown.text(diff::Colours::of_stdout()))?;
    let is_pending = !shown.is_empty();
    told(&findings).map(|()| is_pending)
}

/// Tells what went wrong; an error if something did.
fn told(findings: &Findings) -> Result<(), Failure> {
    let mut wrong_input = 0;
    for (subject, diagnostic) in &findings.diagnostics {
        let is_error = diagnostic.problem.severity() == Severity::Error;
        wrong_input += usize::from(is_error);
        let kind = if is_error { "error" } else { "warning" };
        failure::tell(kind, &format!("Application {subject}: {diagnostic}"));
        failure::tell("hint", diagnostic.problem.hint());
    }
    if findings.taken_for_live > 0 {
        failure::warn(&match findings.taken_for_live {
            1 => "one Application has no status in its file: its images are taken for running"
                .to_owned(),
            count => format!(
                "{count} Applications have no status in their files: their images are taken for running"
            ),
        });
    }
    let mut failed = 0;
    for policy in &findings.policies {
        let subject = format!("{}/{}", policy.namespace, policy.name);
        for error in &policy.errors {
            failure::tell("error", &format!("policy {subject}: {error}"));
        }
        if policy.is_invalid {
            wrong_input += 1;
        } else {
            failed += usize::from(!policy.errors.is_empty());
        }
    }
    let count = |count: usize, what: &str| match count {
        1 => anyhow::anyhow!("one {what}"),
        count => anyhow::anyhow!("{count} of them: {what}"),
    };
    if wrong_input > 0 {
        return Err(Failure::input(count(wrong_input, "object is wrong")));
    }
    if failed > 0 {
        return Err(Failure::failed(count(failed, "policy failed")));
    }
    Ok(())
}
