//! The chart with shards, several pods and webhooks: each shard has one pod that works, all policies are
//! served, any pod hears of a push, and one that stands by goes on for one that dies.
//!
//! Each pod is a process with the arguments, the volumes and the token of the chart's Deployment.

use std::collections::BTreeMap;

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::pod::Pod;
use image_update_testkit::process::{Child, Launch, free_port};
use image_update_testkit::registry::Registry;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use super::render::{NAMESPACE, rendered, the};
use crate::controller::metrics::Pages;
use crate::world::{World, api_server, kustomization, operator, until};

/// How many branches each team has, with one policy each.
const BRANCHES: usize = 4;

const FILE: &str = "overlays/prod/kustomization.yaml";
const SECRET: &str = "webhook-pa55word";

/// One of the pods.
struct Replica {
    // Before the pod, whose volumes it has.
    process: Child,
    pod: Pod,
    pages: Pages,
    webhooks: String,
}

impl Replica {
    async fn start(server: &ApiServer, deployment: &Value, name: &str) -> Self {
        let pod = Pod::of(server, deployment, name).await;
        let (pages, flag) = Pages::with_flag();
        let (metrics, address) = flag.split_once('=').expect("a flag has a value");
        let webhooks = format!("127.0.0.1:{}", free_port().expect("there is a free port"));
        let pod = pod.expect("the pod has what it names");
        // The ports of pods do not get into each other's way; those of processes do.
        let pod = pod.flag(metrics, address);
        let pod = pod.flag("--webhook-address", &webhooks);
        let process = pod.launch("operator", operator()).and_then(Launch::spawn);
        Self {
            process: process.expect("the operator starts"),
            pod,
            pages,
            webhooks,
        }
    }

    /// Whether it works; it is ready in any case.
    async fn works(&self) -> Result<bool, String> {
        match self.pages.get("/readyz").await? {
            (200, text) if text == "ok\n" => Ok(true),
            (200, text) if text.contains("standing by") => Ok(false),
            other => Err(format!("{}: {other:?}", self.pod.name())),
        }
    }
}

/// An installation with two shards and three pods, and the teams whose policies it has.
struct Installed {
    namespace: String,
    kube: kube::Client,
    teams: Vec<World>,
    registry: Registry,
    replicas: Vec<Replica>,
}

impl Installed {
    /// Installs the chart in `namespace` with these values and what shards and webhooks need.
    async fn new(
        server: &'static ApiServer,
        namespace: &str,
        teams: Vec<World>,
        mut values: Value,
    ) -> Self {
        let registry = Registry::start().await.expect("the registry starts");
        let pushed = registry.push("team/app", "1.0.0").await;
        pushed.expect("the image is pushed");
        values["replicaCount"] = json!(3);
        values["config"] = json!({"shards": 2});
        values["webhook"] = json!({"enabled": true, "secretName": "webhooks"});
        // Long enough for slow machines, and shorter than the patience of tests.
        values["extraArgs"] = json!(["--leader-election-lease-duration=5s"]);
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "webhooks", "namespace": namespace},
                "stringData": {"generic": SECRET},
            }),
        ];
        objects.extend(rendered(&values, namespace));
        let installed = server.install(&objects).await;
        installed.expect("the API server takes what the chart renders");
        for team in &teams {
            populate(team, &registry).await;
        }
        let mut replicas = Vec::new();
        for name in ["7d9f8b6c5d-2xk8p", "7d9f8b6c5d-h4vzq", "7d9f8b6c5d-12345"] {
            replicas.push(Replica::start(server, the(&objects, "Deployment"), name).await);
        }
        Self {
            namespace: namespace.to_owned(),
            kube: server.client().await.expect("there is a client"),
            teams,
            registry,
            replicas,
        }
    }

    fn logs(&self) -> String {
        let logs = self.replicas.iter();
        let logs = logs.map(|it| format!("{}\n{}", it.pod.name(), it.process.log_tail()));
        logs.collect::<Vec<_>>().join("\n")
    }

    /// The pod that holds the Lease of each shard, by the Lease's name.
    async fn holders(&self) -> BTreeMap<String, String> {
        let leases: Api<Lease> = Api::namespaced(self.kube.clone(), &self.namespace);
        let leases = leases.list(&ListParams::default()).await;
        let leases = leases.expect("Leases can be listed").items.into_iter();
        let holders = leases.map(|lease| {
            let identity = lease.spec.and_then(|spec| spec.holder_identity);
            let identity = identity.unwrap_or_default();
            let pod = identity.split('_').next().unwrap_or_default();
            (lease.metadata.name.unwrap_or_default(), pod.to_owned())
        });
        holders.collect()
    }

    /// Waits until each shard has a pod of its own, and no other pod works. Returns one that stands by, if
    /// there is one.
    async fn settles(&self, standing_by: usize) -> Option<&Replica> {
        let probe = async || {
            let (mut working, mut idle) = (Vec::new(), Vec::new());
            for replica in &self.replicas {
                if replica.works().await? {
                    working.push(replica.pod.name());
                } else {
                    idle.push(replica);
                }
            }
            let holders = self.holders().await;
            let shards: Vec<&str> = holders.keys().map(String::as_str).collect();
            let mut pods: Vec<&str> = holders.values().map(String::as_str).collect();
            pods.sort_unstable();
            working.sort_unstable();
            let is_settled = shards
                == [
                    "image-update-operator-0-of-2",
                    "image-update-operator-1-of-2",
                ]
                && pods == working
                && pods[0] != pods[1]
                && idle.len() == standing_by;
            if is_settled {
                Ok(idle.first().copied())
            } else {
                Err(format!("{holders:?}, of which {working:?} say so"))
            }
        };
        until(&"a pod for each shard", || self.logs(), probe).await
    }

    /// Releases a tag, tells `replica` of it as a registry would, and waits until it is in every branch,
    /// by one commit.
    async fn release(&self, tag: &str, replica: &Replica, commits: usize) {
        let pushed = self.registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
        let url = format!(
            "http://{}/webhook/generic?secret={SECRET}",
            replica.webhooks
        );
        let image = format!("{}/team/app:{tag}", self.registry.host());
        let body = json!({"image": image}).to_string();
        let sent = reqwest::Client::new().post(url).body(body).send().await;
        assert_eq!(sent.expect("the receiver answers").status(), 200);
        self.is_everywhere(tag, commits).await;
    }

    async fn is_everywhere(&self, tag: &str, commits: usize) {
        let expected = format!("newTag: {tag}");
        let probe = async || {
            for (team, number) in self.branches() {
                let text = team.git.show("env", &branch(number), FILE);
                let text = text.map_err(|error| error.to_string())?;
                let text = String::from_utf8_lossy(&text).into_owned();
                if !text.contains(&expected) {
                    return Err(format!("{} of {}: {text}", branch(number), team.namespace));
                }
            }
            Ok(())
        };
        until(&format!("{tag} in all branches"), || self.logs(), probe).await;
        for (team, number) in self.branches() {
            let log = team.git.log("env", &branch(number));
            let log = log.expect("there is a log");
            let ours = log
                .iter()
                .filter(|it| it.author.starts_with("image-update"));
            assert_eq!(ours.count(), commits, "{}: {log:#?}", branch(number));
        }
    }

    fn branches(&self) -> impl Iterator<Item = (&World, usize)> {
        let teams = self.teams.iter();
        teams.flat_map(|team| (0..BRANCHES).map(move |number| (team, number)))
    }
}

