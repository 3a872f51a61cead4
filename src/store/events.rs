//! What is to be told to hooks, as it is written: events by their numbers, how far each hook has come,
//! and who gives the numbers. A file that was written before there were hooks has none of it.

use std::{collections::BTreeMap, sync::Arc};

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{
    ABOUT, StoreError, encode,
    row::{RowError, wrong},
};
use crate::model::{DnsName, Instance, Label, Timestamp, TransitionEvent};

/// Rows of events by number.
const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// By hook: the number of the first event that it has not been told.
const POSITIONS: TableDefinition<'_, &str, u64> = TableDefinition::new("hooks");
/// In [`ABOUT`].
const NUMBERING: &str = "events";

/// What is to be written of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who gives the numbers.
    pub instance: Instance,
    /// The number of the event after all of these.
    pub next: u64,
    /// Events to add.
    pub events: Vec<Arc<TransitionEvent>>,
    /// Whether these are all that there are: any other goes.
    pub is_whole: bool,
    /// The number of the first event that is still needed: those before it go.
    pub first: u64,
    /// All hooks, and how far each has come.
    pub positions: BTreeMap<Label, u64>,
}

/// What was found of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEvents {
    /// Who gave the numbers.
    pub instance: Instance,
    /// The number of the next event.
    pub next: u64,
    /// Those that not every hook has been told, by number.
    pub events: Vec<Arc<TransitionEvent>>,
    /// How far each hook has come.
    pub positions: BTreeMap<Label, u64>,
    /// Rows that mean nothing.
    pub wrong: Vec<(u64, RowError)>,
}

pub(super) fn write(writing: &WriteTransaction, outgoing: &Outgoing) -> Result<(), StoreError> {
    let Outgoing { instance, next, events, is_whole, first, positions } = outgoing;
    let numbering = serde_json::to_string(&Numbering { instance: instance.get(), next: *next });
    let numbering = numbering.map_err(|error| StoreError::Other(error.to_string()))?;
    writing.open_table(ABOUT)?.insert(NUMBERING, numbering.as_str())?;
    let mut rows = writing.open_table(EVENTS)?;
    let end = if *is_whole { u64::MAX } else { *first };
    rows.retain_in(..end, |_, _| false)?;
    for event in events {
        rows.insert(event.sequence, encode(&EventRow::of(event))?.as_slice())?;
    }
    let mut hooks = writing.open_table(POSITIONS)?;
    hooks.retain(|name, _| positions.keys().any(|hook| hook.as_str() == name))?;
    for (name, position) in positions {
        hooks.insert(name.as_str(), position)?;
    }
    Ok(())
}

/// What was written; `None` if nobody has ever numbered events. `apex` is the zone of those that do not
/// say it.
pub(super) fn read(
    reading: &ReadTransaction,
    apex: &DnsName,
) -> Result<Option<FoundEvents>, StoreError> {
    let about = reading.open_table(ABOUT)?;
    let numbering = about.get(NUMBERING)?.map(|row| row.value().to_owned());
    let numbering = numbering.and_then(|row| serde_json::from_str::<Numbering>(&row).ok());
    let Some(Numbering { instance, next }) = numbering else { return Ok(None) };
    let (events, positions, wrong) = (Vec::new(), BTreeMap::new(), Vec::new());
    let instance = Instance::new(instance);
    let mut found = FoundEvents { instance, next, events, positions, wrong };
    match reading.open_table(EVENTS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Some(found)),
        table => {
            for row in table?.iter()? {
                let (number, row) = row?;
                match event(number.value(), row.value(), apex) {
                    Ok(event) => found.events.push(Arc::new(event)),
                    Err(why) => found.wrong.push((number.value(), why)),
                }
            }
        }
    }
    for row in reading.open_table(POSITIONS)?.iter()? {
        let (name, position) = row?;
        // Nobody can be called otherwise, and nobody else is asked about.
        if let Ok(name) = name.value().parse() {
            found.positions.insert(name, position.value());
        }
    }
    Ok(Some(found))
}

fn event(number: u64, row: &[u8], apex: &DnsName) -> Result<TransitionEvent, RowError> {
    let row: EventRow = serde_json::from_slice(row).map_err(|why| wrong("the event", why))?;
    row.read(number, apex)
}

#[derive(Serialize, Deserialize)]
struct Numbering {
    instance: u64,
    next: u64,
}

