//! Go's text/template for commit messages and names of branches, with the old updater's data.
//!
//! Templates come from users, so everything about them is bounded: the text, the work of a render,
//! what it writes. A field that does not exist is an error with its place, never an empty text.
//! Functions are those of text/template itself; Helm's and sprig's are refused, as before.

mod branch;
mod data;
mod error;

use std::{fmt, sync::Arc};

pub use branch::{BranchForm, BranchTemplate, BranchTemplateError};
pub use data::{ImageChange, TemplateData, digest_of, target_key};
pub use error::{Position, TemplateError};
use gtmpl_ng::{Context, Limits, Template as Parsed};

/// The longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 4_096;

/// The most a template may write, in bytes. Git hosts show less of a commit's message.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// The most passes of all loops of one render together. A commit has at most 64 images in 16
/// targets for each policy; one loop over those of a full batch stays below.
const MAX_ITERATIONS: usize = 100_000;

/// A template that was read.
///
/// # Examples
///
/// ```
/// use image_update_core::template::{ImageChange, Template, TemplateData};
///
/// let template: Template = "{{range .AppChanges}}{{.Image}}:{{.NewTag}} {{end}}".parse()?;
/// let change = ImageChange {
///     image: "nginx".to_owned(),
///     name: "library/nginx".to_owned(),
///     alias: "web".to_owned(),
///     old: Some("1.26".to_owned()),
///     new: "1.27".to_owned(),
/// };
/// let data = TemplateData { app_name: "shop", changes: &[change], ..TemplateData::default() };
/// assert_eq!(template.render(&data)?, "nginx:1.27 ");
/// # Ok::<(), image_update_core::template::TemplateError>(())
/// ```
#[derive(Clone)]
pub struct Template {
    text: String,
    parsed: Arc<Parsed>,
}

impl Template {
    /// Reads a template and tries it on a commit of one change, so that a misspelled field is
    /// found now and not with the first update. Returns what was rendered too.
    pub fn checked(text: &str) -> Result<(Self, String), TemplateError> {
        let template: Self = text.parse()?;
        let rendered = template.render(&TemplateData {
            app_name: "application",
            app_namespace: "namespace",
            changes: &[data::sample()],
            target_key: "00000000",
        })?;
        Ok((template, rendered))
    }

    /// Renders the template.
    pub fn render(&self, data: &TemplateData<'_>) -> Result<String, TemplateError> {
        self.parsed
            .render(&Context::from(data.to_value()))
            .map_err(|error| TemplateError::execution(&error))
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong {
                length_bytes: text.len(),
            });
        }
        let limits = Limits::default()
            .with_iterations(MAX_ITERATIONS)
            .with_total_iterations(MAX_ITERATIONS)
            .with_output_bytes(MAX_OUTPUT_BYTES)
            .with_function_output(MAX_OUTPUT_BYTES);
        let mut parsed = Parsed::with_limits(limits);
        parsed
            .parse(text)
            .map_err(|error| TemplateError::syntax(&error))?;
        Ok(Self {
            text: text.to_owned(),
            parsed: Arc::new(parsed),
        })
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Template({:?})", self.text)
    }
}

#[cfg(test)]
mod tests;
