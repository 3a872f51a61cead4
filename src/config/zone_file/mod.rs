//! Zone files (RFC 1035 §5, RFC 2308 §4, RFC 3597), beside the records of `cutover.toml`.
//!
//! [`mod@entries`] cuts the text, [`data`] has the `domain` crate read records one by one; here are
//! directives, owners and TTLs, and what a file may not have; [`apex`] is what it says of the zone itself. `$INCLUDE` is left out: what is served
//! is one file, that is there or not.

mod apex;
pub(super) mod data;
mod entries;

use std::{collections::BTreeMap, ops::Range, path::Path};

use hickory_proto::rr::{RData, RecordType};

use super::{Rejected, document::Mistakes};
use crate::model::{DnsName, StaticRecord, Ttl, ZoneSpec, broken_rules};
use apex::{nameservers, no_addresses, start};
pub(super) use entries::has_comment;
use entries::{depth, entries, unquoted, words};

/// Types that have names in their data, and no texts: there `@` is the origin.
const NAMING: [RecordType; 9] = [
    RecordType::CNAME,
    RecordType::DNAME,
    RecordType::HTTPS,
    RecordType::MX,
    RecordType::NS,
    RecordType::PTR,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::SVCB,
];
/// The greatest TTL (RFC 2181 §8).
const TTL_MAX: u64 = (1 << 31) - 1;

/// What a zone file adds to a zone; `lines` are those of the names in `[[records]]`.
pub fn parse(
    path: &Path,
    text: &str,
    zone: &ZoneSpec,
    lines: &BTreeMap<DnsName, usize>,
) -> Result<ZoneSpec, Rejected> {
    let mistakes = Mistakes::default();
    let mut reader = Reader {
        text,
        zone,
        lines,
        origin: format!("{zone}.", zone = absolute_text(&zone.apex)),
        ttl: None,
        last_ttl: None,
        last_owner: None,
        records: Vec::new(),
        mistakes: &mistakes,
    };
    for entry in entries(text) {
        match entry.fault {
            Some(fault) => mistakes.add(entry.span, fault),
            None => drop(reader.entry(entry.span)),
        }
    }
    let made = reader.finish();
    match (made, mistakes.into_inner()) {
        (Some(made), mistakes) if mistakes.is_empty() => Ok(made),
        (_, mistakes) => Err(Rejected::new(path, text, mistakes)),
    }
}

/// The root is nothing, so that a dot can follow.
fn absolute_text(name: &DnsName) -> String {
    let text = name.to_string();
    if text == "." { String::new() } else { text }
}

/// A record, and where it stands.
struct Placed {
    span: Range<usize>,
    record: StaticRecord,
}

struct Reader<'t> {
    text: &'t str,
    zone: &'t ZoneSpec,
    lines: &'t BTreeMap<DnsName, usize>,
    /// Ends with a dot, as the last owner does.
    origin: String,
    ttl: Option<Ttl>,
    last_ttl: Option<Ttl>,
    last_owner: Option<String>,
    records: Vec<Placed>,
    mistakes: &'t Mistakes,
}

/// What stands before the data of a record.
struct Head {
    owner: String,
    ttl: Option<Ttl>,
    kind: RecordType,
    /// Where the data begins.
    data: usize,
}

impl<'t> Reader<'t> {
    fn entry(&mut self, span: Range<usize>) -> Option<()> {
        let text = &self.text[span.clone()];
        let words: Vec<Range<usize>> =
            words(text).map(|word| span.start + word.start..span.start + word.end).collect();
        let first = words.first()?.clone();
        match &self.text[first.clone()] {
            word if word.starts_with('$') && first.start == span.start => {
                self.directive(word, &words)
            }
            _ => {
                let head = self.head(&span, &words)?;
                self.record(&span, head)
            }
        }
    }

    fn directive(&mut self, directive: &str, words: &[Range<usize>]) -> Option<()> {
        let argument = words.get(1).map(|word| (&self.text[word.clone()], word.clone()));
        let whole = words.first()?.start..words.last()?.end;
        if words.len() > 2 {
            self.mistakes.add(words[2].clone(), "a directive has one argument");
            return None;
        }
        match (directive.to_ascii_uppercase().as_str(), argument) {
            ("$ORIGIN", Some((name, at))) => {
                let origin = self.absolute(name);
                match origin.parse::<domain::base::Name<Vec<u8>>>() {
                    Ok(_) => self.origin = origin,
                    Err(error) => self.mistakes.add(at, format!("not a name: {error}")),
                }
            }
            // One that is wrong is complained of once.
            ("$TTL", Some((ttl, at))) => {
                self.ttl = self.ttl_of(ttl, at).or(Some(Ttl::of_record(1)));
            }
            ("$INCLUDE", _) => {
                let hint = "put the records into this file";
                self.mistakes.add_with_hint(whole, "$INCLUDE is not offered", hint);
            }
            ("$ORIGIN" | "$TTL", None) => self.mistakes.add(whole, "the argument is missing"),
            _ => {
                let hint = "there are $ORIGIN and $TTL";
                self.mistakes.add_with_hint(whole, "unknown directive", hint);
            }
        }
        Some(())
    }

