//! One row = one fact about the file. To learn a rule, read its row.

use proptest::prelude::*;

use super::read::KNOWN;
use super::*;

/// The old updater's example, with every key.
const EVERY_KEY: &str = "\
# comment
registries:
- name: Docker Hub
  prefix: docker.io
  api_url: https://registry-1.docker.io
  ping: yes
  credentials: secret:foo/bar#creds
  credsexpire: 10h
  tagsortmode: none
  insecure: no
  ca_file: /etc/ssl/hub.pem
  ca_data: |
    -----BEGIN CERTIFICATE-----
    AA==
    -----END CERTIFICATE-----
  defaultns: library
  limit: 20
  default: true
- name: GitHub
  api_url: https://ghcr.io
  prefix: ghcr.io
";

#[test]
fn reads_every_key() {
    let conf = parse(EVERY_KEY);
    assert_eq!(conf.registries.len(), 2);
    let hub = &conf.registries[0];
    assert_eq!(hub.name, "Docker Hub");
    assert_eq!(hub.prefix.as_ref().map(Prefix::as_str), Some("docker.io"));
    assert_eq!(hub.api_url.as_str(), "https://registry-1.docker.io/");
    let source = hub.credentials.as_ref().map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("secret:foo/bar#creds"));
    assert_eq!(hub.credentials_expire, Some(Duration::from_hours(10)));
    assert_eq!(hub.ca_file, Some(PathBuf::from("/etc/ssl/hub.pem")));
    assert!(hub.ca_data.as_ref().is_some_and(|it| it.contains("AA==")));
    assert_eq!(hub.default_namespace.as_deref(), Some("library"));
    assert_eq!(hub.limit, NonZeroU32::new(20));
    assert!(hub.is_default && !hub.insecure);
    assert_eq!(conf.warnings, []);
}

#[test]
fn what_is_left_out_has_the_old_defaults() {
    let registry = &parse(EVERY_KEY).registries[1];
    let expected = Registry {
        name: "GitHub".to_owned(),
        prefix: Some("ghcr.io".parse().expect("a host is a prefix")),
        api_url: "https://ghcr.io".parse().expect("a URL is a URL"),
        credentials: None,
        credentials_expire: None,
        insecure: false,
        ca_file: None,
        ca_data: None,
        default_namespace: None,
        limit: None,
        is_default: false,
    };
    assert_eq!(registry, &expected);
}

#[test]
fn the_known_keys_are_those_of_the_example() {
    let keys: Vec<&str> = KNOWN.split(", ").map(str::trim).collect();
    for key in &keys {
        assert!(EVERY_KEY.contains(&format!("{key}:")), "{key}");
    }
    assert_eq!(keys.len(), 13);
}

#[test]
fn no_entry_is_no_registry() {
    for file in ["", "# nothing\n", "registries:\n", "registries: []\n"] {
        assert_eq!(parse(file), RegistriesConf::default(), "{file:?}");
    }
}

#[test]
fn null_and_empty_are_missing() {
    let registry = entry("credentials:\n  prefix: ''\n  limit: ~\n  credsexpire: 0\n  ca_file: ''");
    assert_eq!(registry.credentials, None);
    assert_eq!(registry.prefix, None);
    assert_eq!(registry.limit, None);
    assert_eq!(registry.credentials_expire, None);
    assert_eq!(registry.ca_file, None);
}

