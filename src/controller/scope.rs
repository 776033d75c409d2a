//! Where the operator looks: everywhere, or in some namespaces; and whose Applications are Argo CD's.

use kube::core::{NamespaceResourceScope, ObjectMeta};
use kube::{Api, Client, Resource};

use super::status::names;
use crate::api::validate::Reach;
use crate::config::RunConfig;

/// One API for all namespaces if none are named, else one for each of them.
pub(super) fn apis<K>(kube: &Client, namespaces: &[String]) -> Vec<Api<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    if namespaces.is_empty() {
        return vec![Api::all(kube.clone())];
    }
    let namespaces = namespaces.iter();
    namespaces
        .map(|namespace| Api::namespaced(kube.clone(), namespace))
        .collect()
}

/// In `--application-namespaces`: every namespace.
pub(super) const ALL: &str = "*";

/// Namespaces that belong to Argo CD: its own, and those that the operator was started for. In them
/// annotations are converted, and policies of Argo CD's namespace may name their Applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApplicationScope {
    pub(super) argocd: String,
    pub(super) others: Vec<String>,
}

impl ApplicationScope {
    /// As the operator was started.
    pub(super) fn new(config: &RunConfig) -> Self {
        Self {
            argocd: config.argocd_namespace.clone(),
            others: config.application_namespaces.clone(),
        }
    }

    /// From where a policy selects Applications.
    pub(super) fn reach<'a>(&self, policy: &'a ObjectMeta) -> Reach<'a> {
        let namespace = names(policy).0;
        Reach {
            namespace,
            beyond: namespace == self.argocd,
        }
    }

    /// Whether a namespace is one of them.
    pub(super) fn covers(&self, namespace: &str) -> bool {
        let is_named = |other: &String| other == ALL || other == namespace;
        self.argocd == namespace || self.others.iter().any(is_named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(others: &[&str], namespace: &str, expected: bool) {
        let scope = ApplicationScope {
            argocd: "argocd".to_owned(),
            others: others.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(scope.covers(namespace), expected);
    }

    #[test]
    fn argo_cds_own_namespace_and_named_ones_are_covered() {
        check(&[], "argocd", true);
        check(&[], "team", false);
        check(&["team"], "team", true);
        check(&["team"], "argocd", true);
        check(&["team"], "team-b", false);
        check(&["*"], "team-b", true);
    }
}
