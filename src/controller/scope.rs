//! Where the operator looks: everywhere, or in some namespaces.

use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};

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
