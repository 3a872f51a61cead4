//! A zone around the services, as `cutover.toml` has it: apex, name servers, static records, and the
//! zone file that stands beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use hickory_proto::rr::{RData, RecordType};

use crate::{
    config::{
        document::{Table, Value},
        schema::{Notes, parts},
        zone_file::{data, has_comment, kind_of},
    },
    model::{
        DnsName, NameError, RuleError, Start, StaticRecord, Ttl, ZoneSpec, Zones, broken_rules,
    },
    table::{from_hickory, to_hickory},
};

const TTL_DEFAULT: Ttl = Ttl::from_secs_const(3_600);
const TTL_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
const ZONES_MAX: usize = 100;

/// A zone as `cutover.toml` has it, and where the rest of it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneSource {
    /// Without what its file adds.
    pub spec: ZoneSpec,
    /// The zone file, if there is one.
    pub file: Option<PathBuf>,
    /// In which line of `cutover.toml` each name has its first record.
    pub lines: BTreeMap<DnsName, usize>,
}

/// The zone at the top, and `[[zones]]`.
pub(super) fn zones(root: &mut Table<'_>, text: &str, beside: &Path) -> Option<Vec<ZoneSource>> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let first = zone(root, &ends, beside);
    let mut sources = vec![first];
    let others = root.optional("zones").map_or(Some(Vec::new()), |value| value.array());
    for value in others.iter().flatten() {
        let Some(mut table) = value.table() else { continue };
        let at = table.optional("zone");
        let source = zone(&mut table, &ends, beside);
        table.finish();
        let is_known = |source: &ZoneSource| {
            sources.iter().flatten().any(|known| known.spec.apex == source.spec.apex)
        };
        if let Some(source) = source.as_ref().filter(|source| is_known(source)) {
            at.iter()
                .for_each(|at| at.wrong(format!("the zone {} is here twice", source.spec.apex)));
        }
        sources.push(source);
    }
    if sources.len() > ZONES_MAX {
        root.mistakes.add(root.span(), format!("there are at most {ZONES_MAX} zones"));
    }
    others?;
    sources.into_iter().collect()
}

/// The zones as they are without their files.
pub(super) fn without_files(sources: &[ZoneSource]) -> Option<Zones> {
    Zones::new(sources.iter().map(|source| source.spec.clone()).collect())
}

