//! An event as others see it: CloudEvents 1.0, in structured JSON.

use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_micros;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{DnsName, Timestamp, TransitionEvent};

/// How that is called over HTTP.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
const TYPE: &str = "cutover.transition";
/// 9999-12-31T23:59:59.999999Z, the last that can be written.
const LAST_MICROS: u64 = 253_402_300_799_999_999;

/// A change of phase.
#[derive(Serialize, JsonSchema)]
pub(super) struct CloudEvent<'a> {
    /// `1.0`.
    specversion: &'static str,
    /// What no other event is called.
    id: String,
    /// Who has numbered it.
    source: String,
    /// `cutover.transition`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The service.
    subject: &'a str,
    /// When it was decided (RFC 3339).
    time: String,
    /// `application/json`.
    datacontenttype: &'static str,
    /// An extension: those of one source can be compared as texts.
    sequence: String,
    /// What it says.
    data: Data<'a>,
}

/// What a change of phase says.
#[derive(Serialize, JsonSchema)]
struct Data<'a> {
    /// The apex of the zone that the service is in.
    zone: String,
    /// The service.
    service: &'a str,
    /// The phase that was left.
    from: &'a str,
    /// The phase that was entered.
    to: &'a str,
    /// Why.
    why: &'a str,
    /// The number of the release within the service, if it belongs to one.
    release: Option<u64>,
}

/// The same octets each time, whenever and by whichever daemon it is told. `first` is the zone by which
/// the daemon is known: the events of all its zones have one row of numbers, and so one source.
pub fn text(event: &TransitionEvent, first: &DnsName) -> String {
    let TransitionEvent { instance, sequence, at, zone, service, from, to, why, release } = event;
    let event = CloudEvent {
        specversion: "1.0",
        id: event.id(),
        source: format!("/cutover/{first}/{instance}"),
        kind: TYPE,
        subject: service.as_str(),
        time: time(*at),
        datacontenttype: "application/json",
        sequence: format!("{sequence:020}"),
        data: Data {
            zone: zone.to_string(),
            service: service.as_str(),
            from,
            to,
            why,
            release: *release,
        },
    };
    serde_json::to_string(&event).expect("invariant: texts and numbers are JSON")
}

fn time(at: Timestamp) -> String {
    let micros = at.unix_micros().min(LAST_MICROS);
    format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Instance;

    #[test]
    fn it_is_a_cloud_event() {
        let event = TransitionEvent {
            instance: Instance::new(0xabc),
            sequence: 42,
            at: Timestamp::from_unix_micros(1_796_090_400_250_000),
            zone: "other.test".parse().expect("a name"),
            service: "api".parse().expect("a name"),
            from: "Probing".to_owned(),
            to: "Shifting".to_owned(),
            why: "2 of 2 endpoints of v42 are up (100% needed)".to_owned(),
            release: Some(7),
        };
        let zone = "zone.test".parse().expect("a name");
        let read: serde_json::Value = serde_json::from_str(&text(&event, &zone)).expect("JSON");
        let expected = serde_json::json!({
            "specversion": "1.0",
            "id": "0000000000000abc-42",
            "source": "/cutover/zone.test/0000000000000abc",
            "type": "cutover.transition",
            "subject": "api",
            "time": "2026-12-01T02:00:00.250000Z",
            "datacontenttype": "application/json",
            "sequence": "00000000000000000042",
            "data": {
                "zone": "other.test",
                "service": "api",
                "from": "Probing",
                "to": "Shifting",
                "why": "2 of 2 endpoints of v42 are up (100% needed)",
                "release": 7,
            },
        });
        assert_eq!(read, expected);
        let late = TransitionEvent { at: Timestamp::from_unix_micros(u64::MAX), ..event };
        assert!(text(&late, &zone).contains("9999-12-31T23:59:59.999999Z"));
    }
}
