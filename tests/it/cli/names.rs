//! TAB, as a person presses it: a real bash on a terminal of its own, the script that `completion`
//! prints, and a real API server. Also what kubectl is told of its plugin.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image_update_operator::api::v1alpha1::ImageWatch;
use image_update_testkit::stack::Assets;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tempfile::TempDir;

use crate::world::World;

const PROGRAM: &str = env!("CARGO_BIN_EXE_image-update-operator");

/// Keys: completes the word, or lists all that it may be on the line itself.
const TAB: &str = "\t";
const EVERY: &str = "\u{1b}*";

/// A namespace with the policies `podinfo` and `shop`, and the watch `app`, which knows two tags.
struct Scene {
    world: World,
    folder: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let image = json!({"image": "registry.example/team/app"});
        world.apply("ImageWatch", "app", image).await;
        let watches: Api<ImageWatch> = world.api();
        let status = json!({"status": {"latestTags": ["1.1.0", "1.0.0"]}});
        let patched = watches
            .patch_status("app", &PatchParams::default(), &Patch::Merge(status))
            .await;
        patched.expect("the status can be written");
        for name in ["podinfo", "shop"] {
            let images = json!([{
                "alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"},
                "strategy": {"semver": {}},
            }]);
            world.policy(name, images, json!({})).await;
        }
        Self {
            world,
            folder: programs(),
        }
    }

    fn kubeconfig(&self) -> String {
        self.world.server.kubeconfig().display().to_string()
    }

    /// What stands on the command line after these keys in a shell whose cluster this is.
    #[track_caller]
    fn check(&self, keys: &str, expected: &str) {
        let namespace = &self.world.namespace;
        let keys = keys.replace("TEAM", namespace);
        let expected = expected.replace("TEAM", namespace);
        assert_eq!(
            typed(self.folder.path(), &self.kubeconfig(), &keys),
            expected
        );
    }
}

/// A folder with the program under each of its names.
fn programs() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in [
        "image-update-operator",
        "kubectl-imageupdate",
        "kubectl_complete-imageupdate",
    ] {
        symlink(PROGRAM, folder.path().join(name)).expect("a link can be made");
    }
    folder
}

