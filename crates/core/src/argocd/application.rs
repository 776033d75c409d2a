//! An Application, reduced to what deciding about its sources takes.

/// The facts of an Application that count here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Application {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.project`, `default` where it is unset.
    pub project: String,
    /// `spec.sources`, or `spec.source` alone, or the dry source of `spec.sourceHydrator`.
    pub sources: Vec<Source>,
    /// The images that run, from `status.summary.images`.
    pub images: Vec<String>,
}

/// One source of an Application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// `repoURL`.
    pub repo_url: String,
    /// `path`; empty for the repository's root.
    pub path: String,
    /// Whether it is a chart of a Helm repository, and so not in git.
    pub is_chart: bool,
    /// `targetRevision`; empty for the default branch.
    pub target_revision: String,
    /// `ref`, by which others point to its files.
    pub reference: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// The block that is set: `helm`, `kustomize` or `plugin`.
    pub block: Option<SourceType>,
    /// What Argo CD found it to be, from `status.sourceType` or `status.sourceTypes`.
    pub found: Option<SourceType>,
    /// `kustomize.images`: `[name=]image[:tag][@digest]`.
    pub kustomize_images: Vec<String>,
}

/// What renders a source into manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceType {
    /// A Helm chart.
    Helm,
    /// A kustomization.
    Kustomize,
    /// A config management plugin.
    Plugin,
    /// Plain manifests or Jsonnet.
    Directory,
}

impl Source {
    /// What it is: what its spec says, else what Argo CD found.
    pub fn source_type(&self) -> Option<SourceType> {
        self.block
            .or(self.found)
            .or_else(|| self.is_chart.then_some(SourceType::Helm))
    }
}

impl SourceType {
    /// Reads the name that Argo CD gives it in a status.
    pub fn from_status(name: &str) -> Option<Self> {
        match name {
            "Helm" => Some(Self::Helm),
            "Kustomize" => Some(Self::Kustomize),
            "Plugin" => Some(Self::Plugin),
            "Directory" => Some(Self::Directory),
            _ => None,
        }
    }

    /// The name that Argo CD gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Helm => "Helm",
            Self::Kustomize => "Kustomize",
            Self::Plugin => "Plugin",
            Self::Directory => "Directory",
        }
    }
}
