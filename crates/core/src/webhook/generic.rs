//! A format of our own, for scripts and pipelines: `{"image": "registry/path:tag"}`, or a list of
//! these as `{"images": […]}`.

use serde::Deserialize;

use super::{Delivery, Error, Push};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    image: Option<String>,
    #[serde(default)]
    images: Vec<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    let references: Vec<String> = body.image.into_iter().chain(body.images).collect();
    if references.is_empty() {
        return Err(Error::Missing { field: "image" });
    }
    references
        .iter()
        .map(|reference| {
            let push = Push::of_reference(reference, delivery.registry)?;
            push.ok_or(Error::Missing {
                field: "tag in image",
            })
        })
        .collect()
}
