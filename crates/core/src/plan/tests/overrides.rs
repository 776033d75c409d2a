//! What stands in `.argocd-source` files and in Applications, and what is written beside it.

use std::sync::Arc;

use super::*;
use crate::argocd::Application;

fn decide_for(image: &Image, kind: Overrides, file: Option<&str>, live: &[&str]) -> Plan {
    let files = Files::from([(path("k.yaml"), file.map(str::as_bytes))]);
    let application = Application {
        namespace: "argocd".to_owned(),
        name: "shop".to_owned(),
        images: live.iter().map(ToString::to_string).collect(),
        ..Application::default()
    };
    let target = Target {
        application: Some(Arc::new(application)),
        ..target(Format::ArgocdSource(kind), &["k.yaml"])
    };
    decide(
        &[image.input("app")],
        &[target],
        &files,
        &BTreeMap::new(),
        &Past::new(),
    )
}

#[track_caller]
fn check(
    image: &Image,
    kind: Overrides,
    file: Option<&str>,
    live: &[&str],
    said: &str,
    after: &str,
) {
    let plan = decide_for(image, kind, file, live);
    assert_eq!(state(&plan), said);
    assert_eq!(
        plan.placements[0].application.as_deref(),
        Some("argocd/shop")
    );
    let written = plan.files.get(&path("k.yaml")).map_or("", |bytes| {
        std::str::from_utf8(bytes).expect("the file is text")
    });
    assert_eq!(written, after);
}

fn helm() -> Image {
    app().helm(ImageKeys::NameAndTag {
        name: Some("image.repository".parse().expect("it is a path")),
        tag: "image.tag".parse().expect("it is a path"),
    })
}

#[test]
fn a_missing_file_is_made() {
    check(
        &app(),
        Overrides::KustomizeImages,
        None,
        &[],
        "registry.example/app: nothing -> 1.1.0",
        "kustomize:\n  images:\n  - registry.example/app:1.1.0\n",
    );
    check(
        &helm(),
        Overrides::HelmParameters,
        None,
        &[],
        "registry.example/app: nothing -> 1.1.0",
        "helm:\n  parameters:\n  - name: image.repository\n    value: registry.example/app\n    \
         forceString: true\n  - name: image.tag\n    value: 1.1.0\n    forceString: true\n",
    );
}

#[test]
fn a_parameter_is_replaced() {
    check(
        &app().helm(ImageKeys::Spec("image".parse().expect("it is a path"))),
        Overrides::HelmParameters,
        Some("helm:\n  parameters:\n  - {name: image, value: \"registry.example/app:1.0.0\"}\n"),
        &[],
        "registry.example/app: 1.0.0 -> 1.1.0",
        "helm:\n  parameters:\n  - {name: image, value: \"registry.example/app:1.1.0\"}\n",
    );
}

#[test]
fn variables_of_a_plugin_are_written() {
    let image = Image {
        plugin: Some(ImageKeys::NameAndTag {
            name: None,
            tag: "TAG".to_owned(),
        }),
        ..app()
    };
    check(
        &image,
        Overrides::PluginEnvironment,
        Some("plugin:\n  env:\n  - name: TAG\n    value: 1.0.0\n"),
        &[],
        "registry.example/app: 1.0.0 -> 1.1.0",
        "plugin:\n  env:\n  - name: TAG\n    value: 1.1.0\n",
    );
    let said = state(&decide_for(&app(), Overrides::PluginEnvironment, None, &[]));
    assert!(said.contains("set plugin.tag"), "{said}");
}

#[test]
fn what_runs_is_current_where_nothing_is_overridden() {
    let live = ["registry.example/app:1.1.0"];
    check(
        &app(),
        Overrides::KustomizeImages,
        None,
        &live,
        "up to date",
        "",
    );
    let older = ["registry.example/app:1.0.0"];
    check(
        &app(),
        Overrides::KustomizeImages,
        None,
        &older,
        "registry.example/app: 1.0.0 -> 1.1.0",
        "kustomize:\n  images:\n  - registry.example/app:1.1.0\n",
    );
}

#[test]
fn an_image_that_does_not_run_is_left_alone_if_that_is_asked_for() {
    let image = Image {
        only_live: true,
        ..app()
    };
    let kind = Overrides::KustomizeImages;
    check(&image, kind, None, &["nginx:1"], "not live", "");
    let live = ["registry.example/app:1.0.0"];
    let plan = decide_for(&image, kind, None, &live);
    assert!(matches!(plan.placements[0].state, State::Change(_)));
}

#[test]
fn an_image_runs_under_the_name_that_it_takes_the_place_of() {
    let image = Image {
        only_live: true,
        ..app().called("web")
    };
    let kind = Overrides::KustomizeImages;
    // The tag is another image's: it is neither current nor too high to go down from.
    check(
        &image,
        kind,
        None,
        &["web:9.0.0"],
        "web: nothing -> 1.1.0",
        "kustomize:\n  images:\n  - web=registry.example/app:1.1.0\n",
    );
    check(&image, kind, None, &["ghcr.io/org/web:1"], "not live", "");
    let both = ["web:9.0.0", "registry.example/app:1.1.0"];
    check(&image, kind, None, &both, "up to date", "");
}

/// Argo CD takes the file's list for the source's, so what the source says of other images is repeated.
#[test]
fn what_the_source_says_of_other_images_is_repeated_with_a_change() {
    #[track_caller]
    fn check(file: &str, source: &[&str], after: &str) {
        let files = Files::from([(path("k.yaml"), Some(file.as_bytes()))]);
        let target = Target {
            source_images: source.iter().map(ToString::to_string).collect(),
            ..target(
                Format::ArgocdSource(Overrides::KustomizeImages),
                &["k.yaml"],
            )
        };
        let plan = decide(
            &[app().input("app")],
            &[target],
            &files,
            &BTreeMap::new(),
            &Past::new(),
        );
        let written = plan.files.get(&path("k.yaml"));
        let written = written.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(written.unwrap_or_default(), after);
    }
    let old = "kustomize:\n  images:\n  - registry.example/app:1.0.0\n";
    let new = "kustomize:\n  images:\n  - registry.example/app:1.1.0\n";
    check(old, &[], new);
    check(old, &["registry.example/app:0.9"], new);
    check(
        old,
        &["side=registry.example/side:3", "db@sha256:aa", "bare"],
        "kustomize:\n  images:\n  - registry.example/app:1.1.0\n  - side=registry.example/side:3\n  - db@sha256:aa\n",
    );
    check(
        "kustomize:\n  images:\n  - registry.example/app:1.0.0\n  - side:2 # ours\n",
        &["side:3"],
        "kustomize:\n  images:\n  - registry.example/app:1.1.0\n  - side:3 # ours\n",
    );
    // Alone it is no reason to write.
    check(new, &["side:3"], "");
}