/// `ends` are those of the lines of the file.
fn zone(root: &mut Table<'_>, ends: &[usize], beside: &Path) -> Option<ZoneSource> {
    let apex = root.required("zone", r#""svc.example.com""#).and_then(|v| v.parse::<DnsName>());
    let file = root.optional("zone_file").map_or(Some(None), |value| self::file(&value, beside));
    let has_file = file.as_ref().is_none_or(Option::is_some);
    // With a zone file, that may say who they are.
    let mut ask = |key, example: &str| match has_file {
        true => root.optional(key),
        false => root.required(key, example),
    };
    let nameservers = ask("nameservers", r#"["ns1.svc.example.com"]"#);
    let hostmaster = ask("hostmaster", r#""hostmaster@example.com""#);
    let nameservers_at = nameservers.clone();
    let nameservers = match nameservers {
        Some(value) => names(&value),
        None => has_file.then(Vec::new),
    };
    let hostmaster = match hostmaster {
        Some(value) => mailbox(&value),
        None if has_file => apex.clone(),
        None => None,
    };
    let records = root.optional("records").map_or(Some(Vec::new()), |value| value.array());
    let (apex, nameservers) = (apex?, nameservers?);
    let records: Vec<(Range<usize>, StaticRecord)> =
        records?.iter().filter_map(|value| record(value, &apex)).flatten().collect();
    let (spans, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
    let spec =
        ZoneSpec { apex, nameservers, hostmaster: hostmaster?, start: Start::default(), records };
    if !has_file && let Some(at) = &nameservers_at {
        check_addresses(at, &spec);
    }
    check_rules(root, &spec, &spans, has_file);
    let mut lines = BTreeMap::new();
    for (span, record) in spans.iter().zip(&spec.records) {
        let line = ends.partition_point(|end| *end < span.start) + 1;
        lines.entry(record.owner.clone()).or_insert(line);
    }
    Some(ZoneSource { spec, file: file?, lines })
}

fn file(value: &Value<'_>, beside: &Path) -> Option<Option<PathBuf>> {
    let text = value.text()?;
    if text.is_empty() {
        value.wrong_with_hint("not the name of a file", r#"write a path, such as "zone.db""#);
        return None;
    }
    Some(Some(beside.join(text)))
}

/// What records must not be to each other; a zone file may still add the addresses of name servers.
fn check_rules(root: &Table<'_>, zone: &ZoneSpec, spans: &[Range<usize>], has_file: bool) {
    for (index, rule) in broken_rules(zone) {
        if !(has_file && matches!(rule, RuleError::NoGlue(..))) {
            root.mistakes.add(spans[index].clone(), rule.to_string());
        }
    }
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

/// The name servers that are inside the zone and have no address there: nobody can find them.
pub(in crate::config) fn without_address(zone: &ZoneSpec) -> impl Iterator<Item = &DnsName> {
    let has_address = |name: &DnsName| {
        zone.records.iter().any(|record| {
            let kind = record.data.record_type();
            record.owner == *name && matches!(kind, RecordType::A | RecordType::AAAA)
        })
    };
    let inside = zone.nameservers.iter().filter(|name| name.is_within(&zone.apex));
    inside.filter(move |name| !has_address(name))
}

fn check_addresses(at: &Value<'_>, zone: &ZoneSpec) {
    for name in without_address(zone) {
        at.wrong_with_hint(
            format!("the name server {name} is inside the zone but has no address there"),
            "add [[records]] with its name, type A or AAAA, and its address",
        );
    }
    for name in &zone.nameservers {
        let is_alias = |record: &&StaticRecord| {
            record.owner == *name && record.data.record_type() == RecordType::CNAME
        };
        if zone.records.iter().any(|record| is_alias(&record)) {
            at.wrong(format!("the name server {name} has a CNAME record (RFC 2181 §10.3)"));
        }
    }
}

fn record(value: &Value<'_>, apex: &DnsName) -> Option<Vec<(Range<usize>, StaticRecord)>> {
    let mut table = value.table()?;
    let name_at = table.required("name", r#""ns1""#);
    let owner = name_at.as_ref().and_then(|value| {
        let within = DnsName::of_record(value.text()?, apex);
        within.map_err(|error| value.wrong(error.to_string())).ok()
    });
    let kind_at = table.required("type", r#""A""#);
    let kind = kind_at.as_ref().and_then(record_type);
    let ttl = table.optional("ttl").map_or(Some(TTL_DEFAULT), |value| ttl(&value));
    let table_at = value;
    let data = table.required("data", r#"["192.0.2.1"]"#).and_then(|value| value.array());
    table.finish();
    let (owner, kind, ttl) = (owner?, kind?, ttl?);
    if kind == RecordType::NS && owner == *apex {
        let hint = "write them as `nameservers`";
        kind_at?.wrong_with_hint("the name servers of the zone do not stand here", hint);
        return None;
    }
    let items = data?;
    if items.is_empty() {
        table_at.wrong("a record set has at least one record");
    }
    let (mut records, mut known) = (Vec::with_capacity(items.len()), BTreeSet::new());
    for item in &items {
        let Some(data) = record_data(item, kind, apex) else { continue };
        if data::canonical(&data).is_some_and(|octets| !known.insert(octets)) {
            item.wrong("this record stands here twice (RFC 2181 §5)");
        }
        records.push((item.span(), StaticRecord { owner: owner.clone(), ttl, data }));
    }
    Some(records)
}

/// The data of one record; names in it are relative to the apex unless they end with a dot.
fn record_data(value: &Value<'_>, kind: RecordType, apex: &DnsName) -> Option<RData> {
    let text = value.text()?;
    if has_comment(text) {
        let hint =
            r#"put the text in quotes, as in '"v=DMARC1; p=none"', or leave the comment out"#;
        value.wrong_with_hint("what follows the `;` is a comment here, and would be lost", hint);
        return None;
    }
    let is_ours =
        matches!(kind, RecordType::A | RecordType::AAAA | RecordType::MX | RecordType::SRV);
    if !is_ours || text.starts_with("\\#") {
        return other_data(value, kind, text, apex);
    }
    let data = RData::try_from_str(kind, text);
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
    // In A-labels, and within its limits.
    *name = to_hickory(&from_hickory(name));
    Some(data)
}

/// Data that is read as a zone file's is.
fn other_data(value: &Value<'_>, kind: RecordType, text: &str, apex: &DnsName) -> Option<RData> {
    let origin = format!("{apex}.");
    let in_ascii = |word: &str| match word.is_ascii() || data::TEXTS.contains(&kind) {
        true => word.to_owned(),
        false => DnsName::to_ascii(word).unwrap_or_else(|_| word.to_owned()),
    };
    let text: Vec<String> = text.split(' ').map(in_ascii).collect();
    match data::record(&origin, kind, &text.join(" "), &origin) {
        Ok((_, data)) => Some(data),
        Err(error) => {
            value.wrong(format!("not the data of {kind}: {}", error.message));
            None
        }
    }
}

fn record_type(value: &Value<'_>) -> Option<RecordType> {
    let text = value.text()?;
    let kind = kind_of(text).filter(|_| text.chars().all(|c| !c.is_ascii_lowercase()));
    match kind {
        Some(RecordType::SOA) => {
            let hint = "`hostmaster` and `nameservers` say what is in it, or a zone file";
            value.wrong_with_hint("the SOA record does not stand here", hint);
            None
        }
        Some(kind) => Some(kind),
        None => {
            let message = format!("`{text}` is not a record type");
            let hint = "write it as zone files do, as A, TXT or CNAME, or TYPE65280 (RFC 3597)";
            value.wrong_with_hint(message, hint);
            None
        }
    }
}

/// A TTL, for both files.
pub(in crate::config) fn ttl(value: &Value<'_>) -> Option<Ttl> {
    let duration = value.duration_in(TTL_RANGE)?;
    Ttl::new(duration).map_err(|error| value.wrong(error.to_string())).ok()
}

/// With the keys of the zones: those of the first one stand at the top.
pub(super) fn schema<'n>(keys: parts::Keys<'n>, notes: &'n Notes) -> parts::Keys<'n> {
    let mut another = keys_of_zone(parts::Keys::at(notes, ["zones[]", ""]), notes).table();
    without_file(&mut another);
    keys_of_zone(keys, notes).optional("zones", parts::list(another, 0..=ZONES_MAX - 1))
}

/// Without a zone file, who the name servers are and who is in charge stands in the table.
pub(super) fn without_file(table: &mut serde_json::Value) {
    parts::without(table, "zone_file", ["nameservers", "hostmaster"]);
}

fn keys_of_zone<'n>(keys: parts::Keys<'n>, notes: &'n Notes) -> parts::Keys<'n> {
    let record = parts::Keys::at(notes, ["records[]"])
        .required("name", parts::owner())
        .required("type", parts::record_type())
        .optional("ttl", parts::duration())
        .required("data", parts::list(parts::text(), 1..=usize::MAX))
        .table();
    keys.required("zone", parts::name())
        .optional("zone_file", parts::some_text())
        .optional("nameservers", parts::list(parts::name(), 1..=usize::MAX))
        .optional("hostmaster", parts::mailbox())
        .optional("records", parts::list(record, 0..=usize::MAX))
}
