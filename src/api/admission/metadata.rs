//! What an API server asks of an object's `metadata`: the names, and that there is no field that it
//! does not know.

use image_update_core::policy::Regexp;
use serde_json::Value;

use super::refusal::Refusals;
use super::structure::meant;

/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Names of objects: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#names>
const NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Names of namespaces.
const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Collects what is wrong with `metadata`.
pub(super) fn check(metadata: &Value, found: &mut Refusals) {
    let Some(members) = metadata.as_object() else {
        return found.required("metadata");
    };
    for key in members.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        found.unknown(&format!("metadata.{key}"), meant(key, FIELDS));
    }
    let name = Form {
        field: "metadata.name",
        pattern: NAME,
        most: 253,
        rule: "a lowercase RFC 1123 subdomain has lower case letters, digits, '-' and '.', and \
               begins and ends with a letter or digit",
    };
    name.check(&metadata["name"], found);
    let namespace = Form {
        field: "metadata.namespace",
        pattern: LABEL,
        most: 63,
        rule: "a lowercase RFC 1123 label has lower case letters, digits and '-', and begins and \
               ends with a letter or digit",
    };
    namespace.check(&metadata["namespace"], found);
}

/// What a name has to look like.
struct Form {
    field: &'static str,
    pattern: &'static str,
    most: usize,
    rule: &'static str,
}

impl Form {
    fn check(&self, value: &Value, found: &mut Refusals) {
        let Some(name) = value.as_str() else {
            return found.required(self.field);
        };
        let pattern: Regexp = self.pattern.parse().expect("it is a regular expression");
        if name.len() > self.most {
            found.too_long(self.field, self.most);
        } else if !pattern.is_match(name) {
            found.invalid(self.field, value, self.rule);
        }
    }
}
