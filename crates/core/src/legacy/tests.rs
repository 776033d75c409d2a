//! Annotations by rows: what is read, and what is said about what is not.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::argocd::Source;
use crate::policy::Strategy;

fn application(path: &str) -> Application {
    let source = Source {
        repo_url: "https://git.example/org/env.git".to_owned(),
        path: path.to_owned(),
        ..Source::default()
    };
    Application {
        namespace: "argocd".to_owned(),
        name: "shop".to_owned(),
        sources: vec![source],
        images: Vec::new(),
        project: "default".to_owned(),
    }
}

fn annotations(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    let named = rows.iter();
    named
        .map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned()))
        .collect()
}

#[track_caller]
fn read(rows: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let read = parse(&application("bar"), &annotations(rows));
    let (settings, problems) = read.expect("the rows list images");
    let shown = |problem: &Diagnostic| {
        let text = problem.to_string();
        text.strip_prefix(PREFIX).unwrap_or(&text).to_owned()
    };
    let problems = problems.iter().map(shown).collect();
    (settings, problems)
}

/// The aliases that remain, and what begins each of the problems.
#[track_caller]
fn check(rows: &[(&str, &str)], aliases: &[&str], expected: &[&str]) {
    let (settings, problems) = read(rows);
    let found: Vec<&str> = settings.images.iter().map(|it| it.alias.as_str()).collect();
    assert_eq!(found, aliases, "{problems:?}");
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, start) in problems.iter().zip(expected) {
        assert!(problem.starts_with(start), "{problem:?} is not {start:?}");
    }
}

#[track_caller]
fn first(rows: &[(&str, &str)]) -> ImageSettings {
    let (settings, problems) = read(rows);
    assert_eq!(problems, Vec::<String>::new());
    settings.images.into_iter().next().expect("there is one")
}

#[test]
fn without_a_list_the_application_is_none_of_ours() {
    let rows = annotations(&[("update-strategy", "digest")]);
    assert_eq!(parse(&application(""), &rows), None);
}

#[test]
fn a_list_may_be_folded_and_hold_blanks_and_no_aliases() {
    check(
        &[("image-list", "a=nginx, \n b=redis:^7 ,,")],
        &["a", "b"],
        &[],
    );
    check(
        &[(
            "image-list",
            "nginx,docker.io/library/nginx,localhost:5000/x:1",
        )],
        &["nginx", "nginx-2", "localhost-5000/x"],
        &[],
    );
    let image = first(&[("image-list", "a=localhost:5000/foo/bar:>=1.0")]);
    assert_eq!(image.repository.as_str(), "localhost:5000/foo/bar");
    assert_eq!(
        image.strategy,
        Strategy::Semver(">=1.0".parse().expect("a constraint"))
    );
}

#[test]
fn a_bad_image_leaves_the_others_alone() {
    check(
        &[
            ("image-list", "a=nginx,b=UPPER!,c=redis"),
            ("b.update-strategy", "name"),
        ],
        &["a", "c"],
        &["image-list:9: the image is not valid: "],
    );
    check(
        &[("image-list", "a=nginx,a=redis")],
        &["a"],
        &["image-list:9: the alias \"a\" is another image's already"],
    );
    check(
        &[("image-list", "a b=nginx")],
        &[],
        &["image-list:1: the alias \"a b\" has"],
    );
    check(
        &[
            ("image-list", "a=nginx,b=redis"),
            ("a.update-strategy", "newst"),
        ],
        &["b"],
        &["a.update-strategy:1: \"newst\" is not a strategy"],
    );
}

#[test]
fn what_is_said_of_an_alias_goes_before_what_is_said_of_all() {
    let name = |rows: &[(&str, &str)]| first(rows).strategy.name().to_string();
    let list = ("image-list", "org/web=nginx");
    assert_eq!(name(&[list]), "semver");
    assert_eq!(name(&[list, ("update-strategy", "Latest")]), "newest-build");
    assert_eq!(
        name(&[
            list,
            ("update-strategy", "latest"),
            ("org_web.update-strategy", "name")
        ]),
        "alphabetical"
    );
    assert_eq!(
        name(&[
            list,
            ("update-strategy", "latest"),
            ("org_web.update-strategy", "")
        ]),
        "newest-build"
    );
}

