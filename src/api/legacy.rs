//! What the predecessor's annotations become: the objects that a person would have written.
//!
//! Everything that a default of the predecessor decided is spelled out, so that an object says by
//! itself what it does. Nothing is refused here: reading the annotations did that.

use std::collections::BTreeMap;

use image_update_core::legacy::{
    CommitSettings, GitCredentials, GitSettings, HelmKeys, ImageSettings, PluginKeys, PullSecret,
    Selection, Settings, TargetSettings, WriteBackSettings,
};
use image_update_core::message::MessageTemplate;
use image_update_core::policy::{Order, Strategy};
use kube::core::ObjectMeta;
use sha2::{Digest as _, Sha256};

use super::v1alpha1::{
    AlphabeticalStrategy, ApplicationSelector, ArgocdCredentialsSpec, ArgocdSourceTarget,
    ArgocdWriteBack, CommitAuthor, CommitSpec, CredentialsSpec, DigestPolicy, DigestStrategy,
    GitWriteBack, Granularity, HelmImage, HelmValuesTarget, ImageSpec, ImageUpdatePolicy,
    ImageUpdatePolicySpec, ImageWatch, ImageWatchSpec, KustomizationTarget, KustomizeImage,
    LabelSelector, LocalObjectReference, NewestBuildStrategy, NumericalStrategy, PluginImage,
    PushSpec, SecretKeyReference, SemverStrategy, SigningSpec, SortOrder, StrategySpec, TagRules,
    TargetSpec, WatchReference, WriteBackSpec,
};

/// The most that a watch's name tells of its repository, in characters.
const MAX_REPOSITORY_CHARACTERS: usize = 40;

/// The objects that do what the annotations of an Application said.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// Its policy.
    pub policy: ImageUpdatePolicy,
    /// The watches that the policy refers to, by name, each once.
    pub watches: Vec<ImageWatch>,
}

/// Converts the settings of the Application `namespace`/`name`, for commits like `commit`. `None` if
/// no image remains, or where they are written is not known.
pub fn convert(
    namespace: &str,
    name: &str,
    settings: &Settings,
    commit: &CommitSettings,
) -> Option<Converted> {
    let application = ApplicationSelector {
        name: Some(name.to_owned()),
        ..ApplicationSelector::default()
    };
    converted(namespace, name, application, (settings, commit))
}

/// Converts one selection of the ImageUpdater `namespace`/`name`, for commits like `commit`. The
/// first of its selections gets a policy of its name, others have their number behind it.
pub fn convert_selection(
    namespace: &str,
    name: &str,
    selection: &Selection,
    commit: &CommitSettings,
) -> Option<Converted> {
    let Selection {
        index,
        name_pattern,
        labels,
        settings,
    } = selection;
    let name = match index {
        0 => name.to_owned(),
        index => format!("{name}-{}", index + 1),
    };
    let labels = labels.clone();
    let applications = ApplicationSelector {
        namespace: None,
        name: Some(name_pattern.clone()),
        selector: (!labels.is_empty()).then_some(LabelSelector {
            match_labels: labels,
        }),
        source: None,
    };
    converted(namespace, &name, applications, (settings, commit))
}

fn converted(
    namespace: &str,
    name: &str,
    applications: ApplicationSelector,
    (settings, commit): (&Settings, &CommitSettings),
) -> Option<Converted> {
    let write_back = write_back(settings.write_back.as_ref()?, commit);
    if settings.images.is_empty() {
        return None;
    }
    let mut watches = BTreeMap::new();
    let mut images = Vec::new();
    for image in &settings.images {
        let watch = watch(namespace, image);
        let watch_name = watch_name(image);
        images.push(image_spec(image, &watch_name));
        watches.insert(watch_name, watch);
    }
    let spec = ImageUpdatePolicySpec {
        suspend: false,
        interval: super::v1alpha1::default_policy_interval(),
        dry_run: false,
        images,
        applications: vec![applications],
        write_back,
        notify: Vec::new(),
    };
    let policy = ImageUpdatePolicy {
        metadata: metadata(namespace, name),
        spec,
        status: None,
    };
    let watches = watches.into_values().collect();
    Some(Converted { policy, watches })
}

fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        ..ObjectMeta::default()
    }
}

fn watch(namespace: &str, image: &ImageSettings) -> ImageWatch {
    let secret_ref = image.pull_secret.as_ref();
    let secret_ref = secret_ref.map(|PullSecret { name, key }| SecretKeyReference {
        name: name.clone(),
        key: key.clone(),
    });
    ImageWatch {
        metadata: metadata(namespace, &watch_name(image)),
        spec: ImageWatchSpec {
            secret_ref,
            ..ImageWatchSpec::new(image.repository.familiar())
        },
        status: None,
    }
}

