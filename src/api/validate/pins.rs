//! The annotation that pins tags.

use std::collections::BTreeMap;

use image_update_core::image::Tag;

use super::PolicyModel;
use super::problems::{Collector, Problems};

/// How problems name the annotation.
const FIELD: &str = "annotation image-update.dev/pins";

/// Pins the images of a policy as its annotation says.
pub fn pin(model: &mut PolicyModel, annotation: Option<&str>) -> Result<(), Problems> {
    let mut found = Collector::default();
    let Some(text) = annotation else {
        return Ok(());
    };
    let Ok(pins) = serde_json::from_str::<BTreeMap<String, String>>(text) else {
        found.add(
            FIELD,
            r#"expected a JSON object of tags by alias, such as {"web": "1.2.3"}"#,
        );
        return found.finish();
    };
    for (alias, tag) in &pins {
        let field = format!("{FIELD}, {alias:?}");
        let Some(tag) = found.parse(&field, tag, str::parse::<Tag>) else {
            continue;
        };
        match model.images.iter_mut().find(|image| image.alias == *alias) {
            Some(image) => image.policy.pin = Some(tag),
            None => found.add(&field, "the policy has no image of this alias"),
        }
    }
    found.finish()
}
