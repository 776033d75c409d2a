//! Every format with the example of its documentation, which each parser's file names.

use proptest::prelude::*;

use super::*;

macro_rules! payload {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("payloads/", $name, ".json")).as_slice(),
        )
    };
}

/// What a body of `vendor` is read as: a line for each push.
fn shown(vendor: Vendor, delivery: &Delivery<'_>) -> Vec<String> {
    let pushes = read(vendor, delivery).expect("the payload can be read");
    let line = |push: &Push| {
        let repositories = push.repositories.iter().map(ToString::to_string);
        format!(
            "{} {}",
            push.tag,
            repositories.collect::<Vec<_>>().join(" ")
        )
    };
    pushes.iter().map(line).collect()
}

#[track_caller]
fn check(vendor: Vendor, (name, body): (&str, &[u8]), expected: &[&str]) {
    let event = matches!(vendor, Vendor::Ghcr | Vendor::Gitea).then_some("package");
    let delivery = Delivery {
        event,
        registry: (vendor == Vendor::Nexus).then_some("nexus.example:8083"),
        body,
    };
    assert_eq!(shown(vendor, &delivery), expected, "{name}");
}

#[test]
fn pushes_of_hosted_registries_are_read() {
    check(
        Vendor::DockerHub,
        payload!("docker_hub"),
        &["1.2.0 docker.io/acme/web"],
    );
    check(
        Vendor::Ghcr,
        payload!("ghcr_package"),
        &["1.2.0 ghcr.io/acme/web"],
    );
    check(
        Vendor::Quay,
        payload!("quay"),
        &["1.2.0 quay.io/acme/web", "latest quay.io/acme/web"],
    );
    check(Vendor::Acr, payload!("acr"), &["1.2.0 acme.azurecr.io/web"]);
    check(
        Vendor::AliyunAcr,
        payload!("aliyun_acr"),
        &["1.2.0 registry.cn-hangzhou.aliyuncs.com/acme/web \
           registry-vpc.cn-hangzhou.aliyuncs.com/acme/web \
           registry-internal.cn-hangzhou.aliyuncs.com/acme/web"],
    );
    check(
        Vendor::ArtifactRegistry,
        payload!("artifact_registry"),
        &["1.2.0 us-east1-docker.pkg.dev/acme/images/web"],
    );
}

#[test]
fn pushes_of_cloud_events_are_read() {
    let ecr = "1.2.0 123456789012.dkr.ecr.us-west-2.amazonaws.com/acme/web";
    check(Vendor::CloudEvents, payload!("ecr_event_bridge"), &[ecr]);
    check(Vendor::CloudEvents, payload!("ecr_cloud_event"), &[ecr]);
    check(
        Vendor::CloudEvents,
        payload!("cloud_event_image"),
        &["1.2.0 registry.example:5000/acme/web"],
    );
}

#[test]
fn pushes_of_registries_in_the_house_are_read() {
    let both = [
        "1.2.0 harbor.example:8443/acme/web",
        "latest harbor.example:8443/acme/web",
    ];
    check(Vendor::Harbor, payload!("harbor"), &both);
    check(
        Vendor::Harbor,
        payload!("harbor_cloud_events"),
        &["1.2.0 harbor.example/acme/web"],
    );
    check(
        Vendor::GitLab,
        payload!("gitlab"),
        &["1.2.0 registry.gitlab.example/acme/web"],
    );
    check(
        Vendor::Gitea,
        payload!("gitea"),
        &["1.2.0 gitea.example:3000/acme/web"],
    );
    check(
        Vendor::Artifactory,
        payload!("artifactory"),
        &["1.2.0 acme.jfrog.example/images/acme/web images.acme.jfrog.example/acme/web"],
    );
    let nexus = "1.2.0 nexus.example:8083/acme/web nexus.example:8083/images/acme/web \
                 nexus.example:8083/repository/images/acme/web";
    check(Vendor::Nexus, payload!("nexus_component"), &[nexus]);
    check(Vendor::Nexus, payload!("nexus_asset"), &[nexus]);
    check(
        Vendor::Generic,
        payload!("generic"),
        &["1.2.0 registry.example:5000/acme/web"],
    );
    check(
        Vendor::Generic,
        payload!("generic_list"),
        &["1.2.0 docker.io/acme/web", "RC1 ghcr.io/acme/web"],
    );
}

#[test]
fn what_is_no_push_of_a_tag_is_no_error() {
    check(Vendor::Ghcr, payload!("ghcr_untagged"), &[]);
    check(Vendor::Quay, payload!("quay_build"), &[]);
    check(Vendor::Harbor, payload!("harbor_deleted"), &[]);
    check(Vendor::CloudEvents, payload!("ecr_deleted"), &[]);
    check(
        Vendor::ArtifactRegistry,
        payload!("artifact_registry_digest"),
        &[],
    );
    check(
        Vendor::ArtifactRegistry,
        payload!("artifact_registry_deleted"),
        &[],
    );
    check(Vendor::Gitea, payload!("gitea_npm"), &[]);
    check(Vendor::Artifactory, payload!("artifactory_artifact"), &[]);
    check(Vendor::Nexus, payload!("nexus_npm"), &[]);
}

