//! What the commits of policies that are made of annotations are like. argocd-image-updater had these
//! settings for all Applications; their names are its own.

use std::fs::File;
use std::io::Read as _;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use image_update_core::legacy::{AuthorEmail, AuthorName, CommitSettings, SecretName};
use image_update_core::message::{MessageError, MessageTemplate};
use image_update_core::template::MAX_TEMPLATE_BYTES;

/// Settings of the commits of converted policies.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Commits of converted policies")]
pub struct CommitConfig {
    /// Who the commits of policies that are made of annotations are of.
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_COMMIT_USER",
        value_name = "NAME",
        default_value_t
    )]
    pub git_commit_user: AuthorName,

    /// The address of that author.
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_COMMIT_EMAIL",
        value_name = "EMAIL",
        default_value_t
    )]
    pub git_commit_email: AuthorEmail,

    /// The template of their messages, as `spec.writeBack.git.commit.message` has it, or `@` and a
    /// file with it. Unset: `build: automatic update of …` with a line for each change.
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_COMMIT_MESSAGE",
        value_name = "TEMPLATE",
        value_parser = message
    )]
    pub git_commit_message: Option<MessageTemplate>,

    /// Whether a `Signed-off-by` line is added to those messages.
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_COMMIT_SIGN_OFF",
        value_name = "BOOL",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    pub git_commit_sign_off: bool,

    /// The Secret with the key that signs those commits, as `spec.writeBack.git.commit.signing` has
    /// it. Every namespace with annotated Applications needs one of this name. Unset: they are not
    /// signed.
    #[arg(
        long,
        env = "IMAGE_UPDATE_GIT_COMMIT_SIGNING_SECRET",
        value_name = "NAME"
    )]
    pub git_commit_signing_secret: Option<SecretName>,
}

impl CommitConfig {
    /// The same for who converts.
    pub fn settings(&self) -> CommitSettings {
        CommitSettings {
            author_name: self.git_commit_user.clone(),
            author_email: self.git_commit_email.clone(),
            message: self.git_commit_message.clone(),
            sign_off: self.git_commit_sign_off,
            signing_secret: self.git_commit_signing_secret.clone(),
        }
    }
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
enum MessageFlagError {
    #[error(transparent)]
    Message(MessageError),
    #[error("the file can't be read: {0}")]
    File(#[source] std::io::Error),
}

/// Reads the template, or the file that holds it.
fn message(text: &str) -> Result<MessageTemplate, MessageFlagError> {
    let Some(path) = text.strip_prefix('@') else {
        return MessageTemplate::checked(text).map_err(MessageFlagError::Message);
    };
    // One byte more than a template may have, so that its own error tells of that.
    let limit = u64::try_from(MAX_TEMPLATE_BYTES + 1).unwrap_or(u64::MAX);
    let mut template = String::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut template))
        .map_err(MessageFlagError::File)?;
    MessageTemplate::checked(&template).map_err(MessageFlagError::Message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Option<&str>, &str>) {
        let read = message(text).map_err(|error| error.to_string());
        match (&read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read.text(), expected),
            (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
            _ => assert!(read.is_ok() == expected.is_ok(), "{text}: {read:?}"),
        }
    }

    #[test]
    fn a_message_is_a_template_or_in_a_file() {
        check("chore: {{.AppName}}", Ok(Some("chore: {{.AppName}}")));
        check(
            "{{range .AppChanges}}{{.Labels}}{{end}}",
            Err("line 1, column 24: no field `Labels`"),
        );
        check(" ", Err("the template renders an empty message"));
        check("@/nowhere/commit.template", Err("the file can't be read: "));
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("commit.template");
        let named = format!("@{}", path.display());
        std::fs::write(&path, "fix: {{.AppName}}\n").expect("a file can be written");
        check(&named, Ok(Some("fix: {{.AppName}}\n")));
        std::fs::write(&path, "x".repeat(10_000)).expect("a file can be written");
        check(&named, Err("the template has 4097 bytes"));
    }
}
