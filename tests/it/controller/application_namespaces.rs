//! Applications of other namespaces: for policies of Argo CD's namespace, where the operator was
//! started for it, and for nobody else.

use std::time::Duration;

use image_update_testkit::registry::Registry;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::{Value, json};

use super::applications::{application, applications, parameter, policy, world};
use crate::world::World;

/// Has the operator look at the team's namespace, too, with these flags more.
async fn with_team(flags: &[&str]) -> (World, World, Registry) {
    let (mut world, registry) = world(&[("README.md", b"\n")]).await;
    let team = World::start().await;
    world.kill_operator();
    world.flag(&format!("--watch-namespaces={}", team.namespace));
    for flag in flags {
        world.flag(&flag.replace("TEAM", &team.namespace));
    }
    world.start_operator();
    for one in [&world, &team] {
        deploy(one, "shop").await;
    }
    (world, team, registry)
}

async fn deploy(world: &World, name: &str) {
    let status = json!({"sourceType": "Helm"});
    application(world, name, &parameter("1.0.0"), &status).await;
}

async fn tag(api: &Api<DynamicObject>) -> Result<Value, String> {
    let object = api.get("shop").await.map_err(|error| error.to_string())?;
    Ok(object.data["spec"]["source"]["helm"]["parameters"][0]["value"].clone())
}

async fn says(world: &World, team: &World, expected: &str) {
    let api = applications(team);
    let is_there = async || match tag(&api).await? {
        found if found == expected => Ok(()),
        found => Err(found.to_string()),
    };
    world.until(&"the Application", is_there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_namespaces_are_written_for_a_policy_of_argo_cds() {
    let (world, team, _registry) = with_team(&["--application-namespaces=TEAM"]).await;
    let selected = json!([{"namespace": team.namespace, "name": "shop"}]);
    policy(&world, selected, json!({"argocd": {}})).await;
    says(&world, &team, "1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    let status = world.policy_status("app").await;
    assert_eq!(status.applications.map(|it| it.matched), Some(1));
    // Its own is another one.
    let own = tag(&applications(&world)).await.expect("it is there");
    assert_eq!(own, "1.0.0");
    // One that comes later is found, too.
    let deleted = applications(&team)
        .delete("shop", &DeleteParams::default())
        .await;
    deleted.expect("it was there");
    deploy(&team, "shop").await;
    says(&world, &team, "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn globs_of_namespaces_reach_what_the_operator_was_started_for() {
    let (world, team, _registry) = with_team(&["--application-namespaces=*"]).await;
    policy(
        &world,
        json!([{"namespace": "*", "name": "*"}]),
        json!({"argocd": {}}),
    )
    .await;
    says(&world, &team, "1.1.0").await;
    says(&world, &world, "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_that_the_operator_was_not_started_for_are_out_of_reach() {
    let (world, team, _registry) = with_team(&[]).await;
    let selected = json!([{"namespace": team.namespace, "name": "*"}]);
    policy(&world, selected, json!({"argocd": {}})).await;
    let message = world.policy_becomes("app", "NoApplication").await;
    assert!(message.contains("--application-namespaces"), "{message}");
    let theirs = tag(&applications(&team)).await.expect("it is there");
    assert_eq!(theirs, "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_of_another_namespace_than_argo_cds_reaches_its_own_only() {
    let (world, team, registry) = with_team(&["--application-namespaces=TEAM"]).await;
    let image = format!("{}/team/app", registry.host());
    team.watch("app", json!({"image": image})).await;
    let selected = json!([{"namespace": world.namespace, "name": "shop"}]);
    policy(&team, selected, json!({"argocd": {}})).await;
    let message = team.policy_becomes("app", "AccessDenied").await;
    assert!(
        message.contains(&format!("only policies in namespace {}", world.namespace)),
        "{message}"
    );
    // One of its own namespace conflicts with the one that reached it first, unnamed.
    let selected = json!([{"namespace": team.namespace, "name": "*"}]);
    policy(&world, selected, json!({"argocd": {}})).await;
    says(&world, &team, "1.1.0").await;
    // Ages are compared in seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    team.apply(
        "ImageUpdatePolicy",
        "later",
        json!({
            "images": [{
                "alias": "web", "watchRef": {"name": "app"}, "strategy": {"semver": {}},
                "helm": {"tag": "image.tag"},
            }],
            "applications": [{"name": "*"}],
            "writeBack": {"argocd": {}},
        }),
    )
    .await;
    let message = team.policy_becomes("later", "Conflict").await;
    assert!(message.contains("of another namespace"), "{message}");
}
