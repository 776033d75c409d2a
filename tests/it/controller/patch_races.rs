//! An Application that others write while it is patched: nobody's change is lost.

use std::sync::atomic::{AtomicU32, Ordering};

use image_update_operator::argocd::error::Error;
use image_update_operator::argocd::patch::{self, Edited, Outcome};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::applications::{application, applications, parameter};
use crate::world::World;

/// Somebody else's change, made while the operator has read the Application and not yet written.
fn meanwhile(world: &World, change: &Value) {
    let api = applications(world);
    tokio::task::block_in_place(|| {
        let parameters = PatchParams::default();
        let patch = Patch::Merge(change);
        let patched = Handle::current().block_on(api.patch("shop", &parameters, &patch));
        patched.expect("somebody changes the Application");
    });
}

/// Writes the tag 1.1.0 while `others` write before each of the first `times` attempts. Returns
/// what came of it, how often it was tried, and the Application.
async fn race(others: &Value, times: u32) -> (Result<Outcome, Error>, u32, DynamicObject) {
    let world = World::start().await;
    let status = json!({"sourceType": "Helm"});
    application(&world, "shop", &parameter("1.0.0"), &status).await;
    let attempts = AtomicU32::new(0);
    let edit = |overrides: &[u8], _| {
        let attempt = attempts.fetch_add(1, Ordering::SeqCst);
        if attempt < times {
            let text = serde_json::to_string(others).expect("it is JSON");
            let unique = text.replace("ATTEMPT", &attempt.to_string());
            let change = serde_json::from_str(&unique).expect("it is JSON");
            meanwhile(&world, &change);
        }
        let overrides = String::from_utf8(overrides.to_vec()).expect("overrides are text");
        Some(Edited {
            overrides: overrides.replace("1.0.0", "1.1.0").into_bytes(),
            wrote: None,
        })
    };
    let result = patch::update(&world.kube, &world.namespace, "shop", 0, "test", edit).await;
    let object = applications(&world).get("shop").await;
    let object = object.expect("it is there");
    (result, attempts.into_inner(), object)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_others_is_kept_and_ours_is_made_on_top_of_it() {
    let parameters = json!([
        {"name": "image.tag", "value": "1.0.0", "forceString": true},
        {"name": "replicas", "value": "3"},
    ]);
    let others = json!({
        "metadata": {"annotations": {"theirs": "ATTEMPT"}},
        "spec": {"source": {"helm": {"parameters": parameters}}, "info": [{"name": "not", "value": "ours"}]},
    });
    let (result, attempts, object) = race(&others, 1).await;
    assert_eq!(result.expect("it is written"), Outcome::Patched);
    assert_eq!(attempts, 2);
    let found = &object.data["spec"]["source"]["helm"]["parameters"];
    assert_eq!(found[0]["value"], "1.1.0");
    assert_eq!(found[1], json!({"name": "replicas", "value": "3"}));
    assert_eq!(object.data["spec"]["info"][0]["value"], "ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_changed_all_the_time_is_given_up_and_says_so() {
    let others = json!({"metadata": {"annotations": {"theirs": "ATTEMPT"}}});
    let (result, attempts, object) = race(&others, u32::MAX).await;
    let error = result.expect_err("it can't be written");
    assert!(
        matches!(error, Error::Conflict { attempts: 5, .. }),
        "{error}"
    );
    assert_eq!(attempts, 5);
    let found = &object.data["spec"]["source"]["helm"]["parameters"];
    assert_eq!(found[0]["value"], "1.0.0");
}
