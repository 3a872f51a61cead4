//! Smoke tests.

use crate::{
    common::{House, pools::Pools},
    last, release, standing,
};

const ALLOWED: &str = "/bin/sh";

/// Each writes down whom it was made of, and passes unless that stands in the file `broken`.
fn tests(house_folder: &str) -> String {
    let script = format!(
        "echo $CUTOVER_ADDRESS >> {house_folder}/made; \
         grep -qs $CUTOVER_ADDRESS {house_folder}/broken && echo 3 rows are missing && exit 1; exit 0"
    );
    format!(
        r#"tests = [{{ exec = {{ command = "{ALLOWED}", arguments = ["-c", '{script}'] }} }}]
bake = "0s""#
    )
}

async fn scene(pools: &Pools, scratch: &str) -> House {
    let file = pools.file("v1", &tests(scratch));
    let house = House::start_with("127.0.0.1", &file, |settings| {
        settings.permit.commands.push(ALLOWED.into());
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_made_once_of_each_new_endpoint_before_anybody_is_moved() {
    let (pools, scratch) = (Pools::start().await, tempfile::tempdir().expect("a folder"));
    let folder = scratch.path().display().to_string();
    let house = scene(&pools, &folder).await;
    house.save(&pools.file("v2", &tests(&folder)));
    house.until_answered(&pools.v1, &pools.v2).await;
    let made = std::fs::read_to_string(scratch.path().join("made")).expect("they were made");
    let mut made: Vec<&str> = made.lines().collect();
    made.sort_unstable();
    assert_eq!(made, ["127.0.2.1", "127.0.2.2"]);
    house.until_phase("Steady").await;
    let past = last(&house).await;
    let results: Vec<_> =
        past.tests.iter().map(|it| (it.address.as_str(), it.result.as_str())).collect();
    assert_eq!(results, [("127.0.2.1", "good"), ("127.0.2.2", "good")]);
    assert_eq!(past.tests[0].test, "1 (exec)");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_fails_the_release_and_what_it_said_is_shown() {
    let (pools, scratch) = (Pools::start().await, tempfile::tempdir().expect("a folder"));
    std::fs::write(scratch.path().join("broken"), "127.0.2.2\n").expect("written");
    let folder = scratch.path().display().to_string();
    let house = scene(&pools, &folder).await;
    house.save(&pools.file("v2", &tests(&folder)));
    house.until_phase("Failed").await;
    let asked = house.client.ask("api.zone.test", "A").await;
    assert_eq!(asked.addresses, pools.v1, "nothing was moved");
    let api = house.api().await;
    let why = "smoke test 1 (exec) failed on 127.0.2.2 of v2: exit status 1: 3 rows are missing; \
               nothing was moved";
    assert_eq!(release(&api).reason.as_deref(), Some(why));
    let failed = &release(&api).proof.tests[0];
    let reason = failed.reason.as_deref();
    assert_eq!(
        (failed.result.as_str(), reason),
        ("bad", Some("exit status 1: 3 rows are missing"))
    );
    let past = last(&house).await;
    assert_eq!(past.tests[0].reason.as_deref(), reason);
    assert!(past.steps.last().expect("a step").why.starts_with(why), "{past:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_allowed_is_not_run_and_fails() {
    let (pools, scratch) = (Pools::start().await, tempfile::tempdir().expect("a folder"));
    let folder = scratch.path().display().to_string();
    let house = standing(&pools, &tests(&folder)).await;
    house.save(&pools.file("v2", &tests(&folder)));
    house.until_phase("Failed").await;
    assert!(!scratch.path().join("made").exists());
    let reason = release(&house.api().await).reason.clone().unwrap_or_default();
    assert!(reason.contains("/bin/sh is not run unless `probes.commands`"), "{reason}");
}