    fn head(&mut self, span: &Range<usize>, words: &[Range<usize>]) -> Option<Head> {
        let mut rest = words.iter().cloned();
        let has_owner = words.first()?.start == span.start;
        let owner = match (has_owner, &self.last_owner) {
            (true, _) => self.absolute(&self.text[rest.next()?]),
            (false, Some(owner)) => owner.clone(),
            (false, None) => {
                let hint = "a line that begins with a blank has the owner of the one before";
                self.mistakes.add_with_hint(span.clone(), "this record has no owner", hint);
                return None;
            }
        };
        self.last_owner = Some(owner.clone());
        let (mut ttl, mut has_class) = (None, false);
        for word in rest {
            let text = &self.text[word.clone()];
            if !has_class && ["IN", "CH", "HS", "CS"].contains(&&*text.to_ascii_uppercase()) {
                has_class = true;
                if !text.eq_ignore_ascii_case("IN") {
                    self.mistakes.add(word, "records of this zone have the class IN");
                    return None;
                }
            } else if ttl.is_none() && text.starts_with(|c: char| c.is_ascii_digit()) {
                ttl = Some(self.ttl_of(text, word)?);
            } else {
                let Some(kind) = kind_of(text) else {
                    let hint = "it can also be written by its number, as TYPE65280 (RFC 3597)";
                    let message = format!("`{text}` is not a record type");
                    self.mistakes.add_with_hint(word, message, hint);
                    return None;
                };
                return Some(Head { owner, ttl, kind, data: word.end });
            }
        }
        self.mistakes.add(span.clone(), "this record has no type");
        None
    }

    fn record(&mut self, span: &Range<usize>, head: Head) -> Option<()> {
        let Head { owner, ttl, kind, data } = head;
        self.last_ttl = ttl.or(self.last_ttl);
        let Some(ttl) = ttl.or(self.ttl).or(self.last_ttl) else {
            let hint = "write for example `$TTL 1h` at the top (RFC 2308 §4)";
            self.mistakes.add_with_hint(span.clone(), "this record has no TTL", hint);
            return None;
        };
        // Parentheses that were opened before the type are closed behind it.
        let opened = match NAMING.contains(&kind) {
            true => String::new(),
            false => "( ".repeat(depth(&self.text[span.start..data])),
        };
        let written = format!("{opened}{}", self.data_of(kind, data..span.end));
        let (owner, data) = match data::record(&owner, kind, &written, &self.origin) {
            Ok(read) => read,
            Err(error) => {
                let at = error.at.filter(|_| !NAMING.contains(&kind));
                let at = at.map(|at| data + at.saturating_sub(opened.len()));
                let at = at.map_or(span.clone(), |at| at.min(span.end)..span.end);
                let message =
                    format!("not a record of type {}: {}", data::shown(kind), error.message);
                self.mistakes.add(at, message);
                return None;
            }
        };
        if !owner.is_within(&self.zone.apex) {
            let message = format!("{owner} is not inside the zone {}", self.zone.apex);
            self.mistakes.add(span.clone(), message);
            return None;
        }
        let is_of_apex =
            owner == self.zone.apex && matches!(kind, RecordType::SOA | RecordType::NS);
        if let Some(line) = self.lines.get(&owner).filter(|_| !is_of_apex) {
            let hint = "a name has all of its records in one place";
            let message =
                format!("{owner} stands in [[records]] of cutover.toml too, in line {line}");
            self.mistakes.add_with_hint(span.clone(), message, hint);
            return None;
        }
        self.records.push(Placed { span: span.clone(), record: StaticRecord { owner, ttl, data } });
        Some(())
    }

