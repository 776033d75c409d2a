//! The images of a reference.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::{Fields, Text};
use super::settings::{Level, Levels, Row, in_fields, row_texts};
use crate::legacy::annotations::{self, Annotations, Item};
use crate::legacy::diagnostic::{Diagnostic, Problem};
use crate::legacy::image::{self, ImageSettings, MAX_IMAGES, PluginKeys};
use crate::legacy::keys;

/// The image itself stands in no annotation of its own.
const IMAGE_NAME: &str = "imageName";

/// Reads them, but those that anything is wrong about. Where nothing `takes_plugins`' variables,
/// those of images are left out.
pub(super) fn read(
    fields: &mut Fields<'_>,
    namespace: &str,
    above: &Levels<'_>,
    takes_plugins: bool,
    problems: &mut Vec<Diagnostic>,
) -> Vec<ImageSettings> {
    let mut aliases = BTreeSet::new();
    let mut images = Vec::new();
    for (path, item) in fields.list("images", problems) {
        if images.len() == MAX_IMAGES {
            let (limit, what) = (MAX_IMAGES, "images");
            problems.push(Diagnostic::of_field(
                &path,
                Problem::TooMany { limit, what },
            ));
            break;
        }
        let plugin_path = format!("{path}.manifestTargets.plugin");
        let mut image = image(path, item, namespace, above, &mut aliases, problems);
        if let Some(image) = &mut image
            && !takes_plugins
            && image.plugin.take().is_some()
        {
            let problem = Problem::FieldWithoutEffect;
            problems.push(Diagnostic::of_field(&plugin_path, problem));
        }
        images.extend(image);
    }
    images
}

fn image(
    path: String,
    item: &Value,
    namespace: &str,
    above: &Levels<'_>,
    aliases: &mut BTreeSet<String>,
    problems: &mut Vec<Diagnostic>,
) -> Option<ImageSettings> {
    let mut fields = Fields::of(path, Some(item), problems);
    let own = Level::read(&mut fields, problems);
    let mut levels = vec![&own];
    levels.extend(&above.0);
    let levels = Levels(levels);
    let empty = |path: String| Text {
        path,
        text: String::new(),
    };
    let alias = fields.text("alias", problems);
    let alias = alias.unwrap_or_else(|| empty(fields.path_of("alias"))).text;
    let name = fields.text(IMAGE_NAME, problems);
    let name = name.unwrap_or_else(|| empty(fields.path_of(IMAGE_NAME)));
    let mut rows = levels.rows(&alias);
    let plugin = targets(&mut fields, &alias, &mut rows, problems);
    fields.finish(problems);

    let text = name.text.clone();
    let key = IMAGE_NAME.to_owned();
    rows.push(Row { key, value: name });
    let mut read = Annotations::of_rows(row_texts(&rows));
    let value = annotations::Value {
        key: IMAGE_NAME,
        text: &text,
    };
    let item = Item {
        text: &text,
        column: 1,
    };
    let image = image::entry(value, item, Some(&alias), aliases, namespace, &mut read);
    problems.extend(in_fields(read.into_problems(), &rows));
    let is_refused = levels.refuse_verification(problems);
    let image = image.filter(|_| !is_refused)?;
    Some(ImageSettings {
        plugin: plugin.ok()?,
        ..image
    })
}

/// Reads how the image stands in each kind of target: as rows, and for a plugin as it is.
fn targets(
    fields: &mut Fields<'_>,
    alias: &str,
    rows: &mut Vec<Row>,
    problems: &mut Vec<Diagnostic>,
) -> Result<Option<PluginKeys>, ()> {
    let mut targets = fields.object("manifestTargets", problems);
    let mut helm = targets.object("helm", problems);
    let mut kustomize = targets.object("kustomize", problems);
    let mut plugin = targets.object("plugin", problems);
    let said = [
        (keys::HELM_NAME, helm.text("name", problems)),
        (keys::HELM_TAG, helm.text("tag", problems)),
        (keys::HELM_SPEC, helm.text("spec", problems)),
        (keys::KUSTOMIZE_NAME, kustomize.text("name", problems)),
    ];
    rows.extend(said.into_iter().filter_map(|(key, value)| {
        let key = format!("{alias}.{key}");
        Some(Row { key, value: value? })
    }));
    let mut text = |name| plugin.text(name, problems).map(|it| it.text);
    let (name, tag, spec) = (text("name"), text("tag"), text("spec"));
    let keys = match (name, tag, spec) {
        (None, None, None) => Ok(None),
        // The whole reference goes before its parts.
        (_, _, Some(spec)) => Ok(Some(PluginKeys::Spec(spec))),
        (name, Some(tag), None) => Ok(Some(PluginKeys::Tag { name, tag })),
        (Some(_), None, None) => {
            let path = plugin.path_of("name");
            problems.push(Diagnostic::of_field(&path, Problem::PluginNameAlone));
            Err(())
        }
    };
    for fields in [helm, kustomize, plugin, targets] {
        fields.finish(problems);
    }
    keys
}