#[expect(
    clippy::disallowed_methods,
    reason = "a shell is asked as a person asks it"
)]
fn command(program: &str, folder: &Path, kubeconfig: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("HOME", folder)
        .env("TERM", "dumb")
        .env("KUBECONFIG", kubeconfig)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The command line after `keys`. A real bash reads them on a terminal; then a word is put before the
/// line, so that it is printed instead of carried out.
fn typed(folder: &Path, kubeconfig: &str, keys: &str) -> String {
    let mut child = command("script", folder, kubeconfig)
        .args(["-qec", "bash --norc --noprofile -i", "/dev/null"])
        .spawn()
        .expect("script of util-linux is there");
    let mut stdin = child.stdin.take().expect("it has an input");
    let input = format!(
        "PS1='$ '; bind 'set enable-bracketed-paste off' 2>/dev/null\n\
         source <(image-update-operator completion bash)\n\
         {keys}\u{1}echo LINE: \n\
         exit\n"
    );
    stdin
        .write_all(input.as_bytes())
        .expect("keys can be pressed");
    let output = child.wait_with_output().expect("bash ends");
    drop(stdin);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("error"), "{text}");
    let mut lines = text.split(['\r', '\n']);
    let line = lines.find_map(|line| line.strip_prefix("LINE: "));
    let line = line.unwrap_or_else(|| unreachable!("bash prints the line: {text:?}"));
    line.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_completes_names_of_the_cluster() {
    let scene = Scene::start().await;
    let all = format!("image-update-operator get -n TEAM {EVERY}");
    scene.check(&all, "image-update-operator get -n TEAM podinfo shop");
    for command in [
        "get",
        "suspend",
        "resume",
        "reconcile",
        "release",
        "pin",
        "explain policy",
    ] {
        scene.check(
            &format!("image-update-operator {command} -n TEAM po{TAB}"),
            &format!("image-update-operator {command} -n TEAM podinfo"),
        );
    }
    scene.check(
        &format!("image-update-operator suspend -n TEAM watch/{TAB}"),
        "image-update-operator suspend -n TEAM watch/app",
    );
    scene.check(
        &format!("image-update-operator resume -n TEAM policy/s{TAB}"),
        "image-update-operator resume -n TEAM policy/shop",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_completes_where_to_look() {
    let scene = Scene::start().await;
    let (start, _) = scene
        .world
        .namespace
        .split_at(scene.world.namespace.len() - 1);
    scene.check(
        &format!("image-update-operator get --namespace={start}{TAB}"),
        "image-update-operator get --namespace=TEAM",
    );
    scene.check(
        &format!("image-update-operator get -n {start}{TAB}"),
        "image-update-operator get -n TEAM",
    );
    let text = std::fs::read_to_string(scene.kubeconfig()).expect("there is a kubeconfig");
    let kubeconfig: serde_json::Value = serde_yaml::from_str(&text).expect("it is YAML");
    let context = kubeconfig["contexts"][0]["name"]
        .as_str()
        .expect("a context has a name");
    scene.check(
        &format!("image-update-operator get --context {TAB}"),
        &format!("image-update-operator get --context {context}"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_completes_images_of_a_policy_and_the_tags_that_its_watch_knows() {
    let scene = Scene::start().await;
    scene.check(
        &format!("image-update-operator explain policy TEAM/shop --image {TAB}"),
        "image-update-operator explain policy TEAM/shop --image web",
    );
    scene.check(
        &format!("image-update-operator pin -n TEAM shop {EVERY}"),
        "image-update-operator pin -n TEAM shop web= web-",
    );
    scene.check(
        &format!("image-update-operator pin -n TEAM shop web=1.1{TAB}"),
        "image-update-operator pin -n TEAM shop web=1.1.0",
    );
    scene.check(
        &format!("image-update-operator pin --namespace=TEAM shop web=1.0{TAB}"),
        "image-update-operator pin --namespace=TEAM shop web=1.0.0",
    );
}

#[test]
fn tab_completes_commands_and_files_without_a_cluster() {
    let folder = programs();
    std::fs::write(folder.path().join("objects.yaml"), "").expect("a file can be written");
    let check = |keys: &str, expected: &str| {
        assert_eq!(typed(folder.path(), "/nowhere", keys), expected);
    };
    check(
        &format!("image-update-operator susp{TAB}"),
        "image-update-operator suspend",
    );
    check(
        &format!("image-update-operator edit kust{TAB}"),
        "image-update-operator edit kustomization",
    );
    check(
        &format!("image-update-operator plan -f obj{TAB}"),
        "image-update-operator plan -f objects.yaml",
    );
    check(
        &format!("image-update-operator get po{TAB}"),
        "image-update-operator get po",
    );
}

/// A server that never answers is as good as none, and soon.
#[test]
fn a_cluster_that_does_not_answer_holds_up_nobody() {
    let folder = programs();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let kubeconfig = folder.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "silent",
        "clusters": [{"name": "silent", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "silent", "user": {}}],
        "contexts": [{"name": "silent", "context": {"cluster": "silent", "user": "silent"}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).expect("a file can be written");
    let mut ask = command(
        "image-update-operator",
        folder.path(),
        &kubeconfig.display().to_string(),
    );
    ask.args(["--", "image-update-operator", "get", ""])
        .env("_IMAGE_UPDATE_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "2");
    let start = Instant::now();
    let output = ask.output().expect("our program can be run");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let candidates = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        candidates.split('\u{b}').all(|it| it.starts_with('-')),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_its_plugin() {
    let scene = Scene::start().await;
    let kubectl = Assets::locate().and_then(|assets| assets.kubectl());
    let kubectl = kubectl.expect("the stack is built").display().to_string();
    let check = |words: &[&str], expected: &[&str]| {
        let mut ask = command(&kubectl, scene.folder.path(), &scene.kubeconfig());
        let output = ask
            .arg("__complete")
            .args(words)
            .output()
            .expect("kubectl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let candidates = text.lines().filter(|it| !it.starts_with(['-', ':']));
        let candidates: Vec<&str> = candidates.filter_map(|it| it.split('\t').next()).collect();
        assert_eq!(candidates, expected, "{words:?}: {output:?}");
        text
    };
    let namespace = scene.world.namespace.as_str();
    let text = check(
        &["imageupdate", "get", "-n", namespace, ""],
        &["podinfo", "shop"],
    );
    assert!(text.trim_end().ends_with(":4"), "no names of files: {text}");
    check(&["imageupdate", "susp"], &["suspend"]);
    let text = check(
        &["imageupdate", "pin", "-n", namespace, "shop", "web"],
        &["web=", "web-"],
    );
    assert!(
        text.trim_end().ends_with(":6"),
        "nothing follows web=: {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_all_namespaces_are_completed_where_all_are_meant() {
    let scene = Scene::start().await;
    let mut ask = command(
        "image-update-operator",
        scene.folder.path(),
        &scene.kubeconfig(),
    );
    ask.args(["--", "image-update-operator", "get", "-A", "podinf"])
        .env("_IMAGE_UPDATE_COMPLETE", "fish");
    let output = ask.output().expect("our program can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().any(|it| it == "podinfo"), "{output:?}");
}
