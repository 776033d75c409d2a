//! The samples and the kinds as a user of kubectl meets them: applied, refused in words that help, listed
//! and explained.

use std::process::Output;

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::stack::Assets;
use serde_json::json;

use super::render::{command, project};
use crate::world::api_server;

fn kubectl(server: &ApiServer, arguments: &[&str]) -> Output {
    let kubectl = Assets::locate().and_then(|assets| assets.kubectl());
    command(&kubectl.expect("the stack is built"))
        .args(arguments)
        .env("KUBECONFIG", server.kubeconfig())
        .output()
        .expect("kubectl runs")
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{problem}");
    // Warnings are said there.
    assert_eq!(problem, "", "{text}");
    text
}

fn samples(folder: &str) -> String {
    project("config/samples").join(folder).display().to_string()
}

/// How many files there are with a sample in each.
fn count(folder: &str) -> usize {
    let files = std::fs::read_dir(project("config/samples").join(folder));
    files.expect("there are samples").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_samples_are_applied_at_once_and_listed() {
    const NAMESPACE: &str = "image-update-samples";
    let server = api_server().await;
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
    });
    let made = server.apply(&namespace, false).await;
    made.expect("a namespace can be made");
    let folder = project("config/samples").display().to_string();
    let apply = ["apply", "--server-side", "--kustomize", &folder];
    let applied = said(&kubectl(server, &apply));
    assert!(applied.lines().count() >= count("accepted"), "{applied}");
    assert!(
        applied
            .lines()
            .all(|it| it.ends_with(" serverside-applied")),
        "{applied}"
    );

    // By the short names, too.
    for kinds in ["imagewatches,imageupdatepolicies", "iw,iup"] {
        let get = ["get", kinds, "--namespace", NAMESPACE, "--output=name"];
        let listed = said(&kubectl(server, &get));
        let names: Vec<&str> = applied
            .lines()
            .filter_map(|it| it.split(' ').next())
            .collect();
        let mut listed: Vec<&str> = listed.lines().collect();
        listed.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(listed, names, "{kinds}");
    }
    let get = ["get", "imagewatches", "--namespace", NAMESPACE];
    let table = said(&kubectl(server, &get));
    let head = table.lines().next().unwrap_or_default();
    let titles: Vec<&str> = head.split("  ").map(str::trim).collect();
    for title in ["NAME", "IMAGE", "LATEST", "TAGS", "READY", "STATUS", "AGE"] {
        assert!(titles.contains(&title), "{head}");
    }
    let delete = ["delete", "--kustomize", &folder];
    said(&kubectl(server, &delete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_samples_is_applied_and_diffs_to_nothing() {
    let server = api_server().await;
    let namespace = server.namespace("samples").await;
    let namespace = namespace.expect("a namespace can be made");
    let accepted = samples("accepted");
    // As most people do it: what is applied is noted in an annotation.
    let arguments = ["--namespace", &namespace, "--filename", &accepted];
    let run = |verb: &str| kubectl(server, &[&[verb], arguments.as_slice()].concat());
    let applied = said(&run("apply"));
    assert!(applied.lines().count() >= count("accepted"), "{applied}");
    assert!(
        applied.lines().all(|it| it.ends_with(" created")),
        "{applied}"
    );
    // Defaults that were filled in are no difference.
    assert_eq!(said(&run("diff")), "");
    let versions = || {
        let columns = "--output=custom-columns=N:.metadata.name,G:.metadata.generation,\
                       V:.metadata.resourceVersion";
        let get = ["get", "iw,iup", "--namespace", &namespace, columns];
        said(&kubectl(server, &get))
    };
    let before = versions();
    // kubectl sends lists whole, and says so of them; nothing comes of it.
    said(&run("apply"));
    assert_eq!(versions(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refused_sample_is_refused_with_words_that_a_person_reads() {
    let server = api_server().await;
    let namespace = server.namespace("samples").await;
    let namespace = namespace.expect("a namespace can be made");
    let folder = samples("refused");
    let arguments = ["--namespace", &namespace, "--filename", &folder];
    let apply = [&["apply", "--server-side"], arguments.as_slice()].concat();
    let output = kubectl(server, &apply);
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "",
        "some are taken"
    );
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = problem.lines();
    let refusals = lines
        .filter(|it| it.starts_with("Error from server"))
        .count();
    assert_eq!(refusals, count("refused"), "{problem}");
    for entry in std::fs::read_dir(&folder).expect("there are samples") {
        let path = entry.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("a sample can be read");
        let first = text
            .lines()
            .next()
            .and_then(|it| it.strip_prefix("# refused: "));
        let words = first.expect("the first line says the words");
        assert!(problem.contains(words), "{}: {problem}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explains_kinds_fields_and_the_whole_tree() {
    let server = api_server().await;
    for kind in ["imagewatch", "imageupdatepolicy"] {
        let page = said(&kubectl(server, &["explain", kind]));
        assert!(page.contains("\nDESCRIPTION:\n"), "{page}");
        assert!(!page.contains("<empty>"), "{page}");
        for part in ["spec", "status"] {
            let path = format!("{kind}.{part}");
            let page = said(&kubectl(server, &["explain", &path]));
            assert!(page.contains("FIELDS:"), "{page}");
            assert!(!page.contains("<no description>"), "{page}");
            let tree = said(&kubectl(server, &["explain", "--recursive", &path]));
            assert!(tree.lines().count() > 10, "{tree}");
        }
    }
    let page = said(&kubectl(
        server,
        &["explain", "imageupdatepolicy.spec.writeBack.git.branch"],
    ));
    assert!(page.contains("FIELD: branch <string>"), "{page}");
}