#[test]
fn booleans_are_those_of_yaml_1_1() {
    for (word, expected) in [
        ("yes", true),
        ("True", true),
        ("ON", true),
        ("no", false),
        ("off", false),
        ("FALSE", false),
    ] {
        assert_eq!(entry(&format!("insecure: {word}")).insecure, expected);
    }
    check_value("insecure: maybe", r#"insecure: "maybe" is neither"#);
    check_value("ping: 1", r#"ping: "1" is neither"#);
    check_value("default: [true]", "default: expected one value");
}

#[test]
fn a_limit_of_zero_or_less_is_none() {
    assert_eq!(entry("limit: 5").limit, NonZeroU32::new(5));
    assert_eq!(entry("limit: 0").limit, None);
    assert_eq!(entry("limit: -1").limit, None);
    check_value("limit: 1.5", r#"limit: "1.5" is not a whole number"#);
    check_value("limit: many", r#"limit: "many" is not a whole number"#);
}

#[test]
fn an_expiry_is_a_duration_of_go() {
    let expiry = |text: &str| entry(&format!("credsexpire: {text}")).credentials_expire;
    assert_eq!(expiry("1h30m"), Some(Duration::from_mins(90)));
    assert_eq!(expiry("0s"), None);
    check_value("credsexpire: 10", "credsexpire: \"10\" is not a duration");
    check_value("credsexpire: -1h", "credsexpire: \"-1h\" is not a duration");
}

#[test]
fn credentials_have_four_forms() {
    for form in [
        "pullsecret:ns/name",
        "secret:ns/name#field.with_Any-1",
        "env:HUB_CREDENTIALS",
        "ext:/scripts/login:v2.sh",
    ] {
        let source = entry(&format!("credentials: '{form}'")).credentials;
        let shown = source.as_ref().map(ToString::to_string);
        assert_eq!(shown.as_deref(), Some(form));
    }
    for (form, expected) in [
        ("pullsecret:name", "expected pullsecret:namespace/name"),
        ("pullsecret:ns/", "expected pullsecret:namespace/name"),
        ("pullsecret:Ns/name", "expected pullsecret:namespace/name"),
        ("pullsecret:ns/a/b", "expected pullsecret:namespace/name"),
        ("secret:ns/name", "expected secret:namespace/name#field"),
        ("secret:ns/name#", "expected secret:namespace/name#field"),
        ("env:", "expected env:NAME"),
        ("env:A=B", "expected env:NAME"),
        ("ext:script.sh", "expected ext:/path/to/program"),
        ("ext:/", "expected ext:/path/to/program"),
        ("user:hunter2", "expected pullsecret:"),
        ("hunter2", "expected pullsecret:"),
    ] {
        check_value(&format!("credentials: '{form}'"), expected);
    }
}

#[test]
fn no_problem_repeats_what_may_be_a_secret() {
    for line in [
        "credentials: robot:hunter2",
        "credentials: hunter2",
        "credentials: secret:hunter2",
        "api_url: https://robot:hunter2@example.org",
        "api_url: https://hunter2@exam ple",
    ] {
        let shown = problems(&format!(
            "registries:\n- name: x\n  {line}\n  defaultns: ok\n"
        ));
        assert!(!shown.contains("hunter2"), "{line}: {shown}");
    }
}

#[test]
fn an_address_is_a_url_of_http() {
    let url = |text: &str| {
        let file = format!("registries:\n- name: x\n  api_url: {text}\n");
        parse(&file).registries[0].api_url.to_string()
    };
    assert_eq!(url("http://localhost:5000"), "http://localhost:5000/");
    assert_eq!(url("https://a.example/x/y"), "https://a.example/x/y");
    for text in [
        "registry-1.docker.io",
        "ftp://a.example",
        "https://a.example?x=1",
        "https://a.example#x",
        "https://",
    ] {
        check(
            &format!("registries:\n- name: x\n  api_url: '{text}'\n"),
            "line 3: api_url: ",
        );
    }
}

#[test]
fn a_prefix_begins_with_a_registry() {
    let prefix = |text: &str| {
        let prefix = entry(&format!("prefix: {text}")).prefix;
        prefix.map(|prefix| prefix.to_string())
    };
    assert_eq!(prefix("GHCR.io/org/").as_deref(), Some("ghcr.io/org"));
    assert_eq!(prefix("localhost:5000").as_deref(), Some("localhost:5000"));
    assert_eq!(prefix("registry-1.docker.io").as_deref(), Some("docker.io"));
    for text in ["grafana", "https://ghcr.io", "ghcr.io/Org", "ghcr.io//x"] {
        check_value(
            &format!("prefix: {text}"),
            "is not the beginning of an image",
        );
    }
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    check("registries: []\nother: 1\n", "line 2: other: unknown key");
    check_value("api-url: x", "line 4: api-url: unknown key; the keys are");
    check_value("<<: {}", "line 4: <<: unknown key");
    check_value("? [a]\n  : b", "line 4: unknown key");
}

#[test]
fn repeated_keys_are_refused() {
    check_value("name: y", "line 4: name: the key stands here a second time");
    check(
        "registries: []\nregistries: []\n",
        "line 2: registries: the key stands",
    );
}

#[test]
fn name_and_address_are_required() {
    check(
        "registries:\n- prefix: ghcr.io\n",
        "line 2: name: an entry needs",
    );
    check(
        "registries:\n- name: x\n",
        "line 2: api_url: an entry needs",
    );
}

#[test]
fn another_shape_is_refused() {
    check("- a\n", "line 1: expected keys");
    check("registries: x\n", "line 1: registries: expected a list");
    check("registries:\n- x\n", "line 2: expected keys");
    check("registries: {}\n", "registries: expected a list");
    check("registries: [\n", "could not parse");
    check("registries: []\n---\nregistries: []\n", "a second document");
}

#[test]
fn all_problems_are_told_at_once() {
    let shown = problems("registries:\n- name: x\n  ping: 7\n  limit: x\n- zoo: 1\n");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 6, "{shown}");
    assert!(lines[0].starts_with("line 2: api_url:"), "{shown}");
    assert!(lines[5].starts_with("line 5: api_url:"), "{shown}");
}

#[test]
fn entries_that_contradict_each_other_are_refused() {
    let two = |first: &str, second: &str| {
        format!(
            "registries:\n- {{name: a, api_url: 'https://a', {first}}}\n\
             - {{name: b, api_url: 'https://b', {second}}}\n"
        )
    };
    // The same registry in two spellings.
    check(
        &two("prefix: docker.io", "prefix: index.docker.io"),
        "line 3: prefix: \"docker.io\" is the prefix of the entry at line 2",
    );
    check(
        &two("limit: 1", "limit: 2"),
        "line 3: prefix: only one entry may do without",
    );
    check(
        &two("prefix: a.io, default: true", "prefix: b.io, default: true"),
        "line 3: default: the entry at line 2 is the default already",
    );
}

#[test]
fn what_has_no_effect_is_said() {
    let warnings = |file: &str| -> Vec<String> {
        let conf = parse(file);
        conf.warnings.iter().map(ToString::to_string).collect()
    };
    for mode in ["latest-first", "latest-last", "whatever"] {
        let found = warnings(&with(&format!("tagsortmode: {mode}")));
        assert!(found[0].starts_with("line 4: tagsortmode:"), "{found:?}");
    }
    assert!(warnings(&with("tagsortmode: none")).is_empty());
    let shadowed = "registries:\n\
        - {name: a, api_url: 'https://a', prefix: docker.io}\n\
        - {name: b, api_url: 'https://b', prefix: b.io, default: yes}\n";
    assert!(warnings(shadowed)[0].starts_with("line 3: default:"));
}

#[test]
fn a_file_is_bounded() {
    check(&"#".repeat(MAX_BYTES + 1), "larger than");
    let entry = "- {name: a, api_url: 'https://a', prefix: a.io}\n";
    let many = format!("registries:\n{}", entry.repeat(MAX_REGISTRIES + 1));
    check(&many, "more than 1000 registries");
}

const NESTED: &str = "\
registries:
- {name: hub, api_url: 'https://registry-1.docker.io', prefix: docker.io}
- {name: host, api_url: 'https://ghcr.io', prefix: ghcr.io}
- {name: org, api_url: 'https://ghcr.io', prefix: ghcr.io/org}
- {name: app, api_url: 'https://ghcr.io', prefix: ghcr.io/org/app}
- {name: port, api_url: 'http://localhost:5000', prefix: 'localhost:5000'}
";

#[test]
fn the_longest_prefix_wins() {
    check_find(NESTED, "ghcr.io/other/app", Some("host"));
    check_find(NESTED, "ghcr.io/org/other", Some("org"));
    check_find(NESTED, "ghcr.io/org/app", Some("app"));
    check_find(NESTED, "ghcr.io/org/app/part", Some("app"));
    check_find(NESTED, "localhost:5000/app", Some("port"));
    check_find(NESTED, "nginx", Some("hub"));
}

#[test]
fn parts_are_compared_whole() {
    check_find(NESTED, "ghcr.io/organisation/app", Some("host"));
    check_find(NESTED, "ghcr.io/org/application", Some("org"));
    check_find(NESTED, "ghcr.io.example/org/app", None);
    check_find(NESTED, "localhost:50001/app", None);
}

#[test]
fn names_without_a_registry_have_the_default_one() {
    let fallback = "registries:\n- {name: any, api_url: 'https://a'}\n";
    check_find(fallback, "nginx", Some("any"));
    check_find(fallback, "docker.io/org/app", Some("any"));
    check_find(fallback, "ghcr.io/org/app", None);
    let default = "registries:\n- {name: any, api_url: 'https://a'}\n\
        - {name: mirror, api_url: 'https://m', prefix: m.io, default: true}\n";
    check_find(default, "nginx", Some("mirror"));
    check_find(default, "m.io/x", Some("mirror"));
}

#[test]
fn the_default_namespace_stands_before_one_part() {
    check_path("defaultns: team", "ghcr.io/app", "team/app");
    check_path("defaultns: a/b", "ghcr.io/app", "a/b/app");
    check_path("defaultns: team", "ghcr.io/org/app", "org/app");
    check_path("defaultns: team", "nginx", "team/nginx");
    check_path("defaultns: library", "nginx", "library/nginx");
    check_path("limit: 1", "nginx", "library/nginx");
    check_path("limit: 1", "ghcr.io/app", "app");
    check_value("defaultns: Team", "is not a namespace of images");
    check_value("defaultns: 'a/'", "is not a namespace of images");
}

proptest! {
    #[test]
    fn reading_is_total(file in ".{0,200}") {
        drop(RegistriesConf::parse(file.as_bytes()));
    }

    /// The order of entries decides nothing.
    #[test]
    fn what_is_found_does_not_depend_on_the_order(seed in 0_usize..5, path in "(ghcr[.]io|localhost:5000)(/(org|app|x)){1,3}") {
        let lines: Vec<&str> = NESTED.lines().skip(1).collect();
        let mut turned = lines.clone();
        turned.rotate_left(seed);
        let turned = format!("registries:\n{}\n", turned.join("\n"));
        prop_assert_eq!(found(NESTED, &path), found(&turned, &path));
    }

    /// Whatever is found covers the repository, and nothing that covers it is longer.
    #[test]
    fn what_is_found_is_the_longest(path in "ghcr[.]io(/(org|app|other)){1,3}") {
        let conf = parse(NESTED);
        let repository: Repository = path.parse().expect("the pattern makes repositories");
        let longest = conf.registries.iter()
            .filter_map(|it| it.prefix.as_ref())
            .filter(|prefix| prefix.covers(&repository))
            .map(|prefix| prefix.as_str().len())
            .max();
        let found = conf.find(&repository).and_then(|it| it.prefix.as_ref());
        prop_assert_eq!(found.map(|prefix| prefix.as_str().len()), longest);
    }
}

#[track_caller]
fn parse(file: &str) -> RegistriesConf {
    RegistriesConf::parse(file.as_bytes()).expect(file)
}

#[track_caller]
fn problems(file: &str) -> String {
    let problems = RegistriesConf::parse(file.as_bytes()).expect_err(file);
    problems.to_string()
}

/// A file with one entry that has one more line, the fourth.
fn with(line: &str) -> String {
    format!("registries:\n- name: x\n  api_url: https://a.example\n  {line}\n")
}

#[track_caller]
fn entry(line: &str) -> Registry {
    parse(&with(line)).registries.remove(0)
}

#[track_caller]
fn check(file: &str, expected: &str) {
    let shown = problems(file);
    assert!(shown.contains(expected), "{shown:?} has no {expected:?}");
}

#[track_caller]
fn check_value(line: &str, expected: &str) {
    check(&with(line), expected);
}

fn found(file: &str, repository: &str) -> Option<String> {
    let repository = repository.parse().expect("the row's repository is valid");
    let conf = parse(file);
    conf.find(&repository).map(|registry| registry.name.clone())
}

#[track_caller]
fn check_find(file: &str, repository: &str, expected: Option<&str>) {
    assert_eq!(found(file, repository).as_deref(), expected, "{repository}");
}

#[track_caller]
fn check_path(line: &str, repository: &str, expected: &str) {
    let repository = repository.parse().expect("the row's repository is valid");
    assert_eq!(entry(line).path_of(&repository), expected, "{line}");
}
