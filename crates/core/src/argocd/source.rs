//! Which source of an Application a policy means.

use super::application::{Application, Source, SourceType};

/// How a policy names a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceSelector {
    /// Not at all: it is inferred.
    #[default]
    Inferred,
    /// By `name`.
    Name(String),
    /// By its place in `spec.sources`, from 0.
    Index(usize),
    /// By `ref`.
    Ref(String),
}

/// A source that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// Its place in `spec.sources`; 0 for a lone source.
    pub index: usize,
    /// The source.
    pub source: &'a Source,
    /// What it is, if that is known.
    pub source_type: Option<SourceType>,
}

/// Why no source was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The Application has none.
    #[error("it has no source")]
    None,
    /// None has what the policy asks for.
    #[error("none of its {count} sources has {asked}")]
    NotFound {
        /// What was asked for, such as `name "values"`.
        asked: String,
        /// How many there are.
        count: usize,
    },
    /// Several fit equally well.
    #[error(
        "{count} of its sources are {kind}; say which one: applications[].source.name, index or ref"
    )]
    Ambiguous {
        /// What they all are.
        kind: &'static str,
        /// How many.
        count: usize,
    },
}

/// Chooses the source that `selector` names, or infers it.
///
/// Inferred is the only source there is; else the only one that is of a type in `wanted`; else the
/// only one that renders anything, which a source that others refer to by `ref` does not.
pub fn choose<'a>(
    application: &'a Application,
    selector: &SourceSelector,
    wanted: &[SourceType],
) -> Result<Chosen<'a>, SourceError> {
    let sources = &application.sources;
    let found = |asked: String, position: Option<usize>| match position {
        Some(index) => Ok(chosen(sources, index)),
        None => Err(SourceError::NotFound {
            asked,
            count: sources.len(),
        }),
    };
    match selector {
        SourceSelector::Name(name) => found(
            format!("name {name:?}"),
            sources.iter().position(|it| it.name.as_ref() == Some(name)),
        ),
        SourceSelector::Ref(reference) => found(
            format!("ref {reference:?}"),
            sources
                .iter()
                .position(|it| it.reference.as_ref() == Some(reference)),
        ),
        SourceSelector::Index(index) => found(
            format!("index {index}"),
            (*index < sources.len()).then_some(*index),
        ),
        SourceSelector::Inferred => infer(sources, wanted),
    }
}

fn infer<'a>(sources: &'a [Source], wanted: &[SourceType]) -> Result<Chosen<'a>, SourceError> {
    if let [_] = sources {
        return Ok(chosen(sources, 0));
    }
    let fits = |source: &Source| {
        source
            .source_type()
            .is_some_and(|kind| wanted.contains(&kind))
    };
    let fitting: Vec<usize> = (0..sources.len())
        .filter(|&it| fits(&sources[it]))
        .collect();
    match fitting.as_slice() {
        [index] => return Ok(chosen(sources, *index)),
        [] => {}
        several => {
            let kind = chosen(sources, several[0]).source_type;
            return Err(SourceError::Ambiguous {
                kind: kind.map_or("alike", SourceType::as_str),
                count: several.len(),
            });
        }
    }
    let renders: Vec<usize> = (0..sources.len())
        .filter(|&it| sources[it].reference.is_none() || !sources[it].path.is_empty())
        .collect();
    match renders.as_slice() {
        [index] => Ok(chosen(sources, *index)),
        [] => Err(SourceError::None),
        several => Err(SourceError::Ambiguous {
            kind: "alike",
            count: several.len(),
        }),
    }
}

fn chosen(sources: &[Source], index: usize) -> Chosen<'_> {
    let source = &sources[index];
    Chosen {
        index,
        source,
        source_type: source.source_type(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Source {
        Source {
            repo_url: "https://charts.example".to_owned(),
            is_chart: true,
            ..Source::default()
        }
    }

    fn values() -> Source {
        Source {
            repo_url: "https://git.example/env.git".to_owned(),
            reference: Some("values".to_owned()),
            ..Source::default()
        }
    }

    fn kustomize(name: &str) -> Source {
        Source {
            name: Some(name.to_owned()),
            path: name.to_owned(),
            found: Some(SourceType::Kustomize),
            ..Source::default()
        }
    }

    #[track_caller]
    fn check(
        sources: Vec<Source>,
        selector: &SourceSelector,
        wanted: &[SourceType],
        expected: Result<usize, &str>,
    ) {
        let application = Application {
            sources,
            ..Application::default()
        };
        let found = choose(&application, selector, wanted)
            .map(|it| it.index)
            .map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    const INFERRED: SourceSelector = SourceSelector::Inferred;

    #[test]
    fn a_lone_source_is_meant_whatever_it_is() {
        check(vec![kustomize("a")], &INFERRED, &[SourceType::Helm], Ok(0));
        check(vec![], &INFERRED, &[], Err("it has no source"));
    }

    #[test]
    fn of_several_the_one_of_the_wanted_type_is_meant() {
        let sources = vec![kustomize("a"), chart(), values()];
        check(sources.clone(), &INFERRED, &[SourceType::Helm], Ok(1));
        check(sources, &INFERRED, &[SourceType::Kustomize], Ok(0));
    }

    #[test]
    fn a_source_of_values_renders_nothing() {
        check(
            vec![values(), kustomize("a")],
            &INFERRED,
            &[SourceType::Plugin],
            Ok(1),
        );
    }

    #[test]
    fn two_of_a_type_have_to_be_told_apart() {
        check(
            vec![kustomize("a"), kustomize("b")],
            &INFERRED,
            &[SourceType::Kustomize],
            Err(
                "2 of its sources are Kustomize; say which one: applications[].source.name, \
                 index or ref",
            ),
        );
    }

    #[test]
    fn a_named_source_is_taken_or_missed() {
        let sources = || vec![kustomize("a"), values()];
        check(sources(), &SourceSelector::Name("a".to_owned()), &[], Ok(0));
        check(
            sources(),
            &SourceSelector::Ref("values".to_owned()),
            &[],
            Ok(1),
        );
        check(sources(), &SourceSelector::Index(1), &[], Ok(1));
        check(
            sources(),
            &SourceSelector::Index(2),
            &[],
            Err("none of its 2 sources has index 2"),
        );
        check(
            sources(),
            &SourceSelector::Name("b".to_owned()),
            &[],
            Err("none of its 2 sources has name \"b\""),
        );
    }
}