#[test]
fn tags_are_filtered_by_the_newer_name_first() {
    let list = ("image-list", "a=nginx");
    let allow = |rows: &[(&str, &str)]| first(rows).allow.map(|it| it.as_str().to_owned());
    assert_eq!(
        allow(&[list, ("a.tag-match", "regexp:^v1")]).as_deref(),
        Some("^v1")
    );
    assert_eq!(
        allow(&[
            list,
            ("tag-match", "regexp:^v1"),
            ("allow-tags", "regexp:^v2")
        ])
        .as_deref(),
        Some("^v2")
    );
    assert_eq!(
        allow(&[list, ("allow-tags", "regexp:^v2"), ("a.allow-tags", "any")]),
        None
    );
    check(&[list, ("allow-tags", "^v2")], &[], &["allow-tags:1: "]);
    check(
        &[list, ("ignore-tags", "*-rc*, regexp:beta")],
        &["a"],
        &["ignore-tags:8: the old updater took \"regexp:beta\" for a glob"],
    );
    let ignored = |rows: &[(&str, &str)]| {
        let (settings, _) = read(rows);
        let patterns = settings.images.into_iter().flat_map(|it| it.ignore);
        let patterns: Vec<_> = patterns.collect();
        patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        ignored(&[list, ("ignore-tags", "*-rc*, regexp:beta,")]),
        ["*-rc*", "regexp:beta"]
    );
    assert!(ignored(&[list, ("ignore-tags", "*"), ("a.ignore-tags", "")]).is_empty());
    check(
        &[list, ("ignore-tags", "ok, [")],
        &[],
        &["ignore-tags:5: \"[\" is not a pattern"],
    );
}

/// The constraint that is left, if the image is.
#[track_caller]
fn check_constraint(list: &str, annotated: &str, expected: Option<&str>, problems: &[&str]) {
    let rows = [
        ("image-list", list),
        ("a.semver-constraint", annotated),
        ("b.update-strategy", "name"),
    ];
    let aliases: &[&str] = if expected.is_some() {
        &["a", "b"]
    } else {
        &["b"]
    };
    check(&rows, aliases, problems);
    let (settings, _) = read(&rows);
    let wanted = expected.map(|it| Strategy::Semver(it.parse().expect("a constraint")));
    let found = settings.images.iter().find(|it| it.alias == "a");
    assert_eq!(found.map(|it| &it.strategy), wanted.as_ref());
}

#[test]
fn a_constraint_that_only_articles_know_is_kept() {
    let range = ">=1.0.0 <2.0.0";
    let honoured = "a.semver-constraint:1: the old updater did not read this annotation and took \
                    any version; here \">=1.0.0 <2.0.0\" is the constraint";
    check_constraint("a=nginx,b=redis", range, Some(range), &[honoured]);
    let same = "a=nginx:>=1.0.0 <2.0.0,b=redis";
    check_constraint(same, range, Some(range), &[]);
    check_constraint("a=nginx:~1.2,b=redis", "", Some("~1.2"), &[]);
    check_constraint(
        "a=nginx:~1.2,b=redis",
        range,
        None,
        &[
            "a.semver-constraint:1: the constraint \">=1.0.0 <2.0.0\" is not that of image-list, \
           which is \"~1.2\"",
        ],
    );
    check_constraint(
        "a=nginx,b=redis",
        ">=x.y.z.1",
        None,
        &["a.semver-constraint:1: the constraint is not valid: "],
    );
    check(
        &[
            ("image-list", "a=nginx"),
            ("update-strategy", "latest"),
            ("a.semver-constraint", range),
        ],
        &["a"],
        &["a.semver-constraint:1: the constraint has no effect with this strategy"],
    );
}

