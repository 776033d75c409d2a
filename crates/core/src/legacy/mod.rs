//! What the predecessor, argocd-image-updater, was told to do, by annotations or by its own kind.
//!
//! [`parse`] reads the annotations of one Application into [`Settings`], [`parse_image_updater`] an
//! `ImageUpdater` into several. It refuses to guess: what can't be
//! meant is a [`Diagnostic`] with the annotation, the column and a way out, and never silently
//! something else. One image's mistake takes that image out and leaves the others alone. What
//! becomes of the settings is not known here.

mod annotations;
mod commit;
mod diagnostic;
mod image;
mod image_updater;
mod keys;
mod write_back;

use std::collections::BTreeMap;

pub use commit::{AuthorEmail, AuthorName, CommitSettings, CommitSettingsError, SecretName};
pub use diagnostic::{Diagnostic, Problem, Severity};
pub use image::{HelmKeys, ImageSettings, PluginKeys, PullSecret};
pub use image_updater::{Selection, parse_image_updater};
pub use keys::{IMAGE_LIST, PREFIX};
pub use write_back::{GitCredentials, GitSettings, TargetSettings, WriteBackSettings};

use annotations::Annotations;

use crate::argocd::Application;

/// What the annotations of an Application say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The images, in the list's order, without those that have an error.
    pub images: Vec<ImageSettings>,
    /// Where tags are written. `None` if what the annotations say about that has an error: then
    /// nothing can be written.
    pub write_back: Option<WriteBackSettings>,
}

/// Reads the annotations of an Application. `None`: they list no images, so the Application is
/// none of ours.
///
/// Problems come in the order of reading: the images, where they are written, what is left.
pub fn parse(
    application: &Application,
    annotations: &BTreeMap<String, String>,
) -> Option<(Settings, Vec<Diagnostic>)> {
    let mut annotations = Annotations::new(annotations);
    let list = annotations.take(IMAGE_LIST)?;
    let images = image::parse(list, &application.namespace, &mut annotations);
    let write_back = write_back::parse(application, &mut annotations);
    annotations.report_unread();
    Some((Settings { images, write_back }, annotations.into_problems()))
}

#[cfg(test)]
mod tests;
