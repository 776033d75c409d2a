//! The images of a policy: where tags come from, how one is chosen, how it stands in files.

use std::time::Duration;

use image_update_core::duration;
use image_update_core::image::{Platform, Repository, Tag};
use image_update_core::plan::DigestRule;
use image_update_core::policy::{
    Checks, Extract, Filter, Order, Pattern, Policy, Regexp, Strategy,
};
use image_update_core::target::ImageKeys;
use image_update_core::version::Constraint;
use image_update_core::yaml::KeyPath;

use super::problems::Collector;
use super::{ImageModel, ImageSource};
use crate::api::v1alpha1::{
    DigestPolicy, HelmImage, ImageSpec, NewestBuildStrategy, PluginImage, SortOrder, StrategySpec,
    TagRules,
};

/// Reads an image; what is wrong goes into `found`.
pub(super) fn read_image(
    found: &mut Collector,
    field: &str,
    spec: &ImageSpec,
) -> Option<ImageModel> {
    let source = match (&spec.watch_ref, &spec.image) {
        (Some(watch), None) => Some(ImageSource::Watch {
            name: watch.name.clone(),
            namespace: watch.namespace.clone(),
        }),
        (None, Some(image)) => found
            .parse(&format!("{field}.image"), image, str::parse::<Repository>)
            .map(ImageSource::Inline),
        (Some(_), Some(_)) | (None, None) => {
            found.add(field, "set exactly one of watchRef and image");
            None
        }
    };
    let strategy = read_strategy(found, &format!("{field}.strategy"), &spec.strategy);
    let filter = read_filter(found, &format!("{field}.tags"), spec.tags.as_ref());
    let pin = match &spec.pin {
        Some(pin) if !pin.is_empty() => {
            Some(found.parse(&format!("{field}.pin"), pin, str::parse::<Tag>)?)
        }
        Some(_) | None => None,
    };
    let skip = found.each(&format!("{field}.skip"), &spec.skip, str::parse::<Tag>);
    let platforms = found.each(
        &format!("{field}.platforms"),
        &spec.platforms,
        str::parse::<Platform>,
    );
    let minimum_age = match &spec.minimum_age {
        Some(age) => found.parse(&format!("{field}.minimumAge"), age, duration::parse)?,
        None => Duration::ZERO,
    };
    let helm = match &spec.helm {
        Some(helm) => Some(read_helm(found, &format!("{field}.helm"), helm)?),
        None => None,
    };
    let plugin = match &spec.plugin {
        Some(plugin) => Some(read_plugin(found, &format!("{field}.plugin"), plugin)?),
        None => None,
    };
    let strategy = strategy?;
    let digest = match (&strategy, spec.digest_policy) {
        // A tag that moves says nothing without its digest.
        (Strategy::Digest(_), DigestPolicy::Never) | (_, DigestPolicy::Always) => {
            DigestRule::Always
        }
        (_, DigestPolicy::IfNotPresent) => DigestRule::IfNotPresent,
        (_, DigestPolicy::Never) => DigestRule::Never,
    };
    Some(ImageModel {
        alias: spec.alias.clone(),
        source: source?,
        policy: Policy {
            filter: filter?,
            pin,
            skip: skip.into_iter().collect(),
            allow_downgrade: spec.allow_downgrade,
            checks: Checks {
                platforms,
                minimum_age,
            },
            ..Policy::new(strategy)
        },
        digest,
        kustomize_name: spec
            .kustomize
            .as_ref()
            .map(|kustomize| kustomize.name.clone()),
        helm,
        plugin,
        only_live: spec.only_live,
    })
}

fn read_plugin(
    found: &mut Collector,
    field: &str,
    spec: &PluginImage,
) -> Option<ImageKeys<String>> {
    match (&spec.name, &spec.tag, &spec.spec) {
        (name, Some(tag), None) => Some(ImageKeys::NameAndTag {
            name: name.clone(),
            tag: tag.clone(),
        }),
        (None, None, Some(spec)) => Some(ImageKeys::Spec(spec.clone())),
        _ => {
            found.add(field, "set either tag, perhaps with name, or spec");
            None
        }
    }
}

fn read_helm(found: &mut Collector, field: &str, spec: &HelmImage) -> Option<ImageKeys<KeyPath>> {
    let mut key = |name: &str, text: &Option<String>| match text {
        Some(text) => found
            .parse(&format!("{field}.{name}"), text, str::parse::<KeyPath>)
            .map(Some),
        None => Some(None),
    };
    let (name, tag, spec) = (
        key("name", &spec.name)?,
        key("tag", &spec.tag)?,
        key("spec", &spec.spec)?,
    );
    match (name, tag, spec) {
        (name, Some(tag), None) => Some(ImageKeys::NameAndTag { name, tag }),
        (None, None, Some(spec)) => Some(ImageKeys::Spec(spec)),
        _ => {
            found.add(field, "set either tag, perhaps with name, or spec");
            None
        }
    }
}

fn read_strategy(found: &mut Collector, field: &str, spec: &StrategySpec) -> Option<Strategy> {
    let order = |order: SortOrder| match order {
        SortOrder::Ascending => Order::Ascending,
        SortOrder::Descending => Order::Descending,
    };
    match (
        &spec.semver,
        &spec.newest_build,
        &spec.alphabetical,
        &spec.numerical,
        &spec.digest,
    ) {
        (Some(semver), None, None, None, None) => found
            .parse(
                &format!("{field}.semver.constraint"),
                &semver.constraint,
                str::parse::<Constraint>,
            )
            .map(Strategy::Semver),
        (None, Some(NewestBuildStrategy {}), None, None, None) => Some(Strategy::NewestBuild),
        (None, None, Some(alphabetical), None, None) => {
            Some(Strategy::Alphabetical(order(alphabetical.order)))
        }
        (None, None, None, Some(numerical), None) => {
            Some(Strategy::Numerical(order(numerical.order)))
        }
        (None, None, None, None, Some(digest)) => found
            .parse(
                &format!("{field}.digest.tag"),
                &digest.tag,
                str::parse::<Tag>,
            )
            .map(Strategy::Digest),
        _ => {
            found.add(
                field,
                "set exactly one strategy: semver, newestBuild, alphabetical, numerical or digest",
            );
            None
        }
    }
}

fn read_filter(found: &mut Collector, field: &str, spec: Option<&TagRules>) -> Option<Filter> {
    let Some(spec) = spec else {
        return Some(Filter::default());
    };
    let allow = match &spec.allow {
        Some(allow) => Some(found.parse(&format!("{field}.allow"), allow, str::parse::<Regexp>)?),
        None => None,
    };
    let ignore = found.each(
        &format!("{field}.ignore"),
        &spec.ignore,
        str::parse::<Pattern>,
    );
    let extract = match &spec.extract {
        Some(extract) => Some(found.parse(
            &format!("{field}.extract"),
            &extract.pattern,
            |pattern| Extract::new(pattern, &extract.value),
        )?),
        None => None,
    };
    Some(Filter {
        allow,
        ignore,
        extract,
    })
}