#[test]
fn what_has_no_effect_is_said() {
    let list = ("image-list", "a=nginx:1");
    check(
        &[list, ("a.update-strategy", "latest")],
        &["a"],
        &["image-list:1: the constraint has no effect"],
    );
    check(
        &[list, ("a.platforms", "linux/amd64")],
        &["a"],
        &["a.platforms:1: "],
    );
    check(
        &[list, ("b.update-strategy", "name")],
        &["a"],
        &["b.update-strategy:1: "],
    );
    check(&[list, ("git-branch", "main")], &["a"], &["git-branch:1: "]);
}

#[test]
fn a_pull_secret_is_of_the_same_namespace() {
    let list = ("image-list", "a=nginx");
    let secret = |text| {
        let found = first(&[list, ("a.pull-secret", text)]).pull_secret;
        found.map(|it| (it.name, it.key))
    };
    let named = |key: Option<&str>| Some(("n".to_owned(), key.map(str::to_owned)));
    assert_eq!(secret("pullsecret:n"), named(None));
    assert_eq!(secret("pullsecret:argocd/n"), named(None));
    assert_eq!(secret("secret:argocd/n#k"), named(Some("k")));
    for text in [
        "pullsecret:other/n",
        "secret:n",
        "env:HUNTER2",
        "ext:/hunter2",
        "hunter2",
        "pullsecret:",
    ] {
        let (settings, problems) = read(&[list, ("pull-secret", text)]);
        assert_eq!((settings.images.len(), problems.len()), (0, 1), "{text}");
        assert!(
            !problems.concat().to_lowercase().contains("hunter2"),
            "{problems:?}"
        );
    }
}

#[test]
fn force_update_is_what_go_takes_for_true() {
    let list = ("image-list", "a=nginx");
    assert!(first(&[list, ("force-update", "T")]).force_update);
    assert!(!first(&[list, ("force-update", "1"), ("a.force-update", "false")]).force_update);
    check(
        &[list, ("a.force-update", "yes")],
        &[],
        &["a.force-update:1: \"yes\" is neither"],
    );
}

#[test]
fn helm_keys_have_the_old_defaults() {
    let list = ("image-list", "a=nginx");
    let keys = |name: &str, tag: &str| HelmKeys::NameAndTag {
        name: name.to_owned(),
        tag: tag.to_owned(),
    };
    assert_eq!(first(&[list]).helm, keys("image.name", "image.tag"));
    assert_eq!(
        first(&[list, ("a.helm.image-tag", "t")]).helm,
        keys("image.name", "t")
    );
    assert_eq!(
        first(&[list, ("a.helm.image-tag", "t"), ("a.helm.image-spec", "s")]).helm,
        HelmKeys::Spec("s".to_owned())
    );
    let named = first(&[list, ("a.kustomize.image-name", "web")]).kustomize_name;
    assert_eq!(named.as_deref(), Some("web"));
}

/// `None`: refused.
#[track_caller]
fn check_target(text: &str, path: &str, expected: Option<&TargetSettings>) {
    let rows = annotations(&[
        ("image-list", "a=nginx"),
        ("write-back-method", "git:secret:creds"),
        ("write-back-target", text),
    ]);
    let (settings, problems) = parse(&application(path), &rows).expect("there is a list");
    let target = match settings.write_back {
        Some(WriteBackSettings::Git(git)) => Some(git.target),
        other => {
            assert_eq!((other, problems.len()), (None, 1));
            None
        }
    };
    assert_eq!(
        target.as_ref(),
        expected,
        "{text} in {path:?}: {problems:?}"
    );
}

