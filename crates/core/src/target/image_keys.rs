//! How one image stands under named keys: values of a chart, parameters, variables of a plugin.

/// The keys that hold one image. `K` names one: a path in a chart's values, a plugin's variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageKeys<K> {
    /// The repository and the tag apart, as most charts have it.
    NameAndTag {
        /// Where the repository stands, if it is to be looked after.
        name: Option<K>,
        /// Where `tag[@digest]` stands.
        tag: K,
    },
    /// The whole reference under one key.
    Spec(K),
}
