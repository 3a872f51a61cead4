//! A service with something in every place of what the release file can say.

use std::{sync::Arc, time::Duration};

use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::*;

fn performance() -> Performance {
    let value = Bound::Value(Number::new(0.1 + 0.2).expect("finite"));
    let limits = [(Measure::Percentile(99), value), (Measure::Throughput, ratio())];
    Performance {
        kind: ProbeKind::Tcp(TcpProbe { port: 80 }),
        requests: 1,
        duration: Duration::from_secs(2),
        concurrency: 3,
        rate: 4,
        timeout: Duration::from_secs(5),
        samples_min: 6,
        interval: Duration::from_secs(7),
        tolerance: Duration::from_millis(8),
        limits: limits.map(|(measure, bound)| Limit { measure, bound }).into(),
    }
}

fn ratio() -> Bound {
    Bound::Ratio("0.8x".parse().expect("a ratio"))
}

fn guard() -> Guard {
    Guard {
        name: "errors".parse().expect("a label"),
        query: "up{pool=\"{{pool}}\"}".to_owned(),
        min: Some(Bound::Value(Number::new(-1e-300).expect("finite"))),
        max: Some(ratio()),
        tolerance: Number::HUNDREDTH,
        interval: Duration::from_secs(10),
        count: 2,
        fail_limit: 3,
        error_limit: 4,
    }
}

fn kinds() -> Kinds {
    let port = std::num::NonZeroU16::new(8443);
    let https = Binding {
        priority: port.expect("some"),
        alpn: vec!["h2".parse().expect("a protocol"), "h3".parse().expect("a protocol")],
        port,
        hints: false,
        doh_path: Some("/dns-query{?dns}".parse().expect("a path")),
    };
    let prefix = |text: &str| text.parse().expect("a prefix");
    let (priority, answers) = (7, SrvAnswers::One);
    Kinds {
        svcb: vec![(prefix("_dns"), Binding::default())],
        txt: vec!["v=1 \"quoted\"".parse().expect("a text")],
        srv: vec![SrvSetting { prefix: prefix("_http._tcp"), priority, answers }],
        previews: [("v1".parse().expect("a name"), "v1.api.zone.test".parse().expect("a name"))]
            .into(),
        https: Some(https),
    }
}

/// With something in every place.
pub(super) fn spec(of: &str) -> Arc<ServiceSpec> {
    let pools = [pool("v1", 1), pool("v2", 2)].map(|pool| (pool.name.clone(), pool));
    let ramp = [(10, 60), (50, 0)].map(|(share, secs)| RampStep {
        share: Percent::new_const(share),
        bake: Duration::from_secs(secs),
    });
    Arc::new(ServiceSpec {
        name: name(of),
        owner: DnsName::within(of, &zone()).expect("a name"),
        live: side([("v1", 1, 90), ("v2", 2, 10)]).split().clone(),
        spread: Spread::Random,
        ttl: Ttl::from_secs_const(30),
        pools: pools.into(),
        kinds: Arc::new(kinds()),
        probe: ProbeSetting::On(Arc::new(ProbeSpec {
            checks: vec![
                ProbeKind::Http(HttpProbe {
                    port: 8080,
                    method: Method::Post,
                    path: "/healthz?deep=1".to_owned(),
                    host: "api.zone.test".to_owned(),
                    headers: vec![Header::new("x-token", "a b").expect("good")],
                    status: vec![200, 204],
                    body: Some("fine \"indeed\"".to_owned()),
                    http2: true,
                    pattern: Some("^a+$".parse().expect("good")),
                })
                .into(),
                ProbeKind::Grpc(GrpcProbe {
                    port: 50_051,
                    service: "a.b".to_owned(),
                    host: "api.zone.test:1".to_owned(),
                    tls: None,
                })
                .into(),
                ProbeKind::Dns(DnsProbe {
                    port: 53,
                    tcp: true,
                    name: "a.zone.test".parse().expect("a name"),
                    record_type: RecordType::TXT,
                    rcode: ResponseCode::NoError,
                    data: Some("\"a b\"".to_owned()),
                })
                .into(),
                ProbeKind::Tls(TlsProbe {
                    port: 8443,
                    tls: TlsSettings {
                        server_name: "192.0.2.1".parse().expect("an address"),
                        ca: Some("/etc/ca.pem".into()),
                        validity_min: TlsSettings::VALIDITY_MAX,
                        validity_warn: Duration::ZERO,
                    },
                })
                .into(),
            ],
            pass: Pass::All,
            interval: Duration::from_millis(1_500),
            timeout: Duration::from_millis(10),
            rise: 2,
            fall: 5,
            jitter: Percent::new_const(7),
        })),
        fail_policy: FailPolicy::Open,
        release: ReleasePolicy {
            group: Some("checkout".parse().expect("a name")),
            ramp: ramp.into(),
            at: Some(Timestamp::from_unix_micros(9_000_000)),
            clean: true,
            ttl: Some(Ttl::from_secs_const(5)),
            min_up_endpoints: std::num::NonZeroUsize::new(2).expect("some"),
            min_up_weight: Some(Percent::new_const(60)),
            progress_deadline: Some(Duration::from_secs(30 * 86_400)),
            windows: Windows {
                list: vec!["Mon-Fri 09:00-16:00".parse().expect("a window")],
                zone: jiff::tz::TimeZone::get("Europe/Berlin").expect("known"),
            },
            min_change_interval: Duration::from_secs(60),
            tests: vec![Arc::new(SmokeTest {
                kind: ProbeKind::Tcp(TcpProbe { port: 81 }),
                timeout: Duration::from_secs(90),
            })],
            performance: Some(Arc::new(performance())),
            guards: vec![Arc::new(guard())],
            preview: vec!["198.51.100.0/24".parse().expect("a network")],
            confirm: vec!["board".parse().expect("a label")],
            ..ReleasePolicy::default()
        },
    })
}
