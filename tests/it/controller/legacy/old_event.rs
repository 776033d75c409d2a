//! The event by which the old updater told of an update.

use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::with_kustomizations;

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_told_as_the_old_updater_told_it_too() {
    let mut legacy = with_kustomizations(&["one"]).await;
    legacy.kustomized("one", &[]).await;
    legacy.world.start_operator();
    let probe = async || {
        let events = legacy.world.api::<Event>();
        let events = events.list(&ListParams::default()).await;
        let mut events = events.map_err(|error| error.to_string())?.items.into_iter();
        let event = events.find(|event| event.reason.as_deref() == Some("ImagesUpdated"));
        event.ok_or_else(|| "no event".to_owned())
    };
    let event = legacy.world.until(&"the old event", probe).await;
    let application = legacy.applications().get("one").await;
    let application = application.expect("it is there");
    assert_eq!(event.involved_object.kind.as_deref(), Some("Application"));
    assert_eq!(event.involved_object.uid, application.metadata.uid);
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    let source = event.source.clone().unwrap_or_default().component;
    assert_eq!(source.as_deref(), Some("ArgocdImageUpdater"));
    let message = event.message.as_deref();
    assert_eq!(message, Some("Successfully updated application 'one'"));
    let expected = [
        ("full-image-name", legacy.image()),
        ("image-name", "team/app".to_owned()),
        ("new-tag", "1.1.0".to_owned()),
        ("old-tag", "1.0.0".to_owned()),
    ];
    let expected =
        expected.map(|(name, value)| (format!("argocd-image-updater.image-0/{name}"), value));
    assert_eq!(*event.annotations(), expected.into());
    // And as ours.
    legacy.note("ImageUpdatePolicy", "one", "Updated").await;
}
