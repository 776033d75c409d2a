//! Reads CRDs from YAML files.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::Error;

/// Every document of every `*.yaml` file, with its name, in the order of the files' names.
pub(super) fn read(folder: &Path) -> Result<Vec<(String, Value)>, Error> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let mut files = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(unreadable(folder))?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();

    let mut crds = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
        let documents =
            serde_yaml::from_multiple::<Value>(&text).map_err(|source| Error::CrdSyntax {
                path: path.clone(),
                source: Box::new(source),
            })?;
        for document in documents {
            let name = document["metadata"]["name"].as_str().map(ToOwned::to_owned);
            let name = name.ok_or_else(|| Error::CrdName { path: path.clone() })?;
            crds.push((name, document));
        }
    }
    Ok(crds)
}
