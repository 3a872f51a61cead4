//! Which pool clients would be given, found out by the very code that answers them.

use std::{collections::BTreeMap, net::IpAddr};

use super::shares;
use crate::{
    admin::sample::{ClientSample, Clients, PoolSample, Sample},
    cutover::Answering,
    model::{ClientNetwork, DnsName, Family, mapped, synthetic_client},
    table::Shares,
};

/// What is answered at `owner` to these clients.
pub(super) fn sample(
    phase: &str,
    owner: &DnsName,
    answering: &Answering,
    clients: &Clients,
) -> Sample {
    shares::show(answering, |_| None, |shares| of_shares(phase, owner, answering, shares, clients))
}

fn of_shares(
    phase: &str,
    owner: &DnsName,
    answering: &Answering,
    shares: &Shares<'_>,
    clients: &Clients,
) -> Sample {
    let mut counts: BTreeMap<&str, u32> =
        answering.pools().map(|pool| (pool.as_str(), 0)).collect();
    let mut draws = 0_u64;
    let mut picked = |client: ClientNetwork| {
        draws += 1;
        // Where each question draws anew, any number is as good as another: evenly spread ones.
        let chance = || draws.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let pool = shares.picked(owner, client, chance).map_or("", |part| part.pool.as_str());
        *counts.entry(pool).or_default() += 1;
        pool
    };
    let mut listed = Vec::new();
    let total = match clients {
        Clients::Synthetic { count, seed } => {
            for number in 0..*count {
                picked(synthetic_client(*seed, number).1);
            }
            *count
        }
        Clients::Listed(addresses) => {
            for &address in addresses {
                let pool = picked(ClientNetwork::of(mapped(address), None)).to_owned();
                listed.push(ClientSample { address, network: network(address), pool });
            }
            u32::try_from(addresses.len()).unwrap_or(u32::MAX)
        }
    };
    let pool_sample = |pool: &str, clients: u32| {
        let target = answering.pools().find(|known| known.as_str() == pool);
        let target = target.map_or(0.0, |pool| f64::from(answering.share_of(pool)));
        let share = f64::from(clients) * 100.0 / f64::from(total.max(1));
        PoolSample { target, clients, share }
    };
    let pools = counts.into_iter().map(|(pool, count)| (pool.to_owned(), pool_sample(pool, count)));
    let (phase, spread) = (phase.to_owned(), answering.spread.name().to_owned());
    Sample { phase, spread, pools: pools.collect(), clients: listed }
}

/// The network that counts for a client which tells no other.
fn network(address: IpAddr) -> String {
    let family = Family::of(address);
    let prefix = ClientNetwork::prefix_max(family);
    let base = match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & !0xff).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 80 << 80).into()),
    };
    format!("{base}/{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cutover::{Answered, Basis, Moved},
        model::{Endpoint, Percent, Pool, Spread, Ttl, Weight},
    };

    const CLIENTS: u32 = 100_000;

    fn endpoint(address: &str) -> Vec<Endpoint> {
        let address = address.parse().expect("an address");
        vec![Endpoint::new(address, Weight::ONE).expect("a host")]
    }

    fn owner() -> DnsName {
        "api.svc.example.test".parse().expect("a name")
    }

    fn at(share: u8, salt: u64) -> Answering {
        let alone = |pool: &str, address: &str| {
            let pool = Pool::new(pool.parse().expect("a name"), endpoint(address));
            vec![Answered::new(&pool, Weight::ONE, pool.endpoints.clone())]
        };
        let (main, to) = (alone("v41", "192.0.2.1"), alone("v42", "192.0.2.2"));
        Answering {
            split: main[0].pool.clone().into(),
            parts: main,
            ttl: Ttl::from_secs_const(60),
            basis: Basis::Live,
            moved: Some(Moved { parts: to, share: Percent::new_const(share), salt }),
            spread: Spread::Sticky,
            timed: None,
            shown: None,
            kinds: Default::default(),
            by_name: Vec::new(),
            named: Vec::new(),
        }
    }

    /// The bar: within half a point, and nobody moves back.
    #[test]
    fn shares_are_true_and_a_share_that_grows_moves_nobody_back() {
        let growing = [1, 10, 50, 99];
        let mut farthest: f64 = 0.0;
        for salt in 0..2 {
            let mut before = vec![false; CLIENTS as usize];
            for share in growing {
                let answering = at(share, salt);
                let clients = Clients::Synthetic { count: CLIENTS, seed: salt };
                let sample = sample("Settling", &owner(), &answering, &clients);
                let v42 = &sample.pools["v42"];
                farthest = farthest.max((v42.share - v42.target).abs());
                assert_eq!(v42.target, f64::from(share));
                assert_eq!(v42.clients + sample.pools["v41"].clients, CLIENTS);
                let has_moved = |client: ClientNetwork| {
                    shares::show(
                        &answering,
                        |_| None,
                        |shares| {
                            let picked = shares.picked(&owner(), client, || 0);
                            picked.is_some_and(|part| part.pool.as_str() == "v42")
                        },
                    )
                };
                for (number, was_moved) in (0..).zip(&mut before) {
                    let is_moved = has_moved(synthetic_client(salt, number).1);
                    assert!(is_moved || !*was_moved, "client {number} went back at {share} %");
                    *was_moved = is_moved;
                }
            }
        }
        assert!(farthest < 0.5, "{farthest} points");
    }

    #[test]
    fn clients_of_one_network_are_given_the_same_and_each_is_told_which() {
        let addresses = ["198.51.100.7", "198.51.100.200", "2001:db8:1:2::3"];
        let listed = addresses.map(|text| text.parse().expect("an address"));
        let sample = sample("Settling", &owner(), &at(50, 1), &Clients::Listed(listed.into()));
        let networks: Vec<&str> = sample.clients.iter().map(|c| c.network.as_str()).collect();
        assert_eq!(networks, ["198.51.100.0/24", "198.51.100.0/24", "2001:db8:1::/48"]);
        assert_eq!(sample.clients[0].pool, sample.clients[1].pool);
        assert_eq!(sample.pools.values().map(|pool| pool.clients).sum::<u32>(), 3);
    }
}
