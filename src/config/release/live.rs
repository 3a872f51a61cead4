//! `live`: the pool that is to answer for a service, or several with weights; and `spread`: which
//! clients each of them has.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::document::{Name, Value, nearest},
    POOL_FORM, one_of, parts, targets, weight, weight_schema,
};
use crate::model::{Family, NEGATIVE_TTL, Pool, PoolName, Split, Spread};

/// Each answer draws for all of them; and people are shown whole percents.
const POOLS_MAX: usize = 100;
const SPREADS: [Spread; 2] = [Spread::Sticky, Spread::Random];

type Pools = BTreeMap<PoolName, Arc<Pool>>;

/// `"v41"` or `{ v41 = 90, v42 = 10 }`. Without `pools`, which are wrong themselves, nobody knows
/// whether they are there.
pub(super) fn live(value: &Value<'_>, pools: Option<&Pools>) -> Option<Split> {
    if value.is_table() {
        return split(value, pools);
    }
    if value.as_text().is_none() {
        let hint = r#"write for example: live = "v1", or live = { v1 = 90, v2 = 10 }"#;
        value.wrong_with_hint("expected the name of a pool, or pools with weights", hint);
        return None;
    }
    let pool = value.parse::<PoolName>()?;
    let is_known = is_known(&pool, pools?, |wrong, hint| value.wrong_with_hint(wrong, hint));
    is_known.then(|| pool.into())
}

fn split(value: &Value<'_>, pools: Option<&Pools>) -> Option<Split> {
    let table = value.table()?;
    let part = |(key, value): (Name<'_>, Value<'_>)| {
        let (pool, weight) = (key.parse::<PoolName>(), weight(&value));
        let (pool, pools) = (pool?, pools?);
        let is_known = is_known(&pool, pools, |wrong, hint| key.wrong_with_hint(wrong, hint));
        Some((pool, weight.filter(|_| is_known)?))
    };
    // All are looked at before the first mistake is the end of it.
    let parts: Vec<Option<_>> = table.entries().map(part).collect();
    if parts.is_empty() || parts.len() > POOLS_MAX {
        value.wrong(format!("a split has 1 to {POOLS_MAX} pools"));
    }
    Split::new(parts.into_iter().collect::<Option<_>>()?)
}

/// `"sticky"` or `"random"`. `has_texts` is whether the service has texts, whichever pool answers.
pub(super) fn spread(value: &Value<'_>, pools: Option<&Pools>, has_texts: bool) -> Option<Spread> {
    let spread = one_of(value, "unknown spread", &SPREADS, Spread::name)?;
    let unlike = |pools: &Pools| {
        targets::unlike(pools.values(), spread).or_else(|| unlike(pools, has_texts))
    };
    let Some(why) = pools.and_then(unlike).filter(|_| spread == Spread::Random) else {
        return Some(spread);
    };
    let hint = "give every pool the same address families, and texts, or leave this out: clients then keep their pool";
    value.wrong_with_hint(format!("the weights would not be the shares: {why}"), hint);
    None
}

/// Why answers of these pools stay in caches for different times, if they do. Then a pool that is
/// drawn for a question in ten does not have a tenth of the clients: what caches keep for long they
/// ask for seldom. All pools of a service have one TTL; but that there are no addresses is kept for a
/// time of its own.
fn unlike(pools: &Pools, has_texts: bool) -> Option<String> {
    let lacking = |what: String, has: &dyn Fn(&Pool) -> bool| {
        let with = pools.values().find(|pool| has(pool))?;
        let without = pools.values().find(|pool| !has(pool))?;
        let (with, without, negative) = (&with.name, &without.name, NEGATIVE_TTL.secs());
        Some(format!(
            "{without} has no {what} and {with} has, and caches keep that there are none for \
             at most {negative} s, whatever the TTL"
        ))
    };
    let of_family = |family: Family| {
        let has = |pool: &Pool| pool.addresses().any(|address| Family::of(address) == family);
        lacking(format!("{} addresses", family.name()), &has)
    };
    let texts = || lacking("texts".to_owned(), &|pool| !pool.texts.is_empty());
    Family::ALL.into_iter().find_map(of_family).or_else(|| texts().filter(|_| !has_texts))
}

fn is_known(pool: &PoolName, pools: &Pools, wrong: impl FnOnce(String, String)) -> bool {
    let known: Vec<&str> = pools.keys().map(PoolName::as_str).collect();
    if known.contains(&pool.as_str()) {
        return true;
    }
    let hint = match nearest(pool.as_str(), &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the pools of this service are: {}", known.join(", ")),
    };
    wrong(format!("there is no pool `{pool}`"), hint);
    false
}

pub(super) fn schema() -> serde_json::Value {
    let mut split = parts::names(POOL_FORM, weight_schema());
    split["minProperties"] = 1.into();
    split["maxProperties"] = POOLS_MAX.into();
    parts::either([parts::matching(POOL_FORM), split])
}

pub(super) fn spread_schema() -> serde_json::Value {
    parts::word(SPREADS.map(Spread::name))
}
