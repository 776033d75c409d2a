//! `ImageUpdater` objects by rows: what is read, and what is said about what is not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::legacy::{
    GitCredentials, HelmKeys, ImageSettings, PluginKeys, TargetSettings, WriteBackSettings,
};

/// `over`, laid over a reference with one image.
fn reference(over: &Value) -> Value {
    let mut reference = json!({
        "namePattern": "shop-*",
        "images": [{"alias": "web", "imageName": "ghcr.io/org/web:^1"}],
    });
    let fields = reference.as_object_mut().expect("it is an object");
    let over = over.as_object().expect("the row is an object");
    fields.extend(over.clone());
    reference
}

fn read(spec: &Value) -> (Vec<Selection>, Vec<String>) {
    let (selections, problems) = parse_image_updater("argocd", spec);
    (
        selections,
        problems.iter().map(ToString::to_string).collect(),
    )
}

/// What is left of one reference, and what begins each of the problems.
#[track_caller]
fn check(over: &Value, is_converted: bool, expected: &[&str]) {
    let (selections, problems) = read(&json!({"applicationRefs": [reference(over)]}));
    assert_eq!(selections.len(), usize::from(is_converted), "{problems:?}");
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, start) in problems.iter().zip(expected) {
        assert!(problem.starts_with(start), "{problem:?} is not {start:?}");
    }
}

#[track_caller]
fn only(spec: &Value) -> Selection {
    let (mut selections, problems) = read(spec);
    assert_eq!(problems, Vec::<String>::new());
    selections.pop().expect("there is a reference")
}

#[track_caller]
fn image(spec: &Value) -> ImageSettings {
    let settings = only(spec).settings;
    settings.images.into_iter().next().expect("it has an image")
}

#[test]
fn an_object_without_references_is_told_of() {
    for spec in [json!({}), json!({"applicationRefs": []})] {
        let (selections, problems) = read(&spec);
        assert!(selections.is_empty());
        let expected = "spec.applicationRefs: there is no reference to Applications";
        assert_eq!(problems, [expected]);
    }
}

#[test]
fn the_nearest_level_goes_first_field_by_field() {
    let level = |strategy: Option<&str>, allow: &str| json!({"updateStrategy": strategy, "allowTags": format!("regexp:{allow}")});
    let image = image(&json!({
        "commonUpdateSettings": {
            "updateStrategy": "digest", "allowTags": "any", "forceUpdate": true,
            "ignoreTags": ["a*", "b*"],
        },
        "applicationRefs": [{
            "namePattern": "*",
            "commonUpdateSettings": level(Some("alphabetical"), "^r"),
            "images": [{
                "alias": "web", "imageName": "ghcr.io/org/web",
                "commonUpdateSettings": level(None, "^i"),
            }],
        }],
    }));
    assert_eq!(image.strategy.name().to_string(), "alphabetical");
    assert_eq!(
        image.allow.map(|it| it.as_str().to_owned()).as_deref(),
        Some("^i")
    );
    assert!(image.force_update);
    let ignored: Vec<String> = image.ignore.iter().map(ToString::to_string).collect();
    assert_eq!(ignored, ["a*", "b*"]);
}

#[test]
fn a_list_takes_the_place_of_the_whole_list_above() {
    let image = image(&json!({
        "commonUpdateSettings": {"ignoreTags": ["a*", "b*"]},
        "applicationRefs": [reference(&json!({"commonUpdateSettings": {"ignoreTags": []}}))],
    }));
    assert_eq!(image.ignore, []);
}

#[test]
fn constraints_may_hold_commas() {
    let images = json!([{"alias": "web", "imageName": "localhost:5000/web:>=1.0, <2.0"}]);
    let image = image(&json!({"applicationRefs": [reference(&json!({"images": images}))]}));
    assert_eq!(image.repository.as_str(), "localhost:5000/web");
    let constraint = ">=1.0, <2.0".parse().expect("it is a constraint");
    assert_eq!(image.strategy, crate::policy::Strategy::Semver(constraint));
}

#[test]
fn platforms_may_be_said_above() {
    let settings = json!({"updateStrategy": "latest", "platforms": ["linux/arm64", "linux/amd64"]});
    let image = image(&json!({
        "commonUpdateSettings": settings,
        "applicationRefs": [reference(&json!({
            "images": [{"alias": "web", "imageName": "ghcr.io/org/web"}],
        }))],
    }));
    assert_eq!(image.platforms.len(), 2);
}

