//! What is told from inside: how releases stand, and what this server is called.

use super::{
    ask::{Ask, Said},
    common::{House, pause, pools::Pools},
    file,
};

async fn told(house: &House) -> Said {
    Ask::new(house.daemon.dns()[0], "_release.api.zone.test", "TXT").send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tells_of_its_release() {
    let pools = Pools::start().await;
    let release = "ramp = [{ share = \"10%\", bake = \"1h\" }]";
    let house = House::start(&file(&pools, "\"v1\"", "", release)).await;
    let said = told(&house).await;
    assert!(said.has("\"phase=Steady\" \"split=v1\"") && said.ttl == Some(1), "{said:?}");
    house.until_pool_is("v2", "up").await;
    house.save(&file(&pools, "\"v2\"", "", release));
    while !told(&house).await.has("\"phase=Judging\" \"split=v1:90+v2:10\"") {
        pause().await;
    }
    let said = told(&house).await.answers.concat();
    let generation = said.split('"').nth(1).and_then(|it| it.strip_prefix("generation="));
    let generation: u64 = generation.and_then(|it| it.parse().ok()).expect("a number");
    assert!(generation <= house.status().await.generation, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn off_loopback_it_tells_nothing_and_never_its_version_unasked() {
    let pools = Pools::start().await;
    let release = file(&pools, "\"v1\"", "", "");
    let house = House::start_with("127.0.0.1", &release, |settings| {
        settings.inside.releases = Some(false);
    });
    let house = house.await;
    assert_eq!(told(&house).await.rcode, "NXDOMAIN");
    for name in ["id.server", "hostname.bind", "version.bind", "version.server"] {
        let said = Ask::new(house.daemon.dns()[0], name, "TXT").chaos().send().await;
        assert_eq!(said.rcode, "REFUSED", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_tells_is_decided_by_where_it_really_is() {
    let pools = Pools::start().await;
    let release = file(&pools, "\"v1\"", "", "");
    for (dns, rcode) in [([127, 0, 0, 1], "NOERROR"), ([0, 0, 0, 0], "NXDOMAIN")] {
        let house = House::start_with("127.0.0.1", &release, |settings| {
            // As if systemd had passed others than the settings have.
            settings.dns = vec![(dns, 0).into()];
            settings.inside.releases = None;
        });
        let house = house.await;
        let at = ([127, 0, 0, 1], house.daemon.dns()[0].port()).into();
        let said = Ask::new(at, "_release.api.zone.test", "TXT").send().await;
        assert_eq!(said.rcode, rcode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_is_called() {
    let pools = Pools::start().await;
    let release = file(&pools, "\"v1\"", "", "");
    let house = House::start_with("127.0.0.1", &release, |settings| {
        settings.inside.id = Some("ns1".to_owned());
        settings.inside.version = Some("a DNS server".to_owned());
    });
    let house = house.await;
    let ask = |name, kind| Ask::new(house.daemon.dns()[0], name, kind).chaos().send();
    for (name, text) in [
        ("id.server", "\"ns1\""),
        ("HOSTNAME.bind", "\"ns1\""),
        ("version.bind", "\"a DNS server\""),
        ("version.server", "\"a DNS server\""),
    ] {
        let said = ask(name, "TXT").await;
        assert_eq!((said.answers, said.ttl), (vec![text.to_owned()], Some(0)), "{name}");
    }
    assert_eq!(ask("id.server", "A").await.rcode, "REFUSED");
    assert_eq!(ask("api.zone.test", "TXT").await.rcode, "REFUSED");
}
