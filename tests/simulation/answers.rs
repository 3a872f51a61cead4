//! What single answers promise: there is always one, and it is all of one pool's.
//!
//! What an instant makes of a TTL is looked at where it comes ([`super::held`]).

use cutover::{
    cutover::Basis,
    model::{ClientNetwork, Family, Timestamp},
    table::{Answer, Records, Tally},
};

use super::{conductor::Conductor, wanted::number_of};

/// The largest answer that a simulated service gives.
const OCTETS_MAX: usize = 512;
/// Where the data of a record begin: behind a pointer, type, class, TTL and length.
const DATA_AT: usize = 12;
/// Where an address says whose it is: 10.2.0.1, 2001:db8:2::1.
const POOL_IN_V4: usize = 1;
const POOL_IN_V6: usize = 5;

/// What was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) pool: Tally,
    pub(crate) ttl: u32,
}

/// What the worker gives a client; nothing where the file wants nothing to be given.
pub(crate) fn given(
    conductor: &Conductor,
    client: ClientNetwork,
    family: Family,
    now: Timestamp,
    chance: u64,
) -> Result<Option<Given>, String> {
    let table = conductor.loaded().ok_or("there is no table")?;
    let given = match conductor.answer(client, family, now, chance) {
        Answer::Records(records) => given_records(conductor, &records)?,
        Answer::Unavailable(_) if table.basis == Basis::Closed => return Ok(None),
        other => return Err(format!("an empty answer: {other:?}")),
    };
    if !(1..=table.ttl.secs()).contains(&given.ttl) {
        return Err(format!("a TTL of {} instead of {:?}", given.ttl, table.ttl));
    }
    Ok(Some(given))
}

/// The number of the pool that the stored table gives a client, whatever it asks for; nothing if it
/// is given none.
pub(crate) fn picked(conductor: &Conductor, client: ClientNetwork) -> Result<Option<u8>, String> {
    let published = conductor.published.as_ref().ok_or("nothing was ever stored")?;
    let mut picked = None;
    for family in Family::ALL {
        let Answer::Records(records) = conductor.stored_answer(client, family) else { continue };
        let pool = conductor.pool_of(given_records(conductor, &records)?.pool);
        if !published.pools().any(|answered| answered == pool) {
            return Err(format!("{pool} is answered, which is not to answer"));
        }
        let number = number_of(pool);
        if picked.replace(number).is_some_and(|before| before != number) {
            return Err(format!("{client:?} is given another pool for each type"));
        }
    }
    Ok(picked)
}

/// Records of one pool alone, the one that they count for.
fn given_records(conductor: &Conductor, records: &Records<'_>) -> Result<Given, String> {
    let mut octets = [0; OCTETS_MAX];
    let len = records.write(&mut octets).ok_or("an answer is too long")?;
    let pool = records.tally().ok_or("an answer counts for nothing")?;
    let record_len = len.checked_div(records.count().into()).ok_or("an answer without records")?;
    let v4_len = DATA_AT + 4;
    let pool_at = DATA_AT + if record_len == v4_len { POOL_IN_V4 } else { POOL_IN_V6 };
    let number = number_of(conductor.pool_of(pool));
    if octets[..len].chunks(record_len).any(|record| record[pool_at] != number) {
        return Err(format!("an answer for pool {number} has another's address"));
    }
    Ok(Given { pool, ttl: records.ttl() })
}