    /// The data as the reader of records takes it: times of SOA records may have units.
    fn data_of(&self, kind: RecordType, span: Range<usize>) -> String {
        let text = &self.text[span];
        if !NAMING.contains(&kind) {
            return text.to_owned();
        }
        let word = |(index, word): (usize, Range<usize>)| {
            let word = &text[word];
            match secs_of(word).filter(|_| index > 2 && kind == RecordType::SOA) {
                Some(secs) => secs.to_string(),
                // The reader of records takes it for a label.
                None if word == "@" => self.origin.clone(),
                None => unquoted(word),
            }
        };
        words(text).enumerate().map(word).collect::<Vec<_>>().join(" ")
    }

    /// A name as it is written, made absolute.
    fn absolute(&self, name: &str) -> String {
        let is_absolute = name.ends_with('.') && !name.ends_with("\\.");
        match name {
            "@" => self.origin.clone(),
            _ if is_absolute => name.to_owned(),
            _ if self.origin == "." => format!("{name}."),
            _ => format!("{name}.{}", self.origin),
        }
    }

    fn ttl_of(&self, text: &str, at: Range<usize>) -> Option<Ttl> {
        let secs = secs_of(text).filter(|secs| *secs <= TTL_MAX);
        let ttl = secs.and_then(|secs| u32::try_from(secs).ok()).map(Ttl::of_record);
        if ttl.is_none() {
            let hint = "write seconds, or units as in 1h30m; at most 2147483647 s (RFC 2181 §8)";
            self.mistakes.add_with_hint(at, "not a TTL", hint);
        }
        ttl
    }

    fn finish(self) -> Option<ZoneSpec> {
        if !self.mistakes.is_empty() {
            // What records are to each other cannot be said while some of them are not known.
            return None;
        }
        let mut zone = self.zone.clone();
        let (mut placed, mut spans) = (Vec::new(), Vec::new());
        let (mut starts, mut servers) = (Vec::new(), Vec::new());
        for Placed { span, record } in dedup(self.records) {
            let is_at_apex = record.owner == zone.apex;
            match &record.data {
                RData::SOA(_) if is_at_apex => starts.push((span, record)),
                RData::SOA(_) => {
                    self.mistakes.add(span, "an SOA record stands at the apex (RFC 1035 §5.2)");
                }
                RData::NS(_) if is_at_apex => servers.push((span, record)),
                _ => {
                    placed.push(record);
                    spans.push(span);
                }
            }
        }
        if let Some((span, _)) = starts.get(1) {
            self.mistakes.add(span.clone(), "a zone has one SOA record (RFC 1035 §5.2)");
        }
        if let Some((_, record)) = starts.first() {
            start(&mut zone, record);
        }
        nameservers(&mut zone, &servers, self.mistakes);
        let own = zone.records.len();
        zone.records.extend(placed);
        let mut shown = std::collections::BTreeSet::new();
        for (index, rule) in broken_rules(&zone) {
            let message = rule.to_string();
            let span = index.checked_sub(own).and_then(|index| spans.get(index)).cloned();
            if shown.insert(message.clone()) {
                self.mistakes.add(span.unwrap_or(0..0), message);
            }
        }
        no_addresses(&zone, &servers, self.mistakes);
        Some(zone)
    }
}

/// RFC 2181 §5: the same record twice is one, with the lesser of the two TTLs (§5.2).
fn dedup(records: Vec<Placed>) -> Vec<Placed> {
    let mut known = BTreeMap::new();
    let mut kept: Vec<Placed> = Vec::with_capacity(records.len());
    for placed in records {
        let StaticRecord { owner, data, ttl } = &placed.record;
        if let Some(octets) = data::canonical(data) {
            let key = (owner.clone(), u16::from(data.record_type()), octets);
            let at = *known.entry(key).or_insert(kept.len());
            if let Some(first) = kept.get_mut(at) {
                first.record.ttl = first.record.ttl.min(*ttl);
                continue;
            }
        }
        kept.push(placed);
    }
    kept
}

/// A record type by its name, or by its number (RFC 3597 §5).
pub(super) fn kind_of(text: &str) -> Option<RecordType> {
    let text = text.to_ascii_uppercase();
    let number = text.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok());
    // The other reader knows more of them by name.
    let number = number.or_else(|| text.parse::<domain::base::Rtype>().ok().map(|it| it.to_int()));
    number.map(RecordType::from)
}

/// Seconds, or units as in `1h30m`.
fn secs_of(text: &str) -> Option<u64> {
    let (mut sum, mut number, mut has_unit) = (0_u64, None::<u64>, false);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit.into())?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.take()?.checked_mul(unit)?)?;
        has_unit = true;
    }
    match number {
        Some(secs) => sum.checked_add(secs),
        None => has_unit.then_some(sum),
    }
}
