//! The zone around the services, as `cutover.toml` has it: apex, name servers, static records.

use std::time::Duration;

use hickory_proto::rr::{RData, RecordType};

use crate::{
    config::{
        document::{Table, Value},
        schema::{Notes, parts},
    },
    model::{DnsName, NameError, StaticRecord, Ttl, ZoneSpec},
    table::to_hickory,
};

/// The record types that `[[records]]` takes.
const RECORD_TYPES: [&str; 6] = ["A", "AAAA", "CAA", "MX", "SRV", "TXT"];
const TTL_DEFAULT: Ttl = Ttl::from_secs_const(3_600);
const TTL_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);

pub(super) fn zone(root: &mut Table<'_>) -> Option<ZoneSpec> {
    let apex = root.required("zone", r#""svc.example.com""#).and_then(|v| v.parse::<DnsName>());
    let nameservers = root.required("nameservers", r#"["ns1.svc.example.com"]"#);
    let nameservers = nameservers.and_then(|value| Some((value.clone(), names(&value)?)));
    let hostmaster = root.required("hostmaster", r#""hostmaster@example.com""#);
    let hostmaster = hostmaster.and_then(|value| mailbox(&value));
    let records = root.optional("records").map_or(Some(Vec::new()), |value| value.array());
    let (apex, (nameservers_at, nameservers)) = (apex?, nameservers?);
    let records: Vec<StaticRecord> =
        records?.iter().filter_map(|value| record(value, &apex)).flatten().collect();
    check_glue(&nameservers_at, &nameservers, &apex, &records);
    Some(ZoneSpec { apex, nameservers, hostmaster: hostmaster?, records })
}

fn names(value: &Value<'_>) -> Option<Vec<DnsName>> {
    let items = value.array()?;
    if items.is_empty() {
        value.wrong("a zone has at least one name server");
        return None;
    }
    items.iter().map(|item| item.parse()).collect()
}

/// `hostmaster@example.com` as the name `hostmaster.example.com` (RFC 1035 §8).
fn mailbox(value: &Value<'_>) -> Option<DnsName> {
    let text = value.text()?;
    let name = text.split_once('@').map(|(local, domain)| (local, format!("{local}.{domain}")));
    match name {
        Some((local, _)) if local.contains('.') => {
            value.wrong("the part before the @ of the hostmaster must not have a dot");
            None
        }
        Some((_, name)) => {
            name.parse().map_err(|error: NameError| value.wrong(error.to_string())).ok()
        }
        None => {
            value.wrong_with_hint("not a mailbox", r#"write it like "hostmaster@example.com""#);
            None
        }
    }
}

/// A name server inside the zone is found only if the zone itself knows its address.
fn check_glue(at: &Value<'_>, nameservers: &[DnsName], apex: &DnsName, records: &[StaticRecord]) {
    for name in nameservers.iter().filter(|name| name.is_within(apex)) {
        let has_address = records.iter().any(|record| {
            let kind = record.data.record_type();
            record.owner == *name && matches!(kind, RecordType::A | RecordType::AAAA)
        });
        if !has_address {
            at.wrong_with_hint(
                format!("the name server {name} is inside the zone but has no address there"),
                "add [[records]] with its name, type A or AAAA, and its address",
            );
        }
    }
}

fn record(value: &Value<'_>, apex: &DnsName) -> Option<Vec<StaticRecord>> {
    let mut table = value.table()?;
    let owner = table.required("name", r#""ns1""#).and_then(|value| {
        let within = DnsName::within(value.text()?, apex);
        within.map_err(|error| value.wrong(error.to_string())).ok()
    });
    let kind = table.required("type", r#""A""#).and_then(|value| record_type(&value));
    let ttl = table.optional("ttl").map_or(Some(TTL_DEFAULT), |value| ttl(&value));
    let table_at = value;
    let data = table.required("data", r#"["192.0.2.1"]"#).and_then(|value| value.array());
    table.finish();
    let (owner, kind, ttl) = (owner?, kind?, ttl?);
    let items = data?;
    if items.is_empty() {
        table_at.wrong("a record set has at least one record");
    }
    let mut records: Vec<StaticRecord> = Vec::with_capacity(items.len());
    for item in &items {
        let Some(data) = record_data(item, kind, apex) else { continue };
        if records.iter().any(|known| known.data == data) {
            item.wrong("this record stands here twice (RFC 2181 §5)");
        }
        records.push(StaticRecord { owner: owner.clone(), ttl, data });
    }
    Some(records)
}

/// The data of one record; names in it are relative to the apex unless they end with a dot.
fn record_data(value: &Value<'_>, kind: RecordType, apex: &DnsName) -> Option<RData> {
    let data = RData::try_from_str(kind, value.text()?);
    let mut data =
        data.map_err(|error| value.wrong(format!("not the data of {kind}: {error}"))).ok()?;
    let name = match &mut data {
        RData::MX(mx) => &mut mx.exchange,
        RData::SRV(srv) => &mut srv.target,
        _ => return Some(data),
    };
    if !name.is_fqdn() {
        let absolute = name.clone().append_domain(&to_hickory(apex));
        *name = absolute.map_err(|error| value.wrong(error.to_string())).ok()?;
    }
    Some(data)
}

fn record_type(value: &Value<'_>) -> Option<RecordType> {
    let text = value.text()?;
    let known = RECORD_TYPES.contains(&text).then(|| text.parse().ok()).flatten();
    if known.is_none() {
        let message = format!("`{text}` is not a record type that can stand here");
        value.wrong_with_hint(message, format!("use one of {}", RECORD_TYPES.join(", ")));
    }
    known
}

/// A TTL, for both files.
pub(in crate::config) fn ttl(value: &Value<'_>) -> Option<Ttl> {
    let duration = value.duration_in(TTL_RANGE)?;
    Ttl::new(duration).map_err(|error| value.wrong(error.to_string())).ok()
}

/// With the keys of the zone, which stand at the top.
pub(super) fn schema<'n>(keys: parts::Keys<'n>, notes: &'n Notes) -> parts::Keys<'n> {
    let record = parts::Keys::at(notes, ["records[]"])
        .required("name", parts::name_within())
        .required("type", parts::word(RECORD_TYPES))
        .optional("ttl", parts::duration())
        .required("data", parts::list(parts::text(), 1..=usize::MAX))
        .table();
    keys.required("zone", parts::name())
        .required("nameservers", parts::list(parts::name(), 1..=usize::MAX))
        .required("hostmaster", parts::mailbox())
        .optional("records", parts::list(record, 0..=usize::MAX))
}
