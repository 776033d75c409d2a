//! One row = one document and what is read of it.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const OCI_IMAGE: &str = IMAGE_TYPES[0];
const DOCKER_IMAGE: &str = IMAGE_TYPES[1];
const OCI_INDEX: &str = INDEX_TYPES[0];
const DOCKER_INDEX: &str = INDEX_TYPES[1];

fn digest(character: char) -> Digest {
    format!("sha256:{}", character.to_string().repeat(64))
        .parse()
        .expect("64 times one character is a hash")
}

/// An image's manifest whose config has the digest `a…`.
fn image(media_type: &str, config_type: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config_type, "digest": digest('a').as_str(), "size": 1},
        "layers": [],
    })
}

fn index(entries: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
}

/// An entry for `platform` with the digest `b…`, and `over` laid on top.
fn entry(platform: &str, over: &Value) -> Value {
    let mut parts = platform.split('/');
    let mut entry = json!({
        "mediaType": OCI_IMAGE,
        "digest": digest('b').as_str(),
        "platform": {"os": parts.next(), "architecture": parts.next(), "variant": parts.next()},
    });
    for (key, value) in over.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    entry
}

#[track_caller]
fn check(content_type: &str, document: &Value, expected: &Result<Manifest, Error>) {
    assert_eq!(
        &parse(content_type, document.to_string().as_bytes()),
        expected
    );
}

/// Compares the platforms of what is left of an index; `-` for an entry without one.
#[track_caller]
fn check_entries(entries: &[Value], expected: &str) {
    let parsed = parse(OCI_INDEX, index(entries).to_string().as_bytes());
    let Ok(Manifest::Index(found)) = parsed else {
        unreachable!("the row is an index: {parsed:?}")
    };
    let shown: Vec<String> = found
        .iter()
        .map(|entry| {
            let platform = entry.platform.as_ref();
            platform.map_or_else(|| "-".to_owned(), ToString::to_string)
        })
        .collect();
    assert_eq!(shown.join(" "), expected);
}

#[track_caller]
fn check_config(document: &Value, platform: Option<&str>, created: Option<&str>) {
    let expected = Build {
        platform: platform.map(|it| it.parse().expect("the row's platform is one")),
        created: created.map(|it| it.parse().expect("the row's time is one")),
    };
    assert_eq!(parse_config(document.to_string().as_bytes()), Ok(expected));
}

#[test]
fn images_of_both_families_name_their_config() {
    let expected = Ok(Manifest::Image {
        config: digest('a'),
    });
    check(OCI_IMAGE, &image(OCI_IMAGE, CONFIG_TYPES[0]), &expected);
    check(
        DOCKER_IMAGE,
        &image(DOCKER_IMAGE, CONFIG_TYPES[1]),
        &expected,
    );
}

#[test]
fn the_documents_own_type_goes_before_the_answers() {
    let expected = Ok(Manifest::Index(Vec::new()));
    check(OCI_IMAGE, &index(&[]), &expected);
    let untyped = json!({"schemaVersion": 2, "manifests": []});
    check(DOCKER_INDEX, &untyped, &expected);
}

#[test]
fn what_is_no_container_image_is_something_else() {
    let other = Ok(Manifest::Other);
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    check(schema1, &json!({"schemaVersion": 1}), &other);
    let chart = "application/vnd.cncf.helm.config.v1+json";
    check(OCI_IMAGE, &image(OCI_IMAGE, chart), &other);
    let mut signature = image(OCI_IMAGE, CONFIG_TYPES[0]);
    signature["artifactType"] = json!("application/vnd.dev.cosign.artifact.sig.v1+json");
    check(OCI_IMAGE, &signature, &other);
}

#[test]
fn a_document_of_two_meanings_is_refused() {
    let mut both = image(OCI_IMAGE, CONFIG_TYPES[0]);
    both["manifests"] = json!([]);
    check(OCI_IMAGE, &both, &Err(Error::Ambiguous));
    let posing = json!({"mediaType": OCI_INDEX, "layers": []});
    check(OCI_INDEX, &posing, &Err(Error::Ambiguous));
    let hiding = json!({"mediaType": OCI_IMAGE, "manifests": []});
    check(OCI_INDEX, &hiding, &Err(Error::Ambiguous));
}

