//! The API server's own record of what service accounts asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::Error;

/// A request for objects; those for paths, such as discovery, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was to be done: `get`, `list`, `watch`, `patch` and so on.
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, or the subresource as `resource/subresource`.
    pub resource: String,
    /// The namespace; empty for all, and for objects that have none.
    pub namespace: String,
    /// The object; empty for lists.
    pub name: String,
    /// The HTTP status of the answer.
    pub status: u64,
}

/// Records who asked for what, of service accounts alone: tests make few requests as them.
pub(super) fn policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            { "level": "Metadata", "userGroups": ["system:serviceaccounts"] },
            { "level": "None" },
        ],
    })
    .to_string()
}

/// The requests of `user`, in the order of their answers.
pub(super) fn read(log: &Path, user: &str) -> Result<Vec<Request>, Error> {
    let events = events(log, user)?;
    Ok(events.iter().filter_map(request).collect())
}

/// The status of each request of `user`, once: a watch is told of when it begins and when it ends.
pub(super) fn answers(log: &Path, user: &str) -> Result<Vec<u64>, Error> {
    let events = events(log, user)?.into_iter().map(|event| {
        let status = event["responseStatus"]["code"].as_u64();
        (event["auditID"].to_string(), status.unwrap_or_default())
    });
    let by_request: BTreeMap<String, u64> = events.collect();
    Ok(by_request.into_values().collect())
}

fn events(log: &Path, user: &str) -> Result<Vec<Value>, Error> {
    let text = match fs::read_to_string(log) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(Error::File {
                path: log.to_owned(),
                source,
            });
        }
    };
    // A line that is being written is not whole yet.
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(events
        .filter(|event| event["user"]["username"] == user)
        .collect())
}

fn request(event: &Value) -> Option<Request> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = event.get("objectRef")?;
    let resource = object["resource"].as_str()?;
    Some(Request {
        verb: text(&event["verb"]),
        group: text(&object["apiGroup"]),
        resource: match object["subresource"].as_str() {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.to_owned(),
        },
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        status: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_others_and_for_paths_are_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("audit.log");
        let line = |user: &str, object: Value| {
            json!({
                "user": { "username": user },
                "verb": "patch",
                "objectRef": object,
                "responseStatus": { "code": 403 },
            })
            .to_string()
        };
        let status = json!({
            "apiGroup": "g", "resource": "r", "subresource": "status", "namespace": "n", "name": "o",
        });
        let lines = [
            line("us", status.clone()),
            line("others", status),
            line("us", Value::Null),
            "{\"user\": {\"usern".to_owned(),
        ];
        fs::write(&log, lines.join("\n")).expect("a file");
        let expected = Request {
            verb: "patch".to_owned(),
            group: "g".to_owned(),
            resource: "r/status".to_owned(),
            namespace: "n".to_owned(),
            name: "o".to_owned(),
            status: 403,
        };
        assert_eq!(read(&log, "us").expect("the log can be read"), [expected]);
    }

    #[test]
    fn no_log_means_that_nobody_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("audit.log");
        assert_eq!(read(&log, "us").expect("that is no error"), []);
    }
}