/// `<repository>-<hash of image and credentials>`: the same for all Applications that share them.
fn watch_name(image: &ImageSettings) -> String {
    let dashed = |character: char| match character.to_ascii_lowercase() {
        it @ ('a'..='z' | '0'..='9') => it,
        _ => '-',
    };
    let path: String = image.repository.path().chars().map(dashed).collect();
    let path: String = path.chars().take(MAX_REPOSITORY_CHARACTERS).collect();
    let mut hash = Sha256::new();
    hash.update(image.repository.as_str());
    if let Some(PullSecret { name, key }) = &image.pull_secret {
        // No name holds a line break, so nothing else has the same text.
        hash.update(format!("\n{name}\n{}", key.as_deref().unwrap_or_default()));
    }
    let [first, second, third, fourth, ..] = <[u8; 32]>::from(hash.finalize());
    let hash = u32::from_be_bytes([first, second, third, fourth]);
    format!("{}-{hash:08x}", path.trim_matches('-'))
}

fn image_spec(image: &ImageSettings, watch: &str) -> ImageSpec {
    let ImageSettings {
        alias,
        repository: _,
        strategy: chosen,
        allow,
        ignore,
        force_update,
        pull_secret: _,
        platforms,
        helm,
        kustomize_name,
        plugin,
    } = image;
    let tags = TagRules {
        allow: allow.as_ref().map(|it| it.as_str().to_owned()),
        ignore: ignore.iter().map(ToString::to_string).collect(),
        extract: None,
    };
    ImageSpec {
        alias: alias.clone(),
        watch_ref: Some(WatchReference {
            name: watch.to_owned(),
            namespace: None,
        }),
        image: None,
        strategy: strategy(chosen),
        tags: (tags != TagRules::default()).then_some(tags),
        platforms: platforms.iter().map(ToString::to_string).collect(),
        minimum_age: None,
        digest_policy: DigestPolicy::Never,
        allow_downgrade: false,
        pin: None,
        skip: Vec::new(),
        kustomize: kustomize_name.clone().map(|name| KustomizeImage { name }),
        helm: Some(helm_image(helm)),
        plugin: plugin.as_ref().map(plugin_image),
        only_live: !force_update,
    }
}

fn helm_image(keys: &HelmKeys) -> HelmImage {
    match keys.clone() {
        HelmKeys::NameAndTag { name, tag } => HelmImage {
            name: Some(name),
            tag: Some(tag),
            spec: None,
        },
        HelmKeys::Spec(spec) => HelmImage {
            name: None,
            tag: None,
            spec: Some(spec),
        },
    }
}

fn plugin_image(keys: &PluginKeys) -> PluginImage {
    match keys.clone() {
        PluginKeys::Tag { name, tag } => PluginImage {
            name,
            tag: Some(tag),
            spec: None,
        },
        PluginKeys::Spec(spec) => PluginImage {
            name: None,
            tag: None,
            spec: Some(spec),
        },
    }
}

fn strategy(chosen: &Strategy) -> StrategySpec {
    let mut spec = StrategySpec::default();
    match chosen {
        Strategy::Semver(constraint) => {
            let constraint = constraint.as_str().to_owned();
            spec.semver = Some(SemverStrategy { constraint });
        }
        Strategy::NewestBuild => spec.newest_build = Some(NewestBuildStrategy {}),
        Strategy::Alphabetical(order) => {
            let order = sort_order(*order);
            spec.alphabetical = Some(AlphabeticalStrategy { order });
        }
        Strategy::Numerical(order) => {
            let order = sort_order(*order);
            spec.numerical = Some(NumericalStrategy { order });
        }
        Strategy::Digest(tag) => {
            let tag = tag.to_string();
            spec.digest = Some(DigestStrategy { tag });
        }
    }
    spec
}

fn sort_order(order: Order) -> SortOrder {
    match order {
        Order::Ascending => SortOrder::Ascending,
        Order::Descending => SortOrder::Descending,
    }
}

fn write_back(settings: &WriteBackSettings, commit: &CommitSettings) -> WriteBackSpec {
    match settings {
        WriteBackSettings::Argocd => WriteBackSpec {
            git: None,
            argocd: Some(ArgocdWriteBack {}),
        },
        WriteBackSettings::Git(settings) => WriteBackSpec {
            git: Some(git(settings, commit)),
            argocd: None,
        },
    }
}

fn git(settings: &GitSettings, commit: &CommitSettings) -> GitWriteBack {
    let GitSettings {
        credentials,
        repository,
        branch,
        target: file,
    } = settings;
    let credentials = match credentials {
        GitCredentials::Argocd => CredentialsSpec {
            secret_ref: None,
            argocd: Some(ArgocdCredentialsSpec {}),
        },
        GitCredentials::Secret(name) => CredentialsSpec {
            secret_ref: Some(LocalObjectReference { name: name.clone() }),
            argocd: None,
        },
    };
    GitWriteBack {
        repository: repository.as_ref().map(|it| it.as_str().to_owned()),
        branch: branch.base.as_ref().map(|it| it.as_str().to_owned()),
        push: branch.push.as_ref().map(|it| PushSpec {
            branch: it.as_str().to_owned(),
        }),
        credentials: Some(credentials),
        insecure: false,
        targets: vec![target(file)],
        commit: Some(commit_spec(commit)),
    }
}

