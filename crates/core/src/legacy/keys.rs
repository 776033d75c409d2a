//! Names of the annotations: <https://argocd-image-updater.readthedocs.io/en/stable/configuration/images/>.

/// What every annotation of the predecessor starts with.
pub const PREFIX: &str = "argocd-image-updater.argoproj.io/";

/// The images of an Application.
pub const IMAGE_LIST: &str = "image-list";

pub(super) const ALLOW_TAGS: &str = "allow-tags";
/// The older name of [`ALLOW_TAGS`].
pub(super) const TAG_MATCH: &str = "tag-match";
pub(super) const FORCE_UPDATE: &str = "force-update";
pub(super) const GIT_BRANCH: &str = "git-branch";
pub(super) const GIT_REPOSITORY: &str = "git-repository";
pub(super) const HELM_NAME: &str = "helm.image-name";
pub(super) const HELM_SPEC: &str = "helm.image-spec";
pub(super) const HELM_TAG: &str = "helm.image-tag";
pub(super) const IGNORE_TAGS: &str = "ignore-tags";
pub(super) const KUSTOMIZE_NAME: &str = "kustomize.image-name";
pub(super) const PLATFORMS: &str = "platforms";
pub(super) const PULL_SECRET: &str = "pull-secret";
/// No release of the predecessor read it; articles about it show it all the same.
pub(super) const SEMVER_CONSTRAINT: &str = "semver-constraint";
pub(super) const UPDATE_STRATEGY: &str = "update-strategy";
pub(super) const WRITE_BACK_METHOD: &str = "write-back-method";
pub(super) const WRITE_BACK_TARGET: &str = "write-back-target";
