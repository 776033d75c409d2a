//! `convert`: what the predecessor's annotations and objects become, printed. Asks no cluster and no registry.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use image_update_core::image::Excerpt;
use image_update_core::legacy::{self, CommitSettings, Diagnostic, Severity};
use kube::ResourceExt as _;
use kube::core::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

use super::failure::{self, Failure};
use super::{input, manifests, output};
use crate::api::legacy::{Converted, convert, convert_selection};
use crate::argocd::application::Application;
use crate::config::CommitConfig;

/// The API group of the predecessor's own kind.
const IMAGE_UPDATER_GROUP: &str = "argocd-image-updater.argoproj.io/";

/// The API group of Applications.
const APPLICATION_GROUP: &str = "argoproj.io/";

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

    #[command(flatten)]
    commit: CommitConfig,
}

/// What is printed, and what was wrong.
#[derive(Default)]
struct Conversion {
    /// What the commits of all policies are like.
    commit: CommitSettings,
    documents: String,
    /// The objects that are printed already, by namespace and name.
    watches: BTreeSet<(String, String)>,
    policies: BTreeSet<(String, String)>,
    /// Applications and ImageUpdaters that say something.
    sources: usize,
    errors: usize,
}

/// Converts, and prints. What can be converted is printed even if something else can't.
pub(super) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let mut conversion = Conversion {
        commit: args.commit.settings(),
        ..Conversion::default()
    };
    manifests::for_each(&args.filename, |object, file| {
        conversion.add(object, file, &args.namespace)
    })?;
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
    fn add(&mut self, object: Value, file: &Path, namespace: &str) -> Result<(), Failure> {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        if kind == "ImageUpdater" && api_version.starts_with(IMAGE_UPDATER_GROUP) {
            return self.add_image_updater(&object, file, namespace);
        }
        if kind != "Application" || !api_version.starts_with(APPLICATION_GROUP) {
            return Ok(());
        }
        let mut application: Application = serde_json::from_value(object).map_err(|error| {
            Failure::input(error).about(format!("{}: it is not an Application", input::shown(file)))
        })?;
        let metadata = &mut application.metadata;
        metadata
            .namespace
            .get_or_insert_with(|| namespace.to_owned());
        self.add_application(&application, file)
    }

    fn add_application(&mut self, application: &Application, file: &Path) -> Result<(), Failure> {
        let facts = application.facts();
        let Some((settings, problems)) = legacy::parse(&facts, application.annotations()) else {
            return Ok(());
        };
        self.sources += 1;
        let errors_before = self.errors;
        if facts.name.is_empty() {
            let message = format!("{}: an Application has no name", input::shown(file));
            self.refuse(&message, "write metadata.name");
            return Ok(());
        }
        let subject = format!("{}: {}/{}", input::shown(file), facts.namespace, facts.name);
        self.tell(&subject, problems);
        let converted = convert(&facts.namespace, &facts.name, &settings, &self.commit);
        let Some(converted) = converted else {
            if self.errors == errors_before {
                self.refuse(
                    &format!("{subject}: the list of images is empty"),
                    "list an image",
                );
            }
            return Ok(());
        };
        self.print_converted(&subject, &converted)
    }

    /// Adds a policy for each of its selections of Applications.
    fn add_image_updater(
        &mut self,
        object: &Value,
        file: &Path,
        namespace: &str,
    ) -> Result<(), Failure> {
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or(namespace);
        let Some(name) = metadata["name"].as_str().filter(|it| !it.is_empty()) else {
            let message = format!("{}: an ImageUpdater has no name", input::shown(file));
            self.refuse(&message, "write metadata.name");
            return Ok(());
        };
        self.sources += 1;
        let (selections, problems) = legacy::parse_image_updater(namespace, &object["spec"]);
        let shown = |text: &str| Excerpt::new(text).as_str().to_owned();
        let file = input::shown(file);
        let subject = format!("{file}: ImageUpdater {}/{}", shown(namespace), shown(name));
        self.tell(&subject, problems);
        for selection in &selections {
            if let Some(converted) = convert_selection(namespace, name, selection, &self.commit) {
                self.print_converted(&subject, &converted)?;
            }
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

    /// Prints the policy, and those of its watches that are not printed yet.
    fn print_converted(&mut self, subject: &str, converted: &Converted) -> Result<(), Failure> {
        let Converted { policy, watches } = converted;
        let key = |object: &ObjectMeta| {
            let name = object.name.clone().unwrap_or_default();
            (object.namespace.clone().unwrap_or_default(), name)
        };
        if !self.policies.insert(key(&policy.metadata)) {
            let name = policy.name_any();
            self.refuse(
                &format!("{subject}: another object before it has the policy {name} already"),
                "give one of the two another name, or leave it out",
            );
            return Ok(());
        }
        for watch in watches {
            if self.watches.insert(key(&watch.metadata)) {
                self.print(watch)?;
            }
        }
        self.print(policy)
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
