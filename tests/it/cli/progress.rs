//! On a terminal a person sees how far something has come; in a pipe there is nothing of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use image_update_testkit::faulty_registry::{Fault, FaultyRegistry};

use super::run_with;

const PROGRAM: &str = env!("CARGO_BIN_EXE_image-update-operator");

/// A registry whose lists have three pages, the last of which takes its time.
async fn registry() -> FaultyRegistry {
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.limit_page(2);
    let tags = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"];
    registry.set_tags("team/app", tags.map(str::to_owned));
    registry.fault_after(2, Fault::Silence(Duration::from_secs(1)), 1);
    registry
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "only script makes a terminal")]
async fn pages_and_tags_are_counted_on_a_terminal() {
    let registry = registry().await;
    let line = format!("{PROGRAM} test {}/team/app --insecure", registry.host());
    let folder = tempfile::tempdir().expect("a folder can be made");
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("HOME", folder.path())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("script of util-linux is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("2 pages, 4 tags"), "{text:?}");
    assert!(text.contains("asking for the tags of"), "{text:?}");
    assert!(text.contains("selected  1.4.0"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_data_only() {
    let registry = registry().await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let image = format!("{}/team/app", registry.host());
    let arguments = ["test", &image, "--insecure"];
    let ran = run_with(Path::new(PROGRAM), folder.path(), &arguments, b"", &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert!(!ran.text().contains("pages"), "{ran:?}");
}
