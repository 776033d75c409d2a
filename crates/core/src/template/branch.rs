//! The name of the branch that is pushed to, made of what a commit changes.

use std::str::FromStr;

use super::{Template, TemplateData, TemplateError};
use crate::remote::{BranchName, BranchNameError, MAX_BRANCH_BYTES};

/// A template for the name of a branch.
///
/// What it renders must be a name that git accepts; nothing is replaced, because two images whose
/// names differ in a replaced character would share a branch. What is longer than a branch's name
/// may be is cut, as the old updater did.
///
/// # Examples
///
/// ```
/// use image_update_core::template::{BranchTemplate, TemplateData};
///
/// let template = BranchTemplate::checked("image-updates/{{.AppName}}")?;
/// let data = TemplateData { app_name: "shop", ..TemplateData::default() };
/// assert_eq!(template.render(&data)?.as_str(), "image-updates/shop");
/// # Ok::<(), image_update_core::template::BranchTemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchTemplate(Template);

/// Why a template does not name a branch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BranchTemplateError {
    /// It can't be rendered.
    #[error(transparent)]
    Template(TemplateError),
    /// What it renders is refused by git.
    #[error("{name:?} is not the name of a branch: {source}")]
    Name {
        /// What was rendered.
        name: String,
        /// What is wrong with it.
        source: BranchNameError,
    },
}

/// The old updater's ways of naming branches in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchForm {
    /// The branch that is read; `None` for the default.
    pub base: Option<BranchName>,
    /// The branch that is pushed to, if it is another one.
    pub push: Option<BranchTemplate>,
}

impl BranchTemplate {
    /// Reads a template and tries it on one change.
    pub fn checked(text: &str) -> Result<Self, BranchTemplateError> {
        let (template, sample) = Template::checked(text).map_err(BranchTemplateError::Template)?;
        branch_name(&sample)?;
        Ok(Self(template))
    }

    /// The name, if it is the same whatever changes.
    pub fn constant(&self) -> Option<BranchName> {
        let text = self.0.as_str();
        if text.contains("{{") {
            return None;
        }
        text.parse().ok()
    }

    /// Renders the name.
    pub fn render(&self, data: &TemplateData<'_>) -> Result<BranchName, BranchTemplateError> {
        let rendered = self.0.render(data);
        branch_name(&rendered.map_err(BranchTemplateError::Template)?)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn branch_name(rendered: &str) -> Result<BranchName, BranchTemplateError> {
    let name = rendered.trim();
    let name = &name[..name.floor_char_boundary(MAX_BRANCH_BYTES)];
    name.parse().map_err(|source| BranchTemplateError::Name {
        name: name.to_owned(),
        source,
    })
}

impl FromStr for BranchForm {
    type Err = BranchTemplateError;

    /// Reads `base`, `base:new` or `:new`. A colon inside of an action, such as in `{{$x := 1}}`,
    /// separates nothing; git forbids colons in names.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let action = text.find("{{").unwrap_or(text.len());
        let (base, push) = match text.find(':').filter(|colon| *colon < action) {
            Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
            None => (text, None),
        };
        let base = match base {
            "" => None,
            name => Some(name.parse().map_err(|source| BranchTemplateError::Name {
                name: name.to_owned(),
                source,
            })?),
        };
        let push = push.map(BranchTemplate::checked).transpose()?;
        Ok(Self { base, push })
    }
}
