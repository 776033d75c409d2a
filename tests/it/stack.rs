//! The servers of the testkit themselves: each starts, does its job, stops and leaves nothing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::registry::{self, PushOptions, Registry};
use image_update_testkit::stack::Assets;
use image_update_testkit::tls::{self, Authority};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicObject;
use kube::{Client, Config};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// How long a process that was told to end may take.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Set in the copy of this test binary that starts a server and is then killed.
const VICTIM: &str = "IMAGE_UPDATE_TEST_VICTIM";

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn the_api_server_is_the_pinned_version_and_serves_strangers_nothing() -> Outcome {
    let server = ApiServer::shared().await?;
    let version = server.client().await?.apiserver_version().await?;
    assert_eq!(version.git_version, "v1.36.3");

    let stranger = server.client_as("stranger", &[]).await?;
    let refusal = Api::<Namespace>::all(stranger)
        .list(&ListParams::default())
        .await;
    assert!(is_forbidden(&refusal), "{refusal:?}");
    Ok(())
}

#[tokio::test]
async fn namespaces_of_one_prefix_are_different() -> Outcome {
    let server = ApiServer::shared().await?;
    let (one, other) = (
        server.namespace("twin").await?,
        server.namespace("twin").await?,
    );
    assert!(one.starts_with("twin-") && other.starts_with("twin-") && one != other);
    let namespaces = Api::<Namespace>::all(server.client().await?);
    assert_eq!(namespaces.get(&one).await?.metadata.name, Some(one));
    Ok(())
}

#[tokio::test]
async fn a_service_account_has_the_rights_of_its_role_and_no_more() -> Outcome {
    let server = ApiServer::shared().await?;
    let namespace = server.namespace("rbac").await?;
    let administrator = server.client().await?;
    create::<ServiceAccount>(
        &administrator,
        &namespace,
        json!({ "metadata": { "name": "reader" } }),
    )
    .await?;
    create::<Role>(
        &administrator,
        &namespace,
        json!({
            "metadata": { "name": "read" },
            "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
        }),
    )
    .await?;
    create::<RoleBinding>(
        &administrator,
        &namespace,
        json!({
            "metadata": { "name": "read" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read" },
            "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": namespace }],
        }),
    )
    .await?;

    let user = format!("system:serviceaccount:{namespace}:reader");
    let reader = server.client_as(&user, &["system:serviceaccounts"]).await?;
    let configmaps = Api::<ConfigMap>::namespaced(reader, &namespace);
    assert_eq!(
        configmaps.list(&ListParams::default()).await?.items.len(),
        0
    );
    let metadata = ObjectMeta {
        name: Some("x".into()),
        ..ObjectMeta::default()
    };
    let created = ConfigMap {
        metadata,
        ..ConfigMap::default()
    };
    let refusal = configmaps.create(&PostParams::default(), &created).await;
    assert!(is_forbidden(&refusal), "{refusal:?}");
    Ok(())
}

#[tokio::test]
async fn crds_of_a_folder_are_served_and_validate() -> Outcome {
    // Cluster-wide, yet shared: no other test installs this kind.
    let server = ApiServer::shared().await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("crds.yaml"), WIDGETS)?;
    std::fs::write(folder.path().join("README.md"), "not YAML: {")?;
    assert_eq!(
        server.install_crds(folder.path()).await?,
        ["gadgets.test.example", "widgets.test.example"]
    );
    assert_eq!(
        server.install_crds(folder.path()).await?.len(),
        2,
        "again is harmless"
    );

    let namespace = server.namespace("crds").await?;
    let kind = kube::core::GroupVersionKind::gvk("test.example", "v1", "Widget");
    let resource = kube::core::ApiResource::from_gvk(&kind);
    let widgets =
        Api::<DynamicObject>::namespaced_with(server.client().await?, &namespace, &resource);
    let widget =
        |size: Value| DynamicObject::new("w", &resource).data(json!({ "spec": { "size": size } }));
    widgets
        .create(&PostParams::default(), &widget(json!(3)))
        .await?;
    let refusal = widgets
        .create(&PostParams::default(), &widget(json!("big")))
        .await;
    assert!(refusal.is_err_and(|error| error.to_string().contains("spec.size")));
    Ok(())
}

#[tokio::test]
async fn the_crds_of_argo_cd_are_served() -> Outcome {
    let server = ApiServer::shared().await?;
    let names = server
        .install_crds(&Assets::locate()?.argocd_crds()?)
        .await?;
    let expected = ["applications", "applicationsets", "appprojects"]
        .map(|kind| format!("{kind}.argoproj.io"));
    assert_eq!(names, expected);
    Ok(())
}