fn branch(number: usize) -> String {
    format!("branch-{number}")
}

/// A repository with branches at an old tag, a watch that seldom looks, and a policy for each branch.
async fn populate(team: &World, registry: &Registry) {
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "0.9.0");
    let made = team
        .git
        .create_repository("env", &[(FILE, file.as_bytes())]);
    made.expect("the repository is made");
    team.watch("app", json!({"image": image, "interval": "1h"}))
        .await;
    for number in 0..BRANCHES {
        let made = team.git.git("env", &["branch", &branch(number), "main"]);
        made.expect("the branch is made");
        let images = json!([{
            "alias": "web", "watchRef": {"name": "app"}, "strategy": {"semver": {}},
        }]);
        let spec = json!({"writeBack": {"git": {"branch": branch(number)}}});
        team.policy(&format!("app-{number}"), images, spec).await;
    }
}

/// Goes through the life of an installation: it begins, is told of pushes, and loses a pod.
async fn serves_all_policies(server: &ApiServer, mut installed: Installed) {
    installed.is_everywhere("1.0.0", 1).await;
    let standby = installed.settles(1).await.expect("one stands by");
    // Whoever stands by hands over what it is told.
    installed.release("1.1.0", standby, 2).await;

    let holder = installed.holders().await.into_values().next();
    let holder = holder.expect("a shard has a holder");
    let place = installed
        .replicas
        .iter()
        .position(|it| it.pod.name() == holder);
    let mut dead = installed.replicas.swap_remove(place.expect("it is a pod"));
    dead.process.kill();
    installed.settles(0).await;
    installed.release("1.2.0", &installed.replicas[0], 3).await;

    // All pods are one account, and nothing that it asked for was refused.
    let requests = server.audited(installed.replicas[0].pod.user());
    let requests = requests.expect("there is a log");
    let asked = |verb, resource| {
        let mut requests = requests.iter();
        requests.any(|it| it.verb == verb && it.resource == resource && it.status == 200)
    };
    assert!(asked("update", "leases") && asked("patch", "imagewatches"));
    let refused: Vec<_> = requests.iter().filter(|it| it.status == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_pods_with_rights_in_two_namespaces_share_their_policies() {
    let server = api_server().await;
    let teams = vec![World::on(server).await, World::on(server).await];
    let namespaces: Vec<&String> = teams.iter().map(|team| &team.namespace).collect();
    let values = json!({
        "watchNamespaces": namespaces,
        "crds": {"install": false},
        "rbac": {"aggregate": false},
    });
    let namespace = server.namespace("install").await;
    let namespace = namespace.expect("a namespace can be made");
    let installed = Installed::new(server, &namespace, teams, values).await;
    serves_all_policies(server, installed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_pods_with_rights_in_the_cluster_share_all_policies() {
    // Another one than that of other tests, whose objects these pods would take for theirs.
    let server = ApiServer::start().await;
    let server: &'static ApiServer = Box::leak(Box::new(server.expect("it starts")));
    // The chart brings the definitions.
    let objects = rendered(&json!({}), NAMESPACE);
    let is_definition = |it: &Value| it["kind"] == "CustomResourceDefinition";
    let definitions: Vec<Value> = objects.into_iter().filter(is_definition).collect();
    let defined = server.install(&definitions).await;
    defined.expect("the API server takes the definitions");
    let teams = vec![World::on(server).await, World::on(server).await];
    let installed = Installed::new(server, NAMESPACE, teams, json!({})).await;
    serves_all_policies(server, installed).await;
}
