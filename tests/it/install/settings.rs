//! What the chart mounts is where the operator looks for it: the file about registries with a credential
//! of another namespace, and the receiver of notifications.

use image_update_testkit::inbox::Inbox;
use image_update_testkit::pod::Pod;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use super::render::{rendered, the};
use crate::world::{World, api_server, kustomization};

const FILE: &str = "overlays/prod/kustomization.yaml";
const USER: &str = "robot";
const PASSWORD: &str = "registry-pa55word-never-shown";

fn secret(namespace: &str, name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace}, "stringData": data,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_the_registries_and_a_receiver_are_found_where_they_are_mounted() {
    let server = api_server().await;
    let mut world = World::on(server).await;
    let registry = Registry::builder().htpasswd(USER, PASSWORD).start().await;
    let registry = registry.expect("the registry starts");
    let pushed = registry.push("team/app", "1.0.0").await;
    pushed.expect("the image is pushed");
    let host = registry.host();
    let image = format!("{host}/team/app");
    let file = kustomization(&image, "0.9.0");
    let made = world
        .git
        .create_repository("env", &[(FILE, file.as_bytes())]);
    made.expect("the repository is made");
    let inbox = Inbox::start(&[]).await.expect("the inbox starts");

    // The operator, its registries' Secrets and the objects are each in a namespace of their own.
    let namespace = server.namespace("install").await;
    let namespace = namespace.expect("a namespace can be made");
    let vault = server.namespace("vault").await;
    let vault = vault.expect("a namespace can be made");
    let pair = json!({"pair": format!("{USER}:{PASSWORD}")});
    let address = json!({"address": inbox.url("/all")});
    let mut objects = vec![
        secret(&vault, "registry", &pair),
        secret(&vault, "other", &pair),
        secret(&namespace, "inbox", &address),
    ];
    let values = json!({
        "watchNamespaces": [world.namespace],
        "crds": {"install": false},
        "rbac": {"aggregate": false},
        "config": {
            "registries": [{
                "name": "ours", "prefix": host, "api_url": format!("http://{host}"),
                "credentials": format!("secret:{vault}/registry#pair"),
            }],
            "notify": {"secretName": "inbox", "format": "slack", "events": ["updated"]},
        },
    });
    objects.extend(rendered(&values, &namespace));
    let installed = server.install(&objects).await;
    installed.expect("the API server takes what the chart renders");
    let pod = Pod::of(server, the(&objects, "Deployment"), "7d9f8b6c5d-x2x4z").await;
    let pod = pod.expect("the pod has what it names");
    let user = pod.user().to_owned();
    world.operate_in(pod);

    world.watch("app", json!({"image": image})).await;
    let images = json!([{
        "alias": "web", "watchRef": {"name": "app"}, "strategy": {"semver": {}},
    }]);
    world.policy("app", images, json!({})).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    let text = world
        .until(&"a letter", async || {
            let letters = inbox.letters();
            let letter = letters.first().ok_or("none has come")?;
            Ok(String::from_utf8_lossy(&letter.body).into_owned())
        })
        .await;
    assert!(text.contains("web: 0.9.0 -&gt; 1.0.0"), "{text}");

    let requests = server.audited(&user).expect("there is a log");
    let refused: Vec<_> = requests.iter().filter(|it| it.status == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let of_vault = requests.iter().filter(|it| it.namespace == vault);
    let of_vault: Vec<(&str, &str)> = of_vault
        .map(|it| (it.verb.as_str(), it.name.as_str()))
        .collect();
    assert!(!of_vault.is_empty(), "{requests:?}");
    assert!(
        of_vault.iter().all(|it| *it == ("get", "registry")),
        "{of_vault:?}"
    );
    // The right is for that one alone.
    let stranger = server.client_as(&user, &["system:serviceaccounts"]).await;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(stranger.expect("there is a client"), &vault);
    assert!(secrets.get("registry").await.is_ok());
    let other = secrets.get("other").await;
    assert!(matches!(other, Err(kube::Error::Api(error)) if error.code == 403));
}
