//! Annotations by which people act on an object without a change of its spec: a tool that keeps
//! specs in git would take that back.

use kube::core::ObjectMeta;

use super::{ORIGIN_ANNOTATIONS, ORIGIN_LABEL};

/// Any new value of this annotation asks for a reconciliation now.
pub const REQUESTED_AT: &str = "image-update.dev/requestedAt";

/// Any new value of this annotation on a policy lets it write again what was taken back in git.
pub const RELEASE: &str = "image-update.dev/release";

/// With the value `true` the object is suspended, as by `spec.suspend`.
pub const SUSPEND: &str = "image-update.dev/suspend";

/// Tags to stop at, as a JSON object by alias: `{"web": "1.2.3"}`. They go before `pin`.
pub const PINS: &str = "image-update.dev/pins";

/// On an object that the operator made from annotations: what was written last, as one word.
pub const CONVERTED: &str = "image-update.dev/converted";

/// On a policy that the operator made from annotations: what is wrong with those, a line each.
pub const PROBLEMS: &str = "image-update.dev/problems";

/// The value of an annotation.
pub fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// Whether the object was made from annotations of the predecessor, and nobody has taken it over
/// since.
pub fn is_converted(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    let label = labels.and_then(|labels| labels.get(ORIGIN_LABEL));
    label.is_some_and(|it| it == ORIGIN_ANNOTATIONS)
}

/// What is wrong with the annotations that a policy was made from, while it is.
pub fn problems(metadata: &ObjectMeta) -> Option<&str> {
    annotation(metadata, PROBLEMS).filter(|_| is_converted(metadata))
}

/// The last request for a reconciliation.
pub fn requested_at(metadata: &ObjectMeta) -> Option<&str> {
    annotation(metadata, REQUESTED_AT)
}

/// Whether somebody asked for a reconciliation since the request that was handled last.
pub fn is_requested(metadata: &ObjectMeta, handled: Option<&str>) -> bool {
    let requested = requested_at(metadata);
    requested.is_some() && requested != handled
}

/// The last release of what is held.
pub fn released(metadata: &ObjectMeta) -> Option<&str> {
    annotation(metadata, RELEASE)
}

/// Whether an object is suspended, be it by its spec or by annotation.
pub fn is_suspended(metadata: &ObjectMeta, spec: bool) -> bool {
    spec || annotation(metadata, SUSPEND) == Some("true")
}