#[test]
fn an_image_needs_a_config_with_a_digest() {
    check(
        OCI_IMAGE,
        &json!({"schemaVersion": 2}),
        &Err(Error::NoConfig),
    );
    let mut odd = image(OCI_IMAGE, CONFIG_TYPES[0]);
    odd["config"]["digest"] = json!("md5:00");
    check(OCI_IMAGE, &odd, &Err(Error::NoConfig));
}

#[test]
fn attestations_and_unknown_types_are_passed_over() {
    check_entries(
        &[
            entry("linux/amd64", &json!({})),
            entry("unknown/unknown", &json!({})),
            entry(
                "linux/amd64",
                &json!({"annotations": {REFERENCE_TYPE: "attestation-manifest"}}),
            ),
            entry(
                "linux/arm64",
                &json!({"artifactType": "application/example"}),
            ),
            entry("linux/arm64", &json!({"mediaType": OCI_INDEX})),
            entry("linux/arm64", &json!({"mediaType": "application/example"})),
            entry("linux/arm/v7", &json!({"mediaType": DOCKER_IMAGE})),
        ],
        "linux/amd64 linux/arm/v7",
    );
}

#[test]
fn one_odd_entry_does_not_spoil_the_others() {
    check_entries(
        &[
            entry("linux/amd64", &json!({"digest": "nonsense"})),
            entry("linux/amd64", &json!({"digest": 7})),
            entry("linux/amd64", &json!({"platform": "linux/amd64"})),
            entry("LINUX/amd64", &json!({})),
            entry("linux/s390x", &json!({})),
        ],
        "linux/s390x",
    );
}

#[test]
fn an_entry_without_a_platform_leaves_it_to_its_config() {
    check_entries(&[entry("linux/amd64", &json!({"platform": null}))], "-");
}

#[test]
fn an_index_without_end_is_refused() {
    let entries = vec![entry("linux/amd64", &json!({})); MAX_ENTRIES + 1];
    check(OCI_INDEX, &index(&entries), &Err(Error::TooManyEntries));
}

#[test]
fn a_config_says_platform_and_time() {
    check_config(
        &json!({"os": "linux", "architecture": "arm", "variant": "v7", "created": "2024-05-01T12:00:00.5Z"}),
        Some("linux/arm/v7"),
        Some("2024-05-01T12:00:00.5Z"),
    );
    check_config(
        &json!({"os": "linux", "architecture": "amd64", "created": "2024-05-01T14:00:00+02:00"}),
        Some("linux/amd64"),
        Some("2024-05-01T12:00:00Z"),
    );
}

#[test]
fn what_is_no_time_is_none() {
    for created in [
        json!(null),
        json!(""),
        json!(0),
        json!("yesterday"),
        json!([]),
    ] {
        check_config(&json!({"created": created}), None, None);
    }
    check_config(&json!({}), None, None);
}

#[test]
fn a_config_without_a_usable_platform_has_none() {
    check_config(&json!({"os": "linux"}), None, None);
    check_config(
        &json!({"os": "unknown", "architecture": "unknown"}),
        None,
        None,
    );
    check_config(&json!({"os": "linux", "architecture": 64}), None, None);
}

#[test]
fn what_is_not_json_is_an_error_with_its_place() {
    let expected = Error::Json { line: 1, column: 2 };
    assert_eq!(parse(OCI_IMAGE, b"{]"), Err(expected));
    assert_eq!(parse_config(b"{]"), Err(expected));
    assert!(parse_config(b"").is_err(), "an empty body is no config");
}

#[test]
fn too_large_a_document_is_not_read() {
    let body = vec![b' '; MAX_BYTES + 1];
    assert_eq!(parse(OCI_IMAGE, &body), Err(Error::TooLarge));
    assert_eq!(parse_config(&body), Err(Error::TooLarge));
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let body = "[".repeat(1_000_000);
    assert!(matches!(
        parse_config(body.as_bytes()),
        Err(Error::Json { .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..256)) {
        read_anything(&body);
    }

    /// A document cut short is an error, never another image.
    #[test]
    fn a_part_of_a_document_is_no_document(end in 0..150_usize) {
        let whole = image(OCI_IMAGE, CONFIG_TYPES[0]).to_string();
        prop_assert!(end < whole.len());
        prop_assert!(parse(OCI_IMAGE, &whole.as_bytes()[..end]).is_err());
    }
}
