//! Which policies something may be about: so nobody has to ask thousands of them, thousands of times.
//!
//! It tells candidates. Whether a policy selects, refers to or conflicts with something, whoever
//! asks decides.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use image_update_core::image::Repository;
use image_update_core::remote::RemoteUrl;
use kube::Resource as _;

use super::context::{GuardedPolicy, key};
use crate::api::v1alpha1::ImageUpdatePolicy;
use crate::api::validate;

/// Namespace and name.
type Key = (String, String);

/// What a policy may be about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Topic {
    /// The Application of this name.
    Application(Key),
    /// Applications by more than their names.
    AnyApplication,
    /// A repository that the policy names itself, however its address is spelled.
    Repository(String),
    /// A watch.
    Watch(Key),
    /// An image that the policy names itself, without a watch.
    Image(Repository),
}

impl Topic {
    fn of_repository(repository: &RemoteUrl) -> Self {
        Self::Repository(repository.without_suffix().to_owned())
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct PolicyIndex(RwLock<Index>);

#[derive(Default)]
struct Index {
    entries: HashMap<Key, Entry>,
    policies: HashMap<Topic, BTreeSet<Key>>,
}

struct Entry {
    /// Tells whether the spec is another one.
    version: (Option<String>, Option<i64>),
    topics: BTreeSet<Topic>,
}

impl PolicyIndex {
    /// Takes a policy in, or what it has become.
    pub(super) fn put(&self, policy: &GuardedPolicy) {
        let meta = policy.meta();
        let version = (meta.uid.clone(), meta.generation);
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let key = key(meta);
        if index
            .entries
            .get(&key)
            .is_some_and(|entry| entry.version == version)
        {
            return;
        }
        index.remove(&key);
        let topics = policy.0.as_ref().map(topics).unwrap_or_default();
        for topic in &topics {
            let policies = index.policies.entry(topic.clone()).or_default();
            policies.insert(key.clone());
        }
        index.entries.insert(key, Entry { version, topics });
    }

    /// Forgets a policy.
    pub(super) fn remove(&self, policy: &Key) {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        index.remove(policy);
    }

    /// Forgets all but these.
    pub(super) fn keep(&self, policies: &BTreeSet<Key>) {
        let mut index = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Key> = index
            .entries
            .keys()
            .filter(|key| !policies.contains(*key))
            .cloned()
            .collect();
        for policy in gone {
            index.remove(&policy);
        }
    }

    /// The policies that may select one of these Applications, by namespace and name.
    pub(super) fn selecting<'a>(
        &self,
        applications: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> BTreeSet<Key> {
        let named = applications
            .map(|(namespace, name)| Topic::Application((namespace.to_owned(), name.to_owned())));
        self.about(named.chain([Topic::AnyApplication]))
    }

    /// The policies that name one of these repositories themselves.
    pub(super) fn writing<'a>(
        &self,
        repositories: impl Iterator<Item = &'a RemoteUrl>,
    ) -> BTreeSet<Key> {
        self.about(repositories.map(Topic::of_repository))
    }

    /// The policies that refer to a watch.
    pub(super) fn referring(&self, namespace: &str, watch: &str) -> BTreeSet<Key> {
        let watch = Topic::Watch((namespace.to_owned(), watch.to_owned()));
        self.about(std::iter::once(watch))
    }

    /// The policies that name one of these images themselves.
    pub(super) fn naming(&self, images: &[Repository]) -> BTreeSet<Key> {
        self.about(images.iter().cloned().map(Topic::Image))
    }

    fn about(&self, topics: impl Iterator<Item = Topic>) -> BTreeSet<Key> {
        let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
        topics
            .filter_map(|topic| index.policies.get(&topic))
            .flatten()
            .cloned()
            .collect()
    }
}

impl Index {
    fn remove(&mut self, policy: &Key) {
        let Some(entry) = self.entries.remove(policy) else {
            return;
        };
        for topic in entry.topics {
            if let Some(policies) = self.policies.get_mut(&topic) {
                policies.remove(policy);
                if policies.is_empty() {
                    self.policies.remove(&topic);
                }
            }
        }
    }
}

fn topics(policy: &ImageUpdatePolicy) -> BTreeSet<Topic> {
    let own = policy.metadata.namespace.as_deref().unwrap_or_default();
    let spec = &policy.spec;
    let watches = policy
        .watches()
        .map(|(namespace, name)| Topic::Watch((namespace.to_owned(), name.to_owned())));
    let applications = spec.applications.iter().map(|rule| {
        let named = validate::one_application(rule, own);
        named.map_or(Topic::AnyApplication, |(namespace, name)| {
            Topic::Application((namespace.to_owned(), name.to_owned()))
        })
    });
    let images = spec.images.iter().filter_map(|it| it.image.as_ref());
    let images = images.filter_map(|image| image.parse().ok());
    let git = spec.write_back.git.as_ref();
    let repository = git.filter(|_| spec.applications.is_empty());
    // What is no address is refused when the policy is looked at.
    let repository = repository.and_then(|git| git.repository.as_ref()?.parse().ok());
    watches
        .chain(applications)
        .chain(repository.as_ref().map(Topic::of_repository))
        .chain(images.map(Topic::Image))
        .collect()
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;

    fn policy(name: &str, generation: i64, applications: &serde_json::Value) -> GuardedPolicy {
        let object = json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": "ImageUpdatePolicy",
            "metadata": {"namespace": "argocd", "name": name, "generation": generation},
            "spec": {
                "images": [
                    {"alias": "web", "watchRef": {"name": "web"}, "strategy": {"semver": {}}},
                    {"alias": "side", "image": format!("ghcr.io/{name}"), "strategy": {"semver": {}}},
                ],
                "applications": applications,
                "writeBack": {"git": {"repository": "https://GIT.example:443/env/", "targets": []}},
            },
        });
        let policy = serde_json::from_value(object).expect("the row is a policy");
        DeserializeGuard(Ok(policy))
    }

    fn names(policies: &BTreeSet<Key>) -> Vec<&str> {
        policies.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[track_caller]
    fn selecting(index: &PolicyIndex, namespace: &str, name: &str, expected: &[&str]) {
        let found = index.selecting(std::iter::once((namespace, name)));
        assert_eq!(names(&found), expected, "{namespace}/{name}");
    }

    #[test]
    fn only_policies_that_may_select_an_application_are_told() {
        let index = PolicyIndex::default();
        index.put(&policy("one", 1, &json!([{"name": "shop"}])));
        index.put(&policy(
            "other",
            1,
            &json!([{"name": "shop", "namespace": "team"}]),
        ));
        index.put(&policy("glob", 1, &json!([{"name": "shop-*"}])));
        index.put(&policy("direct", 1, &json!([])));
        selecting(&index, "argocd", "shop", &["glob", "one"]);
        selecting(&index, "team", "shop", &["glob", "other"]);
        selecting(&index, "argocd", "else", &["glob"]);
        // However its address is spelled.
        let repository = "https://git.example/env.git".parse();
        let repository = repository.expect("it is an address");
        let direct = index.writing(std::iter::once(&repository));
        assert_eq!(names(&direct), ["direct"]);
        let all = index.referring("argocd", "web");
        assert_eq!(names(&all), ["direct", "glob", "one", "other"]);
        let images = ["ghcr.io/one", "ghcr.io/two"].map(|it| it.parse().expect("it is an image"));
        assert_eq!(names(&index.naming(&images)), ["one"]);
    }

    #[test]
    fn what_a_policy_was_about_is_forgotten_with_its_spec_and_with_itself() {
        let index = PolicyIndex::default();
        index.put(&policy("one", 1, &json!([{"name": "shop"}])));
        index.put(&policy(
            "one",
            1,
            &json!([{"name": "not another generation"}]),
        ));
        selecting(&index, "argocd", "shop", &["one"]);
        index.put(&policy("one", 2, &json!([{"name": "bank"}])));
        selecting(&index, "argocd", "shop", &[]);
        selecting(&index, "argocd", "bank", &["one"]);
        index.keep(&BTreeSet::new());
        selecting(&index, "argocd", "bank", &[]);
        index.put(&policy("one", 2, &json!([{"name": "bank"}])));
        index.remove(&("argocd".to_owned(), "one".to_owned()));
        selecting(&index, "argocd", "bank", &[]);
    }
}