#[derive(Serialize, Deserialize)]
struct EventRow {
    instance: u64,
    /// In microseconds since 1970.
    at: u64,
    /// Those that were written when there was one zone do not say it.
    #[serde(default)]
    zone: Option<String>,
    service: String,
    from: String,
    to: String,
    why: String,
    release: Option<u64>,
}

impl EventRow {
    fn of(event: &TransitionEvent) -> Self {
        let TransitionEvent { instance, sequence: _, at, zone, service, from, to, why, release } =
            event.clone();
        let (instance, at) = (instance.get(), at.unix_micros());
        let (zone, service) = (Some(zone.to_string()), service.to_string());
        Self { instance, at, zone, service, from, to, why, release }
    }

    fn read(self, sequence: u64, apex: &DnsName) -> Result<TransitionEvent, RowError> {
        let Self { instance, at, zone, service, from, to, why, release } = self;
        let zone = zone.map_or_else(|| Ok(apex.clone()), |zone| zone.parse());
        Ok(TransitionEvent {
            instance: Instance::new(instance),
            sequence,
            at: Timestamp::from_unix_micros(at),
            zone: zone.map_err(|why| wrong("the zone of an event", why))?,
            service: service.parse().map_err(|why| wrong("the service of an event", why))?,
            from,
            to,
            why,
            release,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Batch, Store, look},
        *,
    };
    fn event(sequence: u64) -> Arc<TransitionEvent> {
        Arc::new(TransitionEvent {
            instance: Instance::new(u64::MAX - sequence % 2),
            sequence,
            at: Timestamp::from_unix_micros(7 + sequence),
            zone: "zone.test".parse().expect("a name"),
            service: "api".parse().expect("a name"),
            from: "Steady".into(),
            to: "Probing".into(),
            why: "the \"file\"\n".into(),
            release: sequence.is_multiple_of(2).then_some(sequence),
        })
    }

    fn outgoing(numbers: std::ops::Range<u64>, first: u64, hooks: &[(&str, u64)]) -> Outgoing {
        Outgoing {
            instance: Instance::new(1),
            next: numbers.end,
            events: numbers.map(event).collect(),
            is_whole: false,
            first,
            positions: hooks
                .iter()
                .map(|(name, at)| (name.parse().expect("a name"), *at))
                .collect(),
        }
    }

    #[test]
    fn events_are_there_until_they_are_not_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let zone: DnsName = "zone.test".parse().expect("a name");
        let store = Store::open(&path, &zone).expect("a new file");
        let written = |events: Outgoing| {
            store.write(&Batch { events: Some(events), ..Batch::default() }).expect("written");
            let found = look(&path, &zone).expect("good").expect("there").events.expect("kept");
            let numbers: Vec<u64> = found.events.iter().map(|event| event.sequence).collect();
            let positions = found.positions.iter().map(|(name, at)| (name.to_string(), *at));
            (numbers, found.next, positions.collect::<Vec<_>>())
        };
        assert_eq!(look(&path, &zone).expect("good").expect("there").events, None);
        let hook = |name: &str, at| (name.to_owned(), at);
        let all = written(outgoing(1..5, 1, &[("a", 1), ("b", 1)]));
        assert_eq!(all, (vec![1, 2, 3, 4], 5, vec![hook("a", 1), hook("b", 1)]));
        let found = look(&path, &zone).expect("good").expect("there").events.expect("kept");
        assert_eq!(found.events, (1..5).map(event).collect::<Vec<_>>());
        assert_eq!((found.instance, found.wrong), (Instance::new(1), vec![]));
        // What else is written leaves them alone.
        store.write(&Batch { freeze: Some(None), ..Batch::default() }).expect("written");
        let more = written(outgoing(5..6, 3, &[("a", 3), ("c", 5)]));
        assert_eq!(more, (vec![3, 4, 5], 6, vec![hook("a", 3), hook("c", 5)]));
        let whole = Outgoing { is_whole: true, ..outgoing(7..8, 7, &[("c", 7)]) };
        assert_eq!(written(whole), (vec![7], 8, vec![hook("c", 7)]));
        let none = Outgoing { is_whole: true, ..outgoing(8..8, 8, &[]) };
        assert_eq!(written(none), (vec![], 8, vec![]));
    }
}