#[test]
fn targets_are_relative_to_the_source_or_to_the_root() {
    let kustomization = |path: &str| TargetSettings::Kustomization(path.to_owned());
    let values = |path: &str| TargetSettings::HelmValues(path.to_owned());
    let overrides = |path: &str| TargetSettings::Overrides(Some(path.to_owned()));
    check_target("kustomization", "foo/bar", Some(&kustomization(".")));
    check_target("kustomization:/foo", "bar", Some(&kustomization("/foo")));
    check_target("kustomization:foo", "bar", Some(&kustomization("foo")));
    check_target(
        "kustomization:../baz",
        "bar/foo",
        Some(&kustomization("/bar/baz")),
    );
    check_target("kustomization:../../baz", "bar", None);
    check_target("helmvalues", "foo/bar", Some(&values("values.yaml")));
    check_target(
        "helmvalues:/foo/v.yaml",
        "bar",
        Some(&values("/foo/v.yaml")),
    );
    check_target("helmvalues:foo/v.yaml", "bar", Some(&values("foo/v.yaml")));
    check_target(
        "helmvalues:../baz/v.yaml",
        "bar/foo",
        Some(&values("/bar/baz/v.yaml")),
    );
    check_target("envs/v.yaml", "bar", Some(&values("/envs/v.yaml")));
    check_target(
        "envs/.argocd-source-x.yaml",
        "bar",
        Some(&overrides("/envs/.argocd-source-x.yaml")),
    );
    check_target("envs/Kustomization", "bar", None);
    check_target("", "bar", Some(&TargetSettings::Overrides(None)));
}

#[track_caller]
fn check_write_back(rows: &[(&str, &str)], expected: &[&str]) {
    let all = [&[("image-list", "a=nginx")], rows].concat();
    let (settings, problems) = read(&all);
    assert_eq!(settings.write_back, None, "{problems:?}");
    assert_eq!(settings.images.len(), 1);
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, start) in problems.iter().zip(expected) {
        assert!(problem.starts_with(start), "{problem:?} is not {start:?}");
    }
}

#[test]
fn a_way_of_writing_that_is_not_known_is_refused() {
    let git = ("write-back-method", "git:secret:creds");
    for text in ["gitt", "git:", "git:secret:", "git:secret:other/n", "Git"] {
        check_write_back(&[("write-back-method", text)], &["write-back-method:1: "]);
    }
    check_write_back(&[git, ("git-branch", "a b")], &["git-branch:1: "]);
    check_write_back(
        &[git, ("git-branch", "main:a{{.Nothing}}")],
        &["git-branch:1: "],
    );
    for text in [
        "file:///srv/env.git",
        "http://git.example/x",
        "https://u:hunter2@git.example/x",
    ] {
        check_write_back(&[git, ("git-repository", text)], &["git-repository:1: "]);
        let (_, problems) = read(&[("image-list", "a=nginx"), git, ("git-repository", text)]);
        assert!(!problems.concat().contains("hunter2"));
    }
}

#[test]
fn branches_keep_their_template() {
    let (settings, problems) = read(&[
        ("image-list", "a=nginx"),
        ("write-back-method", "git:secret:argocd/creds"),
        ("git-branch", "main:updates/{{.SHA256}}"),
        ("git-repository", "https://git.example/org/other.git"),
    ]);
    assert_eq!(problems, Vec::<String>::new());
    let Some(WriteBackSettings::Git(git)) = settings.write_back else {
        unreachable!("it is written to git: {settings:?}");
    };
    assert_eq!(git.credentials, GitCredentials::Secret("creds".to_owned()));
    assert_eq!(
        git.branch.base.map(|it| it.as_str().to_owned()).as_deref(),
        Some("main")
    );
    let push = git.branch.push.map(|it| it.as_str().to_owned());
    assert_eq!(push.as_deref(), Some("updates/{{.SHA256}}"));
}

proptest! {
    #[test]
    fn whatever_is_annotated_is_read_or_told(
        list in "([ab]=)?[a-zA-Z0-9:/.,=@ é-]{0,40}",
        rows in proptest::collection::btree_map("[ab]?\\.?[a-z.-]{0,20}", ".{0,30}", 0..5),
    ) {
        let mut all: BTreeMap<String, String> =
            rows.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect();
        all.insert(format!("{PREFIX}{IMAGE_LIST}"), list);
        let (settings, problems) = parse(&application("bar"), &all).expect("there is a list");
        prop_assert_eq!(parse(&application("bar"), &all), Some((settings.clone(), problems)));
        let aliases: std::collections::BTreeSet<_> = settings.images.iter().map(|it| &it.alias).collect();
        prop_assert_eq!(aliases.len(), settings.images.len());
    }
}