#[test]
fn both_events_of_github_are_read_and_no_other() {
    #[track_caller]
    fn check(event: Option<&str>, (_, body): (&str, &[u8]), expected: &[&str]) {
        let delivery = Delivery {
            event,
            registry: None,
            body,
        };
        assert_eq!(shown(Vendor::Ghcr, &delivery), expected, "{event:?}");
    }
    let expected = ["1.2.0 ghcr.io/acme/web"];
    let body = payload!("ghcr_registry_package");
    check(Some("registry_package"), body, &expected);
    check(Some("ping"), ("", b"{\"zen\": \"Keep it simple\"}"), &[]);
    check(Some("push"), payload!("ghcr_package"), &[]);
    check(None, payload!("ghcr_package"), &[]);
}

#[test]
fn the_registry_of_the_address_counts_before_the_bodys() {
    #[track_caller]
    fn check(vendor: Vendor, (_, body): (&str, &[u8]), registry: &str, expected: &str) {
        let delivery = Delivery {
            event: None,
            registry: Some(registry),
            body,
        };
        assert_eq!(shown(vendor, &delivery), [expected], "{vendor}");
    }
    let own = "acme-registry.cn-shanghai.cr.aliyuncs.com";
    check(
        Vendor::AliyunAcr,
        payload!("aliyun_acr"),
        own,
        &format!("1.2.0 {own}/acme/web"),
    );
    check(
        Vendor::Artifactory,
        payload!("artifactory"),
        "images.example:5001",
        "1.2.0 images.example:5001/images/acme/web images.example:5001/acme/web",
    );
    check(
        Vendor::ArtifactRegistry,
        payload!("artifact_registry"),
        "https://mirror.example/",
        "1.2.0 mirror.example/acme/images/web",
    );
}

#[test]
fn what_is_not_of_the_format_is_an_error() {
    #[track_caller]
    fn check(vendor: Vendor, body: &str, expected: &str) {
        let delivery = Delivery {
            event: Some("package"),
            registry: None,
            body: body.as_bytes(),
        };
        let error = read(vendor, &delivery).expect_err("the row's body is malformed");
        assert!(error.to_string().contains(expected), "{vendor}: {error}");
    }
    for vendor in Vendor::ALL {
        check(vendor, "", "not what this kind of webhook sends");
        check(vendor, "[1]", "not what this kind of webhook sends");
        check(
            vendor,
            "{\"type\": 1}",
            "not what this kind of webhook sends",
        );
    }
    check(
        Vendor::DockerHub,
        r#"{"push_data": {"tag": "a b"}, "repository": {"repo_name": "acme/web"}}"#,
        "the tag is not valid",
    );
    check(
        Vendor::DockerHub,
        r#"{"push_data": {"tag": "1"}, "repository": {"repo_name": "../web"}}"#,
        "the repository is not valid",
    );
    check(
        Vendor::Nexus,
        str::from_utf8(payload!("nexus_component").1).expect("it is text"),
        "registry_url=HOST",
    );
    check(
        Vendor::ArtifactRegistry,
        r#"{"message": {"data": "%"}}"#,
        "message.data is not Base64",
    );
    check(Vendor::Generic, "{}", "no image");
    check(Vendor::Generic, r#"{"image": "acme/web"}"#, "no tag");
    let many = format!(
        r#"{{"images": [{}"a/b:1"]}}"#,
        r#""a/b:1","#.repeat(MAX_PUSHES)
    );
    check(Vendor::Generic, &many, "more than 1000 pushes");
}

#[test]
fn every_vendor_is_known_by_its_name() {
    for vendor in Vendor::ALL {
        assert_eq!(vendor.as_str().parse(), Ok(vendor));
        assert_eq!(vendor.short_name().parse(), Ok(vendor));
        assert!(!vendor.proofs().is_empty());
    }
    let unknown = "gcr.io".parse::<Vendor>().expect_err("there is none");
    assert_eq!(unknown.to_string(), "there is no webhook \"gcr.io\"");
}

proptest! {
    #[test]
    fn what_is_read_of_a_bent_body_can_be_named(
        vendor in proptest::sample::select(Vendor::ALL.to_vec()),
        body in proptest::sample::select(vec![
            payload!("gitlab").1, payload!("harbor").1, payload!("ecr_cloud_event").1,
            payload!("nexus_component").1, payload!("generic_list").1,
        ]),
        at in any::<proptest::sample::Index>(),
        byte: u8,
    ) {
        let mut body = body.to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let delivery = Delivery { event: Some("package"), registry: Some("r.example"), body: &body };
        for push in read(vendor, &delivery).unwrap_or_default() {
            prop_assert!(!push.repositories.is_empty());
            for repository in push.repositories {
                prop_assert_eq!(repository.as_str().parse(), Ok(repository.clone()));
            }
        }
    }
}
