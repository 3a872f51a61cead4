//! How many clients stand behind answers, when some ask far more often than others.
//!
//! Of two answers at random, what is the chance that they were given to the same client? With N equally
//! busy clients it is 1/N; with others the N of which that is true is what counts for how far a share
//! strays: `(Σr)²/Σr²`, for clients that ask at the rates r. The part of all pairs in a sample that are
//! of one client is an unbiased estimate of that chance (Simpson, Measurement of Diversity, 1949).

use std::collections::{BTreeMap, VecDeque};

/// The last answers that are looked at.
const SAMPLE_MAX: usize = 1_024;
/// Of fewer nothing is said.
const SAMPLE_MIN: u64 = 50;

/// To whom the last answers were given.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    sample: VecDeque<u32>,
    times: BTreeMap<u32, u64>,
    /// How many ordered pairs of answers were given to one client.
    pairs: u64,
}

impl Crowd {
    /// An answer was given to this client.
    pub fn add(&mut self, client: u32) {
        if self.sample.len() == SAMPLE_MAX
            && let Some(oldest) = self.sample.pop_front()
            && let Some(times) = self.times.get_mut(&oldest)
        {
            *times -= 1;
            self.pairs -= 2 * *times;
            if *times == 0 {
                self.times.remove(&oldest);
            }
        }
        self.sample.push_back(client);
        let times = self.times.entry(client).or_default();
        self.pairs += 2 * *times;
        *times += 1;
    }

    /// How many equally busy clients would be met twice as often; none of too few answers. When nobody
    /// has been met twice, as many as would have been met once.
    pub fn size(&self) -> Option<f64> {
        let answers = self.sample.len() as u64;
        let pairs = answers * answers.saturating_sub(1);
        (answers >= SAMPLE_MIN).then(|| pairs as f64 / self.pairs.max(2) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drawn by a generator that needs no seed from outside.
    fn draws() -> impl Iterator<Item = f64> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        })
    }

    #[test]
    fn clients_that_are_equally_busy_are_counted() {
        for clients in [1_u32, 10, 300] {
            let mut crowd = Crowd::default();
            draws().take(20_000).for_each(|u| crowd.add((u * f64::from(clients)) as u32));
            let size = crowd.size().expect("enough");
            let ratio = size / f64::from(clients);
            assert!((0.9..1.1).contains(&ratio), "{size} of {clients}");
        }
    }

    #[test]
    fn of_clients_by_zipf_the_few_that_are_busy_count() {
        let weights: Vec<f64> = (1..=1_000).map(|rank| 1.0 / f64::from(rank)).collect();
        let sum: f64 = weights.iter().sum();
        let expected = sum * sum / weights.iter().map(|weight| weight * weight).sum::<f64>();
        let mut crowd = Crowd::default();
        for u in draws().take(5_000) {
            let mut left = u * sum;
            let client = weights.iter().position(|weight| {
                left -= weight;
                left <= 0.0
            });
            crowd.add(client.unwrap_or_default() as u32);
        }
        let size = crowd.size().expect("enough");
        assert!((0.85..1.15).contains(&(size / expected)), "{size} of {expected}");
    }

    #[test]
    fn of_a_few_answers_nothing_is_said() {
        let mut crowd = Crowd::default();
        (0..49).for_each(|client| crowd.add(client));
        assert_eq!(crowd.size(), None);
        crowd.add(49);
        assert_eq!(crowd.size(), Some(50.0 * 49.0 / 2.0), "nobody twice: at least so many");
    }

    #[test]
    fn what_is_old_no_longer_counts() {
        let mut crowd = Crowd::default();
        (0..SAMPLE_MAX).for_each(|_| crowd.add(7));
        assert_eq!(crowd.size(), Some(1.0));
        (0..SAMPLE_MAX as u32).for_each(|client| crowd.add(client % 2));
        assert_eq!(crowd.times.len(), 2);
        let size = crowd.size().expect("enough");
        assert!((1.99..2.01).contains(&size), "{size}");
    }
}
