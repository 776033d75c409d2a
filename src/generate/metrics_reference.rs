//! The reference page of the metrics.

use std::fmt::Write as _;

use super::GeneratedFile;
use crate::metrics::{Definition, Kind, MAX_REGISTRIES, TABLE};

const INTRODUCTION: &str = "\
# Metrics

Generated from the program; `make generate` writes it anew. How to scrape and what to look at:
[Observe](../guides/observe.md).

Served at `/metrics` of `--metrics-address`, in the text format of Prometheus. Names begin with
`image_update_`; those that begin with `argocd_image_updater_` are the predecessor's, for dashboards
and alerts that are there already.
";

/// Every metric.
pub(super) fn page() -> GeneratedFile {
    let mut text = INTRODUCTION.to_owned();
    // Writing to a String does not fail.
    write!(
        text,
        "\nLabels are bounded: `registry` has at most {MAX_REGISTRIES} values and `other`, all other \
         labels a few words each. No\nlabel names an object; what one object is up to, its status says.\n"
    )
    .ok();
    let is_legacy = |it: &&Definition| it.name.starts_with("argocd_");
    section("Own", TABLE.iter().filter(|it| !is_legacy(it)), &mut text);
    section(
        "The predecessor's",
        TABLE.iter().filter(is_legacy),
        &mut text,
    );
    GeneratedFile {
        path: "docs/reference/metrics.md",
        content: text,
    }
}

fn section<'a>(title: &str, definitions: impl Iterator<Item = &'a Definition>, text: &mut String) {
    write!(
        text,
        "\n## {title}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
    )
    .ok();
    for definition in definitions {
        row(definition, text);
    }
}

fn row(definition: &Definition, text: &mut String) {
    let labels: Vec<String> = definition
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    let bounds = match definition.kind {
        Kind::Counter | Kind::Gauge => String::new(),
        Kind::Histogram(bounds) => {
            let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
            format!(". Buckets up to {}", bounds.join(", "))
        }
    };
    writeln!(
        text,
        "| `{}` | {} | {} | {}{bounds} |",
        definition.name,
        definition.kind.as_str(),
        labels.join(", "),
        definition.help.replace('|', "\\|")
    )
    .ok();
}
