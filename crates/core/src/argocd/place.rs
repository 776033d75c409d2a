//! Where in git a target of an Application is.

use super::application::{Application, Source};
use super::source::Chosen;

/// A path in a branch of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The repository's address.
    pub repository: String,
    /// The branch; `None` for the remote's default.
    pub branch: Option<String>,
    /// The path from the repository's root; empty for the root itself.
    pub path: String,
}

/// Why a target has no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A chart's files are not in git.
    #[error(
        "its source is a chart of {repository}, whose files are not in git; write to a source \
         with a ref by a path such as $values/app/values.yaml, or set writeBack.git.repository \
         and a path that starts with a slash"
    )]
    Chart {
        /// The chart's repository.
        repository: String,
    },
    /// A `$name/…` path whose name no source has.
    #[error("no source of it has ref {reference:?}")]
    UnknownRef {
        /// The name.
        reference: String,
    },
    /// A revision that is no branch can't be pushed to.
    #[error(
        "its targetRevision {revision:?} is {what}, which can't be written; \
         set writeBack.git.branch"
    )]
    NotABranch {
        /// The revision.
        revision: String,
        /// What it is.
        what: &'static str,
    },
    /// More `..` than folders.
    #[error("the path {path:?} leaves the repository")]
    Leaves {
        /// The path.
        path: String,
    },
}

/// Where `path` is, for the source `chosen` of `application`.
///
/// `path` is relative to the source's path; a leading `/` means the repository's root, a leading
/// `$name/` the root of the repository of the source with that `ref`. `repository` and `branch`
/// go before what the source says.
pub fn place(
    application: &Application,
    chosen: Chosen<'_>,
    repository: Option<&str>,
    branch: Option<&str>,
    path: &str,
) -> Result<Place, PlaceError> {
    let (source, path) = match path.strip_prefix('$') {
        Some(path) => by_reference(application, path)?,
        None => (chosen.source, beside(chosen.source, repository, path)?),
    };
    let branch = match branch {
        Some(branch) => Some(branch.to_owned()),
        None => branch_of(application, source, repository)?,
    };
    Ok(Place {
        repository: repository.unwrap_or(&source.repo_url).to_owned(),
        branch,
        path,
    })
}

/// `name/path` is a path in the repository of the source with that `ref`.
fn by_reference<'a>(
    application: &'a Application,
    path: &str,
) -> Result<(&'a Source, String), PlaceError> {
    let (reference, path) = path.split_once('/').unwrap_or((path, ""));
    let is_meant = |source: &&Source| source.reference.as_deref() == Some(reference);
    let source = application.sources.iter().find(is_meant);
    let source = source.ok_or_else(|| PlaceError::UnknownRef {
        reference: reference.to_owned(),
    })?;
    Ok((source, normalise(path)?))
}

/// A path relative to the source's own, or from the root.
fn beside(source: &Source, repository: Option<&str>, path: &str) -> Result<String, PlaceError> {
    match path.strip_prefix('/') {
        Some(path) if repository.is_some() || !source.is_chart => normalise(path),
        None if !source.is_chart => normalise(&format!("{}/{path}", source.path)),
        Some(_) | None => Err(PlaceError::Chart {
            repository: source.repo_url.clone(),
        }),
    }
}

/// The branch that the source follows; with another `repository`, the one that the source of that
/// address follows.
fn branch_of(
    application: &Application,
    source: &Source,
    repository: Option<&str>,
) -> Result<Option<String>, PlaceError> {
    let same = |source: &&Source| Some(source.repo_url.as_str()) == repository;
    let source = application.sources.iter().find(same).unwrap_or(source);
    let revision = source.target_revision.as_str();
    let is_hex = revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let what = match revision {
        "" | "HEAD" => return Ok(None),
        _ if source.is_chart => "a chart's version",
        _ if is_hex && matches!(revision.len(), 40 | 64) => "a commit",
        _ if revision.starts_with("refs/tags/") => "a tag",
        _ if revision.contains(['*', '^', '~', '<', '>', '=', ' ']) => "a range of versions",
        _ => {
            let name = revision.strip_prefix("refs/heads/").unwrap_or(revision);
            return Ok(Some(name.to_owned()));
        }
    };
    Err(PlaceError::NotABranch {
        revision: revision.to_owned(),
        what,
    })
}

