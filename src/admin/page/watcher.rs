//! What one watcher is sent: what has changed since, the most urgent first, and never more than its budget.
//!
//! Pure: time is an argument. What cannot be sent yet waits; what has waited for longer than its urgency
//! lets it is sent before what is more urgent but new, so that nothing waits for ever.

use std::{collections::BTreeMap, time::Duration};

use super::{hub::Shown, view::Urgency};

/// What one watcher is sent in a second, in octets.
pub(super) const BUDGET: usize = 40_000;

/// One who watches a view.
pub(super) struct Watcher {
    /// The beat of which it has everything, but for what waits.
    has: u64,
    /// The last beat of which it has everything: with that it comes again, and is sent what it missed.
    whole: u64,
    /// Fragments that it is to be sent, and the beat by which that is due.
    waiting: BTreeMap<String, u64>,
    /// What may be sent, in octets; below zero after what is larger than the budget.
    left: i64,
    last: Option<Duration>,
}

impl Watcher {
    /// One that has the view as it was at that beat.
    pub(super) fn new(has: u64) -> Self {
        Self { has, whole: has, waiting: BTreeMap::new(), left: BUDGET as i64, last: None }
    }

    /// What it is sent now, as one event; `now` is the time since it began to watch.
    pub(super) fn event(&mut self, now: Duration, shown: &Shown) -> String {
        self.earn(now);
        // What is later than any beat of ours is of another daemon, or of a clock that was ahead.
        if !(shown.born..=shown.beat).contains(&self.has) {
            (self.has, self.whole) = (0, 0);
        }
        let has = self.has;
        for (id, held) in shown.fragments.iter().filter(|(_, held)| held.changed > has) {
            self.waiting.entry(id.clone()).or_insert(shown.beat + patience(held.urgency));
        }
        self.waiting.retain(|id, _| shown.fragments.contains_key(id));
        self.has = shown.beat;
        // As long with any beat.
        let (size, mut sent) = (head(shown, has, shown.beat).len(), String::new());
        let mut due: Vec<(u64, String)> =
            self.waiting.iter().map(|(id, due)| (*due, id.clone())).collect();
        due.sort();
        let all = due.len();
        for (_, id) in due {
            let Some(held) = shown.fragments.get(&id) else { continue };
            // One that is larger than the budget is sent when there is a whole one, and alone.
            let is_first = self.waiting.len() == all && self.left >= BUDGET as i64;
            if (size + sent.len() + held.html.len()) as i64 > self.left && !is_first {
                break;
            }
            // One line, as the hub has made it.
            ["data: ", &held.html, "\n"].iter().for_each(|part| sent.push_str(part));
            self.waiting.remove(&id);
        }
        if self.waiting.is_empty() {
            self.whole = shown.beat;
        }
        let event = format!("{}{sent}\n", head(shown, has, self.whole));
        self.left -= event.len() as i64;
        event
    }

    fn earn(&mut self, now: Duration) {
        let passed = now - self.last.replace(now).unwrap_or(now);
        let earned = (passed.as_secs_f64() * BUDGET as f64) as i64;
        self.left = (self.left + earned).min(BUDGET as i64);
    }
}

/// How many beats something may wait.
fn patience(urgency: Urgency) -> u64 {
    match urgency {
        Urgency::Banner => 0,
        Urgency::Card => 1,
        Urgency::Row => 3,
        Urgency::Picture => 5,
    }
}

/// The first line of an event: what concerns the whole page; `whole` is the beat of which it has everything.
fn head(shown: &Shown, has: u64, whole: u64) -> String {
    let orders = shown.orders.iter().filter(|(_, order)| order.changed > has);
    let orders: BTreeMap<_, _> = orders.map(|(slot, order)| (slot, &*order.ids)).collect();
    let head = serde_json::json!({
        "beat": whole, "now": shown.now, "title": shown.title, "orders": orders,
    });
    format!("event: beat\ndata: {head}\n")
}
