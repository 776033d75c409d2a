//! What a template can name: the old updater's fields, for messages and branches alike.

use std::{collections::HashMap, fmt::Write as _};

use gtmpl_ng::Value;
use sha2::{Digest as _, Sha256};

/// How many characters of its digest name a target: as the old updater's branches have it.
const TARGET_KEY_LENGTH: usize = 8;

/// A value that a commit changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageChange {
    /// The image, as it stands in the file: `.Image` of `.AppChanges`.
    pub image: String,
    /// The image's repository without its registry, so that no port's colon gets into the name of
    /// a branch: `.Name` of `.Images`.
    pub name: String,
    /// The image's alias in the policy: `.Alias` of `.Images`.
    pub alias: String,
    /// The old tag or digest; `None`, and empty in templates, if there was none: `.OldTag`.
    pub old: Option<String>,
    /// The new tag or digest: `.NewTag`.
    pub new: String,
}

/// The data of a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateData<'a> {
    /// The policy, or the Application it comes from; several, separated by commas, in a commit of
    /// a whole batch: `.AppName`.
    pub app_name: &'a str,
    /// Its namespace: `.AppNamespace`.
    pub app_namespace: &'a str,
    /// What the commit changes: `.AppChanges`, `.Images` and `.SHA256`.
    pub changes: &'a [ImageChange],
    /// Tells targets apart: `.TargetKey`, see [`target_key`].
    pub target_key: &'a str,
}

impl TemplateData<'_> {
    /// Everything is an object and not a map: a field that an object lacks is an error, one that
    /// a map lacks would be rendered as `<no value>`.
    pub(super) fn to_value(self) -> Value {
        let old = |change: &ImageChange| change.old.as_deref().unwrap_or_default().into();
        let changes = self.changes.iter().map(|change| {
            object([
                ("Image", change.image.as_str().into()),
                ("OldTag", old(change)),
                ("NewTag", change.new.as_str().into()),
            ])
        });
        let images = self.changes.iter().map(|change| {
            object([
                ("Name", change.name.as_str().into()),
                ("Alias", change.alias.as_str().into()),
                ("OldTag", old(change)),
                ("NewTag", change.new.as_str().into()),
            ])
        });
        object([
            ("AppName", self.app_name.into()),
            ("AppNamespace", self.app_namespace.into()),
            ("AppChanges", Value::Array(changes.collect())),
            ("Images", Value::Array(images.collect())),
            ("SHA256", digest_of(self.changes).into()),
            ("TargetKey", self.target_key.into()),
        ])
    }
}

/// `.SHA256`: the digest, in hexadecimal, of `name-old-new,` of each change.
pub fn digest_of(changes: &[ImageChange]) -> String {
    let mut hasher = Sha256::new();
    for change in changes {
        let old = change.old.as_deref().unwrap_or_default();
        hasher.update(format!("{}-{old}-{},", change.name, change.new));
    }
    hex(&hasher.finalize())
}

/// `.TargetKey`: the first eight hexadecimal digits of the digest of `repository|branch|target`.
pub fn target_key(repository: &str, branch: &str, target: &str) -> String {
    let digest = Sha256::digest(format!("{repository}|{branch}|{target}"));
    hex(&digest).chars().take(TARGET_KEY_LENGTH).collect()
}

/// The change that templates are tried on.
pub(super) fn sample() -> ImageChange {
    ImageChange {
        image: "registry.example/org/app".to_owned(),
        name: "org/app".to_owned(),
        alias: "app".to_owned(),
        old: Some("1.0.0".to_owned()),
        new: "1.1.0".to_owned(),
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Value::Object(HashMap::from(fields))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