fn commit_spec(settings: &CommitSettings) -> CommitSpec {
    let CommitSettings {
        author_name,
        author_email,
        message,
        sign_off,
        signing_secret,
    } = settings;
    let message = message.as_ref().and_then(MessageTemplate::text);
    let signing = signing_secret.as_ref().map(|name| SigningSpec {
        secret_ref: LocalObjectReference {
            name: name.as_str().to_owned(),
        },
    });
    CommitSpec {
        author: Some(CommitAuthor {
            name: author_name.as_str().to_owned(),
            email: author_email.as_str().to_owned(),
        }),
        message: message.map(str::to_owned),
        granularity: Granularity::default(),
        signing,
        sign_off: *sign_off,
    }
}

fn target(file: &TargetSettings) -> TargetSpec {
    let mut spec = TargetSpec::default();
    match file.clone() {
        TargetSettings::Overrides(path) => spec.argocd_source = Some(ArgocdSourceTarget { path }),
        TargetSettings::HelmValues(path) => spec.helm_values = Some(HelmValuesTarget { path }),
        TargetSettings::Kustomization(path) => {
            spec.kustomization = Some(KustomizationTarget { path });
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use image_update_core::argocd::Application;
    use image_update_core::legacy::{PREFIX, parse};

    use super::*;
    use crate::api::validate;

    #[track_caller]
    fn converted(rows: &[(&str, &str)]) -> Converted {
        converted_for(rows, &CommitSettings::default())
    }

    #[track_caller]
    fn converted_for(rows: &[(&str, &str)], commit: &CommitSettings) -> Converted {
        let application = Application {
            namespace: "argocd".to_owned(),
            name: "shop".to_owned(),
            ..Application::default()
        };
        let named = rows.iter();
        let annotations = named
            .map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned()))
            .collect();
        let (settings, _) = parse(&application, &annotations).expect("the rows list images");
        convert("argocd", "shop", &settings, commit).expect("the rows can be converted")
    }

    #[track_caller]
    fn check(rows: &[(&str, &str)]) {
        let Converted { policy, watches } = converted(rows);
        let problems = validate::image_update_policy(&policy.spec).err();
        assert!(problems.is_none(), "{problems:?}");
        for watch in watches {
            let problems = validate::image_watch(&watch.spec).err();
            assert!(problems.is_none(), "{problems:?}");
        }
    }

    #[test]
    fn what_is_converted_is_valid() {
        let git = ("write-back-method", "git:secret:creds");
        let list = ("image-list", "web=ghcr.io/org/web:1.x");
        check(&[list]);
        check(&[list, git]);
        check(&[list, git, ("write-back-target", "helmvalues:/v.yaml")]);
        check(&[
            list,
            git,
            ("write-back-target", "kustomization:overlays/prod"),
        ]);
        check(&[list, git, ("git-branch", ":updates/{{.SHA256}}")]);
        check(&[
            list,
            ("update-strategy", "digest"),
            ("web.platforms", "linux/arm/v7"),
        ]);
        check(&[
            list,
            ("update-strategy", "latest"),
            ("web.helm.image-spec", "image"),
        ]);
        check(&[
            list,
            ("ignore-tags", "*-rc*,regexp:beta"),
            ("allow-tags", "regexp:^1"),
        ]);
    }

    #[test]
    fn commits_are_what_the_settings_say() {
        let commit = CommitSettings {
            author_name: "Robot".parse().expect("it is a name"),
            author_email: "robot@example.org".parse().expect("it is an address"),
            message: MessageTemplate::checked("chore: {{.AppName}}").ok(),
            sign_off: true,
            signing_secret: "key".parse().ok(),
        };
        let rows = [
            ("image-list", "web=nginx"),
            ("write-back-method", "git:secret:creds"),
        ];
        let policy = converted_for(&rows, &commit).policy;
        assert!(validate::image_update_policy(&policy.spec).is_ok());
        let git = policy.spec.write_back.git.expect("it is written to git");
        let spec = serde_json::to_value(git.commit).expect("it is JSON");
        let expected = serde_json::json!({
            "author": {"name": "Robot", "email": "robot@example.org"},
            "message": "chore: {{.AppName}}",
            "granularity": "PerPolicy",
            "signing": {"secretRef": {"name": "key"}},
            "signOff": true,
        });
        assert_eq!(spec, expected);
    }

    #[test]
    fn a_watch_is_shared_by_image_and_credentials() {
        let name = |rows: &[(&str, &str)]| converted(rows).watches[0].metadata.name.clone();
        let plain = name(&[("image-list", "a=nginx")]);
        assert_eq!(
            plain,
            name(&[("image-list", "b=docker.io/library/nginx:1")])
        );
        assert_ne!(
            plain,
            name(&[("image-list", "a=nginx"), ("a.pull-secret", "pullsecret:n")])
        );
        assert_ne!(plain, name(&[("image-list", "a=quay.io/library/nginx")]));
    }
}
