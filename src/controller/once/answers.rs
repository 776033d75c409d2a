//! Objects of files in the place of an API server: whoever reads Secrets and the like from the
//! cluster reads them from here, by the same calls. Nothing can be written.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// A client of these objects. They name their namespaces.
pub(super) fn client(objects: Vec<Value>) -> Client {
    let objects: Arc<[Value]> = objects.into();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (code, answer) = answer(&objects, request.method(), request.uri().path());
        let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
        *response.status_mut() = code;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    Client::new(service, "default")
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    namespace: Option<&'a str>,
    /// The kind, as paths have it: `secrets`.
    plural: &'a str,
    /// `None` for all.
    name: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Reads a path: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris>
    fn parse(path: &'a str) -> Option<Self> {
        let mut segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        // `api/v1` or `apis/GROUP/VERSION`.
        let group = if segments.first() == Some(&"api") {
            2
        } else {
            3
        };
        if segments.len() <= group {
            return None;
        }
        let (namespace, plural, name) = match *segments.split_off(group) {
            ["namespaces", name] => (None, "namespaces", Some(name)),
            ["namespaces", namespace, plural] => (Some(namespace), plural, None),
            ["namespaces", namespace, plural, name] => (Some(namespace), plural, Some(name)),
            _ => return None,
        };
        Some(Self {
            namespace,
            plural,
            name,
        })
    }

    fn is(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        self.plural.strip_suffix('s') == Some(&kind)
            && self.namespace.is_none_or(|it| metadata["namespace"] == it)
            && self.name.is_none_or(|it| metadata["name"] == it)
    }
}

fn answer(objects: &[Value], method: &Method, path: &str) -> (StatusCode, Value) {
    if method != Method::GET {
        let message = "there is no cluster, so nothing is written to it";
        return status(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
    }
    let Some(wanted) = Wanted::parse(path) else {
        return status(StatusCode::NOT_FOUND, "NotFound", "it is not in the files");
    };
    let mut found = objects.iter().filter(|object| wanted.is(object));
    if wanted.name.is_none() {
        let items: Vec<&Value> = found.collect();
        let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items});
        return (StatusCode::OK, list);
    }
    match found.next() {
        Some(object) => (StatusCode::OK, object.clone()),
        None => status(StatusCode::NOT_FOUND, "NotFound", "it is not in the files"),
    }
}

fn status(code: StatusCode, reason: &str, message: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code.as_u16(),
    });
    (code, status)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of what is answered, or the code.
    #[track_caller]
    fn check(method: &Method, path: &str, expected: &str) {
        let object = |kind: &str, namespace: &str, name: &str| json!({"kind": kind, "metadata": {"namespace": namespace, "name": name}});
        let objects = [
            object("Secret", "a", "git"),
            object("Secret", "a", "regcred"),
            object("Secret", "b", "git"),
            object("AppProject", "argocd", "default"),
            json!({"kind": "Namespace", "metadata": {"name": "a"}}),
        ];
        let (code, answer) = answer(&objects, method, path);
        let name = |object: &Value| {
            let metadata = &object["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or("-");
            format!("{namespace}/{}", metadata["name"].as_str().unwrap_or("-"))
        };
        let actual = match answer["items"].as_array() {
            Some(items) => items.iter().map(name).collect::<Vec<_>>().join(" "),
            None if code == StatusCode::OK => name(&answer),
            None => code.as_u16().to_string(),
        };
        assert_eq!(actual, expected, "{path}");
    }

    #[test]
    fn an_object_is_found_by_namespace_and_name() {
        check(&Method::GET, "/api/v1/namespaces/a/secrets/git", "a/git");
        check(&Method::GET, "/api/v1/namespaces/b/secrets/git", "b/git");
        check(&Method::GET, "/api/v1/namespaces/a", "-/a");
    }

    #[test]
    fn a_list_has_what_is_in_the_namespace() {
        check(
            &Method::GET,
            "/api/v1/namespaces/a/secrets",
            "a/git a/regcred",
        );
        check(
            &Method::GET,
            "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects",
            "argocd/default",
        );
        check(&Method::GET, "/api/v1/namespaces/c/secrets", "");
    }

    #[test]
    fn what_is_not_there_is_not_found_and_nothing_is_written() {
        check(&Method::GET, "/api/v1/namespaces/c/secrets/git", "404");
        check(&Method::GET, "/version", "404");
        check(&Method::PATCH, "/api/v1/namespaces/a/secrets/git", "405");
    }
}