#[tokio::test]
async fn a_folder_with_something_else_is_refused_by_name() -> Outcome {
    let server = ApiServer::shared().await?;
    for (text, problem) in [
        ("kind: [", "is not a file of CRDs"),
        (
            "kind: CustomResourceDefinition",
            "has a document without metadata.name",
        ),
    ] {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("wrong.yaml"), text)?;
        let error = server
            .install_crds(folder.path())
            .await
            .expect_err("it is no CRD");
        assert!(error.to_string().contains(problem), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_restarted_api_server_is_where_it_was_with_what_it_had() -> Outcome {
    let mut server = ApiServer::start().await?;
    let namespace = server.namespace("before").await?;
    let client = server.client().await?;
    let [before, _] = server.pids();

    server.restart().await?;
    let [after, _] = server.pids();
    assert!(before != after && has_ended(before));
    // The client of before: the address, the certificates and the data are the same.
    let found = Api::<Namespace>::all(client).get(&namespace).await?;
    assert_eq!(found.metadata.name, Some(namespace));

    let (pids, kubeconfig) = (server.pids(), server.kubeconfig().to_owned());
    assert!(kubeconfig.exists());
    drop(server);
    assert!(pids.into_iter().all(has_ended) && !kubeconfig.exists());
    Ok(())
}

#[tokio::test]
async fn the_kubeconfig_is_all_that_a_program_needs() -> Outcome {
    let server = ApiServer::shared().await?;
    let namespace = server.namespace("program").await?;
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Api::<Namespace>::all(Client::try_from(config)?)
        .get(&namespace)
        .await?;

    let mut get = command(&Assets::locate()?.kubectl()?);
    get.args(["get", "namespace", &namespace, "-o", "name"]);
    let output = get.env("KUBECONFIG", server.kubeconfig()).output()?;
    let name = String::from_utf8_lossy(&output.stdout);
    assert_eq!(name.trim(), format!("namespace/{namespace}"));
    Ok(())
}

#[tokio::test]
async fn the_registry_serves_what_was_pushed() -> Outcome {
    let registry = Registry::start().await?;
    let one = registry.push("team/app", "1.0.0").await?;
    let two = registry.push("team/app", "1.0.1").await?;
    assert_ne!(one, two, "tags of different names have different content");
    assert_eq!(registry.tags("team/app").await?, ["1.0.0", "1.0.1"]);

    let manifest = get(&registry, "team/app/manifests/1.0.1").await?;
    let digest = manifest["config"]["digest"]
        .as_str()
        .expect("a manifest has a configuration");
    let configuration = get(&registry, &format!("team/app/blobs/{digest}")).await?;
    assert_eq!(configuration["created"], "2024-01-01T00:00:00Z");
    assert_eq!(configuration["architecture"], "amd64");

    registry.delete_tag("team/app", "1.0.0").await?;
    assert_eq!(registry.tags("team/app").await?, ["1.0.1"]);
    get(&registry, &format!("team/app/manifests/{one}")).await?;
    registry.delete_manifest("team/app", &two).await?;
    assert!(registry.tags("team/app").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_image_for_several_platforms_is_an_index() -> Outcome {
    let registry = Registry::start().await?;
    let options = PushOptions {
        created: Some("2025-06-07T08:09:10Z".parse()?),
        platforms: vec!["linux/amd64".into(), "linux/arm/v7".into()],
        annotations: [("org.opencontainers.image.revision".into(), "abc".into())].into(),
        ..PushOptions::default()
    };
    let digest = registry.push_image("app", "latest", &options).await?;
    let index = get(&registry, &format!("app/manifests/{digest}")).await?;
    assert_eq!(
        index["annotations"]["org.opencontainers.image.revision"],
        "abc"
    );
    let arm = &index["manifests"][1];
    assert_eq!(
        arm["platform"],
        json!({ "os": "linux", "architecture": "arm", "variant": "v7" })
    );

    let arm = arm["digest"].as_str().expect("a descriptor has a digest");
    let manifest = get(&registry, &format!("app/manifests/{arm}")).await?;
    let configuration = manifest["config"]["digest"]
        .as_str()
        .expect("a descriptor has a digest");
    let configuration = get(&registry, &format!("app/blobs/{configuration}")).await?;
    assert_eq!(configuration["created"], "2025-06-07T08:09:10Z");

    let moved = PushOptions {
        content: "rebuilt".into(),
        ..options
    };
    assert_ne!(registry.push_image("app", "latest", &moved).await?, digest);
    Ok(())
}

#[tokio::test]
async fn a_registry_with_a_login_wants_it() -> Outcome {
    let registry = Registry::builder()
        .htpasswd("robot", "s3cret")
        .start()
        .await?;
    registry.push("private/app", "1.0.0").await?;
    assert_eq!(registry.tags("private/app").await?, ["1.0.0"]);
    assert!(!format!("{registry:?}").contains("s3cret"));

    let url = format!("http://{}/v2/private/app/tags/list", registry.host());
    let http = reqwest::Client::builder().no_proxy().build()?;
    for (password, status) in [
        ("s3cret", StatusCode::OK),
        ("wrong", StatusCode::UNAUTHORIZED),
    ] {
        let answer = http
            .get(&url)
            .basic_auth("robot", Some(password))
            .send()
            .await?;
        assert_eq!(answer.status(), status, "{password}");
    }
    assert_eq!(
        http.get(&url).send().await?.status(),
        StatusCode::UNAUTHORIZED
    );
    Ok(())
}

#[tokio::test]
async fn a_registry_with_tls_is_trusted_through_its_authority_only() -> Outcome {
    let (authority, other) = (Authority::new()?, Authority::new()?);
    let registry = Registry::builder().tls(&authority).start().await?;
    registry.push("app", "1.0.0").await?;
    assert_eq!(registry.tags("app").await?, ["1.0.0"]);

    let url = format!("https://{}/v2/", registry.host());
    for (authority, trusted) in [(&authority, true), (&other, false)] {
        let root = reqwest::Certificate::from_pem(authority.pem().as_bytes())?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .build()?;
        let answer = http.get(&url).send().await;
        assert_eq!(answer.is_ok(), trusted, "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_registry_that_refuses_says_so() -> Outcome {
    let registry = Registry::start().await?;
    let error = registry
        .tags("nothing/here")
        .await
        .expect_err("nothing was pushed");
    let not_found = |error| matches!(error, registry::Error::Refused { status, .. } if status == StatusCode::NOT_FOUND);
    assert!(not_found(error));
    Ok(())
}

/// Two processes: this test, and a copy of it that starts a server and is killed for it.
#[tokio::test]
async fn servers_end_when_the_test_process_is_killed() -> Outcome {
    const NAME: &str = "stack::servers_end_when_the_test_process_is_killed";
    if std::env::var_os(VICTIM).is_some() {
        let registry = Registry::start().await?;
        println_pid(registry.pid());
        tokio::time::sleep(END_LIMIT * 6).await;
        return Ok(());
    }

    let mut copy = command(&std::env::current_exe()?);
    copy.args(["--exact", NAME, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped());
    let mut copy = copy.spawn()?;
    let output = BufReader::new(copy.stdout.take().expect("the output is piped"));
    let pid = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix(VICTIM)?.trim().parse().ok());
    let pid = pid.expect("the copy started a server");
    assert!(is_running(pid));
    copy.kill()?;
    copy.wait()?;
    assert!(
        has_ended(pid),
        "the server outlived the process that started it"
    );
    Ok(())
}

/// Two kinds in one file, as `kubectl kustomize` prints them.
const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.test.example }
spec:
  group: test.example
  names: { kind: Widget, plural: widgets }
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: { type: object, properties: { size: { type: integer } } }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: gadgets.test.example }
spec:
  group: test.example
  names: { kind: Gadget, plural: gadgets }
  scope: Cluster
  versions:
    - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }
";

async fn create<K>(client: &Client, namespace: &str, object: Value) -> Outcome
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let object = serde_json::from_value::<K>(object)?;
    Api::<K>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await?;
    Ok(())
}

fn is_forbidden<T>(result: &kube::Result<T>) -> bool {
    matches!(result, Err(kube::Error::Api(status)) if status.code == 403)
}

async fn get(registry: &Registry, path: &str) -> Result<Value, reqwest::Error> {
    tls::install_provider();
    let http = reqwest::Client::builder().no_proxy().build()?;
    // Without this, the registry refuses to show an index.
    let accept =
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    let request = http.get(format!("http://{}/v2/{path}", registry.host()));
    request
        .header("accept", accept)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await
}

#[expect(
    clippy::print_stdout,
    reason = "tells the parent process which server was started"
)]
fn println_pid(pid: u32) {
    println!("\n{VICTIM} {pid}");
}

fn has_ended(pid: u32) -> bool {
    let deadline = Instant::now() + END_LIMIT;
    while is_running(pid) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn is_running(pid: u32) -> bool {
    let mut ask = command(Path::new("sh"));
    ask.args(["-c", "kill -0 \"$1\" 2>/dev/null", "sh"])
        .arg(pid.to_string());
    ask.status().expect("sh runs").success()
}

#[expect(clippy::disallowed_methods, reason = "these tests are about processes")]
fn command(program: &Path) -> Command {
    Command::new(program)
}
