//! Guards of releases against a real Prometheus: one that passes, one that loses its data and finds it
//! again, and one that fails.

use std::time::Duration;

use cutover::model;

use super::{
    common::{House, pools::Pools},
    prometheus::{Exporter, Prometheus},
};

const GUARD: &str = r#"bake = "1h"
guards = [{ name = "errors", query = 'errors_ratio{pool="{{pool}}"}', max = "1.5x", interval = "1s", error_limit = 1 }]"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_passes_loses_its_data_finds_it_and_fails() {
    let old = Exporter::start(&[("errors_ratio", 0.02)]).await;
    let mut new = Exporter::start(&[("errors_ratio", 0.025)]).await;
    let targets: [(&str, &[_]); 2] =
        [(&old.target(), &[("pool", "v1")]), (&new.target(), &[("pool", "v2")])];
    let interval = Duration::from_millis(200);
    let Some(prometheus) = Prometheus::start(interval, &targets).await else { return };
    let both = |values: &[f64]| values == [0.02, 0.025];
    prometheus.wait_for("errors_ratio", both).await;
    let pools = Pools::start().await;
    let house = House::start_with("127.0.0.1", &pools.file("v1", GUARD), |settings| {
        let url = prometheus.url().parse().expect("a URL");
        let timeout = model::Prometheus::TIMEOUT;
        settings.outside.metrics = Some(model::Prometheus { url, token_file: None, timeout });
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house.save(&pools.file("v2", GUARD));
    house.until_answered(&pools.v1, &pools.v2).await;
    let reading = |result: &'static str| {
        let house = &house;
        async move {
            let status = house
                .until(result, |status| {
                    let release = status.services["api"].release.as_ref();
                    let guard = release.and_then(|release| release.proof.guards.first());
                    guard.is_some_and(|guard| guard.result.as_deref() == Some(result))
                })
                .await;
            status.services["api"].release.clone().expect("one").proof.guards.remove(0)
        }
    };
    let good = reading("good").await;
    assert_eq!((good.value, good.old), (Some(0.025), Some(0.02)));
    assert_eq!(house.api().await.phase, "Baking");

    new.stop().await;
    house.until_phase("Paused").await;
    let reason = house.api().await.release.expect("one").reason.expect("a reason");
    let why = "paused without data (guard errors has no value of v2: there is no data, ";
    assert!(reason.starts_with(why), "{reason}");
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v2);

    new.start_again();
    house.until_phase("Baking").await;

    new.set("errors_ratio", 0.04);
    house.until_answered(&pools.v2, &pools.v1).await;
    house.until_phase("Failed").await;
    let reason = house.api().await.release.expect("one").reason.expect("a reason");
    let why = "guard errors is 0.04 of v2, and it must be at most 0.03, 1.5x of 0.02 of v1";
    assert_eq!(reason, why);
}
