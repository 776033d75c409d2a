//! Which webhooks there are, by what names, and how their senders prove that they know the secret.

use std::fmt;
use std::str::FromStr;

use super::Proof;
use crate::image::Excerpt;

/// Whose format a webhook has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Vendor {
    /// Docker Hub.
    DockerHub,
    /// GitHub's container registry.
    Ghcr,
    /// Quay.
    Quay,
    /// Harbor.
    Harbor,
    /// Azure Container Registry.
    Acr,
    /// Alibaba Cloud Container Registry.
    AliyunAcr,
    /// CloudEvents, foremost of Amazon ECR through EventBridge.
    CloudEvents,
    /// GitLab's container registry, and any other that is the CNCF's Distribution.
    GitLab,
    /// Google Artifact Registry through Pub/Sub.
    ArtifactRegistry,
    /// Gitea and Forgejo.
    Gitea,
    /// JFrog Artifactory.
    Artifactory,
    /// Sonatype Nexus Repository.
    Nexus,
    /// A format of our own, for scripts and pipelines.
    Generic,
}

/// There is no webhook of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no webhook {0}")]
pub struct UnknownVendor(Excerpt);

impl Vendor {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::DockerHub,
        Self::Ghcr,
        Self::Quay,
        Self::Harbor,
        Self::Acr,
        Self::AliyunAcr,
        Self::CloudEvents,
        Self::GitLab,
        Self::ArtifactRegistry,
        Self::Gitea,
        Self::Artifactory,
        Self::Nexus,
        Self::Generic,
    ];

    /// The name in addresses and of the file with the secret; those that argocd-image-updater has
    /// are its own.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DockerHub => "docker.io",
            Self::Ghcr => "ghcr.io",
            Self::Quay => "quay.io",
            Self::Harbor => "harbor",
            Self::Acr => "acr",
            Self::AliyunAcr => "aliyun-acr",
            Self::CloudEvents => "cloudevents",
            Self::GitLab => "gitlab",
            Self::ArtifactRegistry => "artifact-registry",
            Self::Gitea => "gitea",
            Self::Artifactory => "artifactory",
            Self::Nexus => "nexus",
            Self::Generic => "generic",
        }
    }

    /// The short name in the keys of argocd-image-updater's Secret (`webhook.<name>-secret`) and,
    /// in capitals, in its variables (`<NAME>_WEBHOOK_SECRET`). Those that it does not have are made
    /// alike.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::DockerHub => "docker",
            Self::Ghcr => "ghcr",
            Self::Quay => "quay",
            Self::Harbor
            | Self::Acr
            | Self::AliyunAcr
            | Self::CloudEvents
            | Self::GitLab
            | Self::ArtifactRegistry
            | Self::Gitea
            | Self::Artifactory
            | Self::Nexus
            | Self::Generic => self.as_str(),
        }
    }

    /// How a sender may prove that it knows the secret; one way is enough.
    pub fn proofs(self) -> &'static [Proof] {
        const SECRET: Proof = Proof::Query("secret");
        const HEADER: Proof = Proof::Header("x-webhook-secret");
        const AUTHORIZATION: Proof = Proof::Header("authorization");
        const HUB: Proof = Proof::HmacSha256("x-hub-signature-256");
        match self {
            Self::DockerHub | Self::Quay | Self::AliyunAcr => &[SECRET],
            Self::Ghcr => &[HUB],
            Self::Harbor | Self::Acr => &[AUTHORIZATION],
            Self::CloudEvents => &[HEADER, AUTHORIZATION, SECRET],
            Self::GitLab => &[AUTHORIZATION, Proof::Header("x-gitlab-token")],
            Self::ArtifactRegistry => &[SECRET, Proof::Query("token")],
            Self::Gitea => &[
                HUB,
                Proof::HmacSha256("x-gitea-signature"),
                Proof::HmacSha256("x-forgejo-signature"),
            ],
            Self::Artifactory => &[
                Proof::Header("x-jfrog-event-auth"),
                Proof::HmacSha256("x-jfrog-event-auth"),
            ],
            Self::Nexus => &[Proof::HmacSha1("x-nexus-webhook-signature")],
            Self::Generic => &[HUB, HEADER, AUTHORIZATION, SECRET],
        }
    }

    /// The headers that may say what kind of event it is, in the order they are looked for.
    pub fn event_headers(self) -> &'static [&'static str] {
        match self {
            Self::Ghcr => &["x-github-event"],
            Self::Gitea => &["x-forgejo-event", "x-gitea-event", "x-github-event"],
            Self::DockerHub
            | Self::Quay
            | Self::Harbor
            | Self::Acr
            | Self::AliyunAcr
            | Self::CloudEvents
            | Self::GitLab
            | Self::ArtifactRegistry
            | Self::Artifactory
            | Self::Nexus
            | Self::Generic => &[],
        }
    }

    /// Whether a body that comes twice is a repetition. The others say neither when nor as what they
    /// are sent, so that a tag that is pushed again looks the same.
    pub fn has_unique_bodies(self) -> bool {
        !matches!(self, Self::Quay | Self::Generic)
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Vendor {
    type Err = UnknownVendor;

    fn from_str(text: &str) -> Result<Self, UnknownVendor> {
        let found = match text {
            // Names that people try.
            "docker" | "dockerhub" => Some(Self::DockerHub),
            "ghcr" => Some(Self::Ghcr),
            "quay" => Some(Self::Quay),
            "ecr" => Some(Self::CloudEvents),
            "distribution" => Some(Self::GitLab),
            "gar" => Some(Self::ArtifactRegistry),
            "forgejo" => Some(Self::Gitea),
            _ => Self::ALL.into_iter().find(|vendor| vendor.as_str() == text),
        };
        found.ok_or_else(|| UnknownVendor(Excerpt::new(text)))
    }
}