/// Resolves `.` and `..`.
fn normalise(path: &str) -> Result<String, PlaceError> {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop().ok_or_else(|| PlaceError::Leaves {
                    path: path.to_owned(),
                })?;
            }
            name => names.push(name),
        }
    }
    Ok(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::source::{SourceSelector, choose};
    use super::*;

    fn application() -> Application {
        let git = Source {
            repo_url: "https://git.example/apps.git".to_owned(),
            path: "foo/bar".to_owned(),
            target_revision: "main".to_owned(),
            ..Source::default()
        };
        let values = Source {
            repo_url: "https://git.example/values.git".to_owned(),
            reference: Some("values".to_owned()),
            ..Source::default()
        };
        let chart = Source {
            repo_url: "https://charts.example".to_owned(),
            is_chart: true,
            target_revision: "1.2.3".to_owned(),
            ..Source::default()
        };
        Application {
            sources: vec![git, values, chart],
            ..Application::default()
        }
    }

    /// `expected` is `repository branch path`, `-` for what is not there.
    #[track_caller]
    fn check(
        index: usize,
        repository: Option<&str>,
        branch: Option<&str>,
        path: &str,
        expected: Result<&str, &str>,
    ) {
        let application = application();
        let chosen = choose(&application, &SourceSelector::Index(index), &[]);
        let chosen = chosen.expect("the row's source is there");
        let found = place(&application, chosen, repository, branch, path);
        let or_dash = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        let shown = found
            .map(|it| {
                let branch = it.branch.unwrap_or_default();
                format!("{} {} {}", it.repository, or_dash(branch), or_dash(it.path))
            })
            .map_err(|error| error.to_string());
        match (&shown, expected) {
            (Err(shown), Err(expected)) => assert!(shown.starts_with(expected), "{shown}"),
            (shown, expected) => assert_eq!(shown.as_deref().ok(), expected.ok(), "{shown:?}"),
        }
    }

    #[test]
    fn a_path_is_relative_to_the_source() {
        let at = |path: &str| format!("https://git.example/apps.git main {path}");
        check(0, None, None, ".", Ok(&at("foo/bar")));
        check(0, None, None, "foo", Ok(&at("foo/bar/foo")));
        check(0, None, None, "../baz", Ok(&at("foo/baz")));
        check(0, None, None, "/foo", Ok(&at("foo")));
        check(0, None, None, "/", Ok(&at("-")));
        check(0, None, None, "../../../x", Err("the path"));
    }

    #[test]
    fn what_the_policy_says_goes_first() {
        check(
            0,
            None,
            Some("dev"),
            ".",
            Ok("https://git.example/apps.git dev foo/bar"),
        );
        check(
            0,
            Some("https://git.example/other.git"),
            None,
            ".",
            Ok("https://git.example/other.git main foo/bar"),
        );
        check(
            0,
            Some("https://git.example/values.git"),
            None,
            "/x",
            Ok("https://git.example/values.git - x"),
        );
    }

    #[test]
    fn a_ref_is_the_root_of_its_repository() {
        let expected = Ok("https://git.example/values.git - app/values.yaml");
        check(2, None, None, "$values/app/values.yaml", expected);
        check(
            2,
            None,
            None,
            "$nothing/app",
            Err("no source of it has ref \"nothing\""),
        );
    }

    #[test]
    fn a_chart_is_not_in_git() {
        check(
            2,
            None,
            None,
            "values.yaml",
            Err("its source is a chart of"),
        );
        check(
            2,
            None,
            None,
            "/values.yaml",
            Err("its source is a chart of"),
        );
        let repository = Some("https://git.example/apps.git");
        let expected = Ok("https://git.example/apps.git main values.yaml");
        check(2, repository, None, "/values.yaml", expected);
        let other = Some("https://git.example/other.git");
        let expected = "its targetRevision \"1.2.3\" is a chart's version";
        check(2, other, None, "/values.yaml", Err(expected));
    }

    #[test]
    fn only_branches_can_be_written() {
        for (revision, what) in [
            ("1.*", "a range of versions"),
            ("refs/tags/v1", "a tag"),
            ("0123456789012345678901234567890123456789", "a commit"),
        ] {
            let mut application = application();
            application.sources[0].target_revision = revision.to_owned();
            let chosen = choose(&application, &SourceSelector::Index(0), &[]);
            let chosen = chosen.expect("the source is there");
            let error = place(&application, chosen, None, None, ".").expect_err("no branch");
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
