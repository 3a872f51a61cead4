//! Which pools answer for a service, and each for how many of its clients.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{PoolName, Weight};

/// How clients are spread over the pools of a split, and over the sides of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Spread {
    /// A client keeps its pool, for each type and on each name server, and moves with its release
    /// once.
    #[default]
    Sticky,
    /// Each question draws anew: shares are exact among few clients too, but one client may be given
    /// one pool for A and another for AAAA.
    Random,
}

impl Spread {
    /// The value in the release file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sticky => "sticky",
            Self::Random => "random",
        }
    }
}

/// Pools with weights that together answer for a service. One pool is the usual split.
///
/// Only the relation of the weights counts; they are kept as they were written, because that is how
/// people know them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// At least one, by name. Shared, because many services hold it many times.
    weights: Arc<[(PoolName, Weight)]>,
}

impl Split {
    /// These pools; nothing if there are none. A single one has all clients, whatever its weight.
    pub fn new(weights: BTreeMap<PoolName, Weight>) -> Option<Self> {
        match weights.len() {
            0 => None,
            1 => weights.into_keys().next().map(Self::from),
            _ => Some(Self { weights: weights.into_iter().collect() }),
        }
    }

    /// Its pools and their weights, by name.
    pub fn weights(&self) -> impl Iterator<Item = (&PoolName, Weight)> {
        self.weights.iter().map(|(pool, weight)| (pool, *weight))
    }

    /// Its pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = &PoolName> {
        self.weights.iter().map(|(pool, _)| pool)
    }

    /// Whether the pool is one of them.
    pub fn has(&self, pool: &PoolName) -> bool {
        self.pools().any(|known| known == pool)
    }

    /// Whether the pool has a greater share of the clients here than in `other`.
    pub fn gives_more(&self, pool: &PoolName, other: &Self) -> bool {
        // Multiplied, not divided: equal shares are equal.
        self.weight(pool) * other.total() > other.weight(pool) * self.total()
    }

    /// The weights of all of them together.
    pub fn total(&self) -> u128 {
        self.weights().map(|(_, weight)| u128::from(weight.get())).sum()
    }

    fn weight(&self, pool: &PoolName) -> u128 {
        let known = self.weights().find(|(known, _)| *known == pool);
        known.map_or(0, |(_, weight)| weight.get().into())
    }
}

impl From<PoolName> for Split {
    fn from(pool: PoolName) -> Self {
        Self { weights: Arc::new([(pool, Weight::ONE)]) }
    }
}

/// `v41`, or `v41:90+v42:10`: signs that no name of a pool has.
impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (1, Some(pool)) = (self.weights.len(), self.pools().next()) {
            return write!(f, "{pool}");
        }
        let parts = self.weights().map(|(pool, weight)| format!("{pool}:{}", weight.get()));
        f.write_str(&parts.collect::<Vec<_>>().join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str) -> PoolName {
        name.parse().expect("a name")
    }

    fn split(weights: &[(&str, u64)]) -> Split {
        let weight =
            |&(name, weight): &(&str, u64)| (pool(name), Weight::new(weight).expect("fits"));
        Split::new(weights.iter().map(weight).collect()).expect("a pool")
    }

    #[test]
    fn one_pool_is_written_as_its_name_and_has_everyone() {
        assert_eq!(split(&[("v41", 7)]), Split::from(pool("v41")));
        assert_eq!(split(&[("v41", 7)]).to_string(), "v41");
        assert_eq!(split(&[("v42", 10), ("v41", 90)]).to_string(), "v41:90+v42:10");
        assert_eq!(Split::new(BTreeMap::new()), None);
    }

    #[test]
    fn a_share_is_more_by_the_relation_of_the_weights() {
        let (nine, ninety) = (split(&[("a", 9), ("b", 1)]), split(&[("a", 90), ("b", 10)]));
        let (half, alone) = (split(&[("a", 1), ("b", 1)]), split(&[("b", 1)]));
        let more = |one: &Split, name, other: &Split| one.gives_more(&pool(name), other);
        assert!(!more(&nine, "a", &ninety) && !more(&ninety, "a", &nine));
        assert!(more(&nine, "a", &half) && !more(&nine, "b", &half));
        assert!(more(&half, "a", &alone) && more(&alone, "b", &half));
        assert!(!more(&half, "c", &alone));
    }
}