#[test]
fn each_kind_of_manifest_has_its_names() {
    let with = |targets: &Value| {
        let images = json!([{
            "alias": "web", "imageName": "ghcr.io/org/web", "manifestTargets": targets,
        }]);
        image(&json!({"applicationRefs": [reference(&json!({"images": images}))]}))
    };
    let keys = |name: &str, tag: &str| HelmKeys::NameAndTag {
        name: name.to_owned(),
        tag: tag.to_owned(),
    };
    assert_eq!(with(&json!(null)).helm, keys("image.name", "image.tag"));
    assert_eq!(
        with(&json!({"helm": {"tag": "t"}})).helm,
        keys("image.name", "t")
    );
    let spec = json!({"helm": {"name": "n", "tag": "t", "spec": "s"}});
    assert_eq!(with(&spec).helm, HelmKeys::Spec("s".to_owned()));
    let kustomize = with(&json!({"kustomize": {"name": "web"}}));
    assert_eq!(kustomize.kustomize_name.as_deref(), Some("web"));
    let plugin = with(&json!({"plugin": {"name": "NAME", "tag": "TAG"}})).plugin;
    let (name, tag) = (Some("NAME".to_owned()), "TAG".to_owned());
    assert_eq!(plugin, Some(PluginKeys::Tag { name, tag }));
    let plugin = with(&json!({"plugin": {"spec": "IMAGE"}})).plugin;
    assert_eq!(plugin, Some(PluginKeys::Spec("IMAGE".to_owned())));
}

#[test]
fn variables_of_a_plugin_are_left_out_where_nothing_takes_them() {
    #[track_caller]
    fn check(write_back: &Value, is_kept: bool) {
        let images = json!([{
            "alias": "web",
            "imageName": "ghcr.io/org/web",
            "manifestTargets": {"plugin": {"tag": "TAG"}},
        }]);
        let over = json!({"images": images, "writeBackConfig": write_back});
        let (selections, problems) = read(&json!({"applicationRefs": [reference(&over)]}));
        let plugin = &selections[0].settings.images[0].plugin;
        assert_eq!(plugin.is_some(), is_kept, "{problems:?}");
        let told = "spec.applicationRefs[0].images[0].manifestTargets.plugin: the field has no \
                    effect";
        assert_eq!(problems, [told][usize::from(is_kept)..]);
    }
    let git = |target: &str| json!({"method": "git", "gitConfig": {"writeBackTarget": target}});
    check(&json!({"method": "argocd"}), true);
    check(&json!({"method": "git"}), true);
    check(&git("helmvalues:/values.yaml"), false);
    check(&git("kustomization:/prod"), false);
}

#[test]
fn where_images_are_written_is_merged_field_by_field() {
    let settings = only(&json!({
        "writeBackConfig": {
            "method": "git:secret:argocd/creds",
            "gitConfig": {"branch": "main:updates/{{.SHA256}}", "writeBackTarget": "kustomization"},
        },
        "applicationRefs": [reference(&json!({
            "writeBackConfig": {"gitConfig": {
                "writeBackTarget": "helmvalues:/values.yaml",
                "repository": "https://git.example/org/env.git",
            }},
        }))],
    }));
    let Some(WriteBackSettings::Git(git)) = settings.settings.write_back else {
        unreachable!("it is written to git");
    };
    assert_eq!(git.credentials, GitCredentials::Secret("creds".to_owned()));
    assert_eq!(
        git.target,
        TargetSettings::HelmValues("/values.yaml".to_owned())
    );
    assert_eq!(git.branch.base.expect("there is one").as_str(), "main");
    assert!(git.branch.push.is_some() && git.repository.is_some());
}

#[test]
fn what_has_no_equal_is_said_and_nothing_is_written_without_it() {
    let at = |field: &str| format!("spec.applicationRefs[0].{field}: ");
    let check = |over: &Value, is_converted: bool, field: &str| {
        check(over, is_converted, &[&at(field)]);
    };
    let expressions = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]});
    check(
        &json!({"labelSelectors": expressions}),
        false,
        "labelSelectors.matchExpressions",
    );
    let request = json!({"method": "git", "gitConfig": {"pullRequest": {"github": {}}}});
    check(
        &json!({"writeBackConfig": request}),
        false,
        "writeBackConfig.gitConfig.pullRequest",
    );
    check(
        &json!({"useAnnotations": true, "images": null}),
        false,
        "useAnnotations",
    );
    check(&json!({"surprise": 1}), true, "surprise");
    check(&json!({"namePattern": "["}), false, "namePattern");
    check(&json!({"namePattern": null}), false, "namePattern");
    check(&json!({"images": []}), false, "images");
    check(&json!({"images": "web"}), false, "images");
}

