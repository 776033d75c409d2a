//! `convert`: what the predecessor's annotations and objects become, printed. Asks no cluster and no registry.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use image_update_core::image::Excerpt;
use image_update_core::legacy::{self, Diagnostic, Severity};
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::Value;

use super::failure::{self, Failure};
use super::{input, manifests, output};
use crate::api::legacy::{Converted, convert, convert_selection};
use crate::argocd::application::Application;

/// The API group of the predecessor's own kind.
const IMAGE_UPDATER_GROUP: &str = "argocd-image-updater.argoproj.io/";

/// Flags of `convert`.
#[derive(Args, Debug)]
pub(super) struct ConvertArgs {
    /// A file of Applications or ImageUpdaters as YAML or JSON, lists of them too; a folder, whose `.yaml`, `.yml`
    /// and `.json` files are read; or `-` for standard input. May be given again
    #[arg(short, long, value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "argocd")]
    namespace: String,
}

/// What is printed, and what was wrong.
#[derive(Default)]
struct Conversion {
    documents: String,
    watches: BTreeSet<(String, String)>,
    /// Applications and ImageUpdaters that say something.
    sources: usize,
    errors: usize,
}

/// Converts, and prints. What can be converted is printed even if something else can't.
pub(super) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let mut conversion = Conversion::default();
    for name in &args.filename {
        for file in manifests::files(name)? {
            let text = input::read_text(&file, manifests::LIMIT_BYTES)?;
            for document in manifests::documents(&text, &file)? {
                conversion.add(document, &file, &args.namespace)?;
            }
        }
    }
    output::write(conversion.documents.as_bytes())?;
    match (conversion.errors, conversion.sources) {
        (0, 0) => Err(Failure::input(anyhow!(
            "there is no ImageUpdater, and no Application has an image-list"
        ))
        .hint(format!(
            "the annotation is {}{}",
            legacy::PREFIX,
            legacy::IMAGE_LIST
        ))),
        (0, _) => Ok(()),
        (1, _) => Err(Failure::input(anyhow!("one thing was not converted"))),
        (errors, _) => Err(Failure::input(anyhow!(
            "{errors} things were not converted"
        ))),
    }
}

impl Conversion {
    fn add(&mut self, document: Value, file: &Path, namespace: &str) -> Result<(), Failure> {
        let api_version = document["apiVersion"].as_str().unwrap_or_default();
        let kind = document["kind"].as_str().unwrap_or_default();
        if let Some(items) = document["items"]
            .as_array()
            .filter(|_| kind.ends_with("List"))
        {
            for item in items {
                self.add(item.clone(), file, namespace)?;
            }
            return Ok(());
        }
        if kind == "ImageUpdater" && api_version.starts_with(IMAGE_UPDATER_GROUP) {
            return self.add_image_updater(&document, namespace);
        }
        self.add_object(document, file, namespace)
    }

    fn add_object(&mut self, object: Value, file: &Path, namespace: &str) -> Result<(), Failure> {
        let is_application = object["kind"] == "Application"
            && object["apiVersion"]
                .as_str()
                .is_some_and(|it| it.starts_with("argoproj.io/"));
        if !is_application {
            return Ok(());
        }
        let mut application: Application = serde_json::from_value(object).map_err(|error| {
            Failure::input(error).about(format!("{}: it is not an Application", input::shown(file)))
        })?;
        let metadata = &mut application.metadata;
        metadata
            .namespace
            .get_or_insert_with(|| namespace.to_owned());
        self.add_application(&application)
    }

    fn add_application(&mut self, application: &Application) -> Result<(), Failure> {
        let facts = application.facts();
        let Some((settings, problems)) = legacy::parse(&facts, application.annotations()) else {
            return Ok(());
        };
        self.sources += 1;
        let errors_before = self.errors;
        let subject = format!("{}/{}", facts.namespace, facts.name);
        self.tell(&subject, problems);
        let Some(converted) = convert(&facts.namespace, &facts.name, &settings) else {
            if self.errors == errors_before {
                self.refuse(
                    &format!("{subject}: the list of images is empty"),
                    "list an image",
                );
            }
            return Ok(());
        };
        self.print_converted(&facts.namespace, &converted)
    }

    /// Adds a policy for each of its selections of Applications.
    fn add_image_updater(&mut self, object: &Value, namespace: &str) -> Result<(), Failure> {
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or(namespace);
        let Some(name) = metadata["name"].as_str().filter(|it| !it.is_empty()) else {
            self.refuse("ImageUpdater: it has no name", "write metadata.name");
            return Ok(());
        };
        self.sources += 1;
        let (selections, problems) = legacy::parse_image_updater(namespace, &object["spec"]);
        let shown = |text: &str| Excerpt::new(text).as_str().to_owned();
        let subject = format!("ImageUpdater {}/{}", shown(namespace), shown(name));
        self.tell(&subject, problems);
        let converted = selections
            .iter()
            .filter_map(|selection| convert_selection(namespace, name, selection));
        for converted in converted {
            self.print_converted(namespace, &converted)?;
        }
        Ok(())
    }

    fn tell(&mut self, subject: &str, problems: Vec<Diagnostic>) {
        for diagnostic in problems {
            let message = format!("{subject}: {diagnostic}");
            match diagnostic.problem.severity() {
                Severity::Error => self.refuse(&message, diagnostic.problem.hint()),
                Severity::Warning => {
                    failure::warn(&message);
                    failure::tell("hint", diagnostic.problem.hint());
                }
            }
        }
    }

    fn print_converted(&mut self, namespace: &str, converted: &Converted) -> Result<(), Failure> {
        for watch in &converted.watches {
            let key = (namespace.to_owned(), watch.name_any());
            if self.watches.insert(key) {
                self.print(watch)?;
            }
        }
        self.print(&converted.policy)
    }

    fn refuse(&mut self, message: &str, hint: &str) {
        failure::tell("error", message);
        failure::tell("hint", hint);
        self.errors += 1;
    }

    fn print(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_yaml::to_string(object).context("could not write YAML")?;
        // Writing to a String does not fail.
        write!(self.documents, "---\n{text}").ok();
        Ok(())
    }
}
