//! `template`: renders a template with sample data, as a commit would.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use image_update_core::message::{MessageError, MessageTemplate};
use image_update_core::template::{
    BranchTemplate, BranchTemplateError, ImageChange, TemplateData, target_key,
};

use super::failure::Failure;
use super::{input, output};

/// The most that is read: more than a template may have, so that its own error tells of that.
const LIMIT_BYTES: usize = 1024 * 1024;

/// Flags of `template`.
#[derive(Args, Debug)]
pub(super) struct TemplateArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Renders the message of a commit that changes two images of the application `shop`
    Commit {
        /// Where the template is: a file, or `-` for standard input. Unset: the default template
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Renders the name of the branch that such a commit is pushed to
    Branch {
        /// The template itself, such as `image-updates/{{.SHA256}}`
        #[arg(value_name = "TEMPLATE")]
        template: String,
    },
}

/// Renders, and prints.
pub(super) fn run(args: &TemplateArgs) -> Result<(), Failure> {
    let changes = sample();
    let key = target_key("https://git.example/org/env.git", "main", "apps/shop");
    let data = TemplateData {
        app_name: "shop",
        app_namespace: "argocd",
        changes: &changes,
        target_key: &key,
    };
    let rendered = match &args.kind {
        Kind::Commit { file: None } => MessageTemplate::default()
            .render(&data)
            .map_err(Failure::input)?,
        Kind::Commit { file: Some(path) } => {
            let text = input::read_text(path, LIMIT_BYTES)?;
            message(&text, &data)
                .map_err(|error| Failure::input(error).about(input::shown(path)))?
        }
        Kind::Branch { template } => {
            let name = branch(template, &data).map_err(|error| {
                let is_name = matches!(error, BranchTemplateError::Name { .. });
                let failure = Failure::input(error);
                if is_name {
                    failure.hint("git check-ref-format tells what a branch may be called")
                } else {
                    failure
                }
            });
            name? + "\n"
        }
    };
    output::write(rendered.as_bytes())
}

fn message(text: &str, data: &TemplateData<'_>) -> Result<String, MessageError> {
    let mut message = MessageTemplate::checked(text)?.render(data)?;
    // Git ends a message with a line break, too.
    if !message.ends_with('\n') {
        message.push('\n');
    }
    Ok(message)
}

fn branch(text: &str, data: &TemplateData<'_>) -> Result<String, BranchTemplateError> {
    let name = BranchTemplate::checked(text)?.render(data)?;
    Ok(name.as_str().to_owned())
}

/// Two changes, so that loops show: one of a tag, and one where no value stood before.
fn sample() -> [ImageChange; 2] {
    [
        ImageChange {
            image: "ghcr.io/org/web".to_owned(),
            name: "org/web".to_owned(),
            alias: "web".to_owned(),
            old: Some("1.4.0".to_owned()),
            new: "1.5.0".to_owned(),
        },
        ImageChange {
            image: "nginx".to_owned(),
            name: "library/nginx".to_owned(),
            alias: "proxy".to_owned(),
            old: None,
            new: "1.27.2".to_owned(),
        },
    ]
}