#[test]
fn images_are_left_out_with_what_is_wrong_about_them() {
    let web = json!({"alias": "web", "imageName": "ghcr.io/org/web"});
    let beside = |over: &Value| {
        let mut bad = json!({"alias": "bad", "imageName": "ghcr.io/org/bad"});
        let fields = bad.as_object_mut().expect("it is an object");
        fields.extend(over.as_object().expect("the row is an object").clone());
        json!({"images": [web, bad]})
    };
    let at = "spec.applicationRefs[0].images[1].";
    for (over, field) in [
        (json!({"imageName": ""}), "imageName: "),
        (
            json!({"alias": "web"}),
            "imageName: the alias \"web\" is another",
        ),
        (
            json!({"commonUpdateSettings": {"updateStrategy": "newest"}}),
            "commonUpdateSettings.updateStrategy: \"newest\" is not a strategy",
        ),
        (
            json!({"commonUpdateSettings": {"pullSecret": "env:SECRET"}}),
            "commonUpdateSettings.pullSecret: the pull secret is taken from",
        ),
        (
            json!({"imagesVerification": {"cosignKey": {"secretName": "keys", "key": "pub"}}}),
            "imagesVerification: signatures are not verified",
        ),
        (
            json!({"manifestTargets": {"plugin": {"name": "NAME"}}}),
            "manifestTargets.plugin.name: ",
        ),
    ] {
        let spec = json!({"applicationRefs": [reference(&beside(&over))]});
        let (selections, problems) = read(&spec);
        let images = &selections[0].settings.images;
        assert_eq!((images.len(), problems.len()), (1, 1), "{problems:?}");
        assert!(
            problems[0].starts_with(&format!("{at}{field}")),
            "{problems:?}"
        );
    }
}

#[test]
fn verification_that_is_turned_off_below_is_off() {
    let spec = json!({
        "imagesVerification": {"cosignKey": {"secretName": "keys", "key": "pub"}},
        "applicationRefs": [reference(&json!({"imagesVerification": {"enabled": false}}))],
    });
    assert_eq!(only(&spec).settings.images.len(), 1);
}

#[test]
fn references_that_may_select_the_same_are_named() {
    let named = |name: &str, team: &str| {
        let labels = json!({"matchLabels": {"team": team}});
        reference(&json!({"namePattern": name, "labelSelectors": labels}))
    };
    let references = [named("*", "a"), named("*", "b"), named("shop", "a")];
    let (selections, problems) = read(&json!({"applicationRefs": references}));
    assert_eq!(selections.len(), 3);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let start = "spec.applicationRefs[2].namePattern: an Application may be selected by \
                 applicationRefs[0], too";
    assert!(problems[0].starts_with(start), "{problems:?}");
}

#[test]
fn what_did_nothing_there_is_said_to_do_nothing() {
    let spec = json!({
        "namespace": "argocd",
        "applicationRefs": [{
            "namePattern": "*", "useAnnotations": true, "writeBackConfig": {"method": "git"},
        }],
    });
    let (selections, problems) = read(&spec);
    assert_eq!(selections, []);
    let starts = [
        "spec.namespace: the field has no effect",
        "spec.applicationRefs[0].useAnnotations: annotations need no object here",
        "spec.applicationRefs[0].writeBackConfig: the field has no effect",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

proptest! {
    #[test]
    fn whatever_is_there_is_read_or_told(
        alias in ".{0,10}",
        name in "[a-zA-Z0-9:/.,=@ -]{0,30}",
        field in "[a-zA-Z]{1,12}",
        value in prop_oneof![
            Just(json!(null)), Just(json!(1)), Just(json!(true)), Just(json!([1])), Just(json!({"a": {}})),
        ],
    ) {
        let mut first = json!({"alias": alias, "imageName": name});
        first[field.as_str()] = value.clone();
        let mut spec = json!({"applicationRefs": [reference(&json!({"images": [first]}))]});
        spec[field.as_str()] = value;
        let (selections, problems) = parse_image_updater("argocd", &spec);
        prop_assert_eq!(parse_image_updater("argocd", &spec), (selections.clone(), problems.clone()));
        prop_assert!(!selections.is_empty() || !problems.is_empty());
    }
}
