//! DNS Cookies (RFC 7873) with server cookies that every server makes alike (RFC 9018).
//!
//! A client that sends back a server cookie of ours has shown that it receives what is sent to
//! its address. Here a COOKIE option is read, judged, and given its successor; finding the option
//! in a packet, the clock and the secrets' file are left out.

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::model::CookieSecrets;

pub(super) const CLIENT_COOKIE_LEN: usize = 8;
pub(super) const SERVER_COOKIE_LEN: usize = 16;
/// A server cookie of any make (RFC 7873 §4).
const ANY_SERVER_COOKIE_LEN: std::ops::RangeInclusive<usize> = 8..=32;

const VERSION: u8 = 1;
/// How old a cookie may be, and how far ahead of our clock (RFC 9018 §4.3).
const PAST_SECS: i32 = 3_600;
const AHEAD_SECS: i32 = 300;
/// From this age on a cookie is replaced.
const RENEWED_AFTER_SECS: i32 = 1_800;

pub(super) type ServerCookie = [u8; SERVER_COOKIE_LEN];

/// What a question's COOKIE option proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CookieState {
    /// There is no such option.
    Absent,
    /// The client's part alone: it wants to learn ours.
    Client,
    /// Ours, made for this client and this address, and in time.
    Valid,
    /// Too old, or from the future; whether it was ours is not looked at.
    Untimely,
    /// Not ours, or not for this client and this address.
    Invalid,
}

impl CookieState {
    pub(super) const ALL: [Self; 5] =
        [Self::Absent, Self::Client, Self::Valid, Self::Untimely, Self::Invalid];

    /// The word in the metric.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Client => "client",
            Self::Valid => "valid",
            Self::Untimely => "untimely",
            Self::Invalid => "invalid",
        }
    }
}

/// A COOKIE option of a length that no such option has: FORMERR (RFC 7873 §5.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A COOKIE option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) client: [u8; CLIENT_COOKIE_LEN],
    server: ServerPart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerPart {
    None,
    /// Of a length that ours do not have.
    Foreign,
    Some(ServerCookie),
}

/// Reads the data of a COOKIE option.
pub(super) fn parse(option: &[u8]) -> Result<Cookie, Malformed> {
    let (client, server) = option.split_first_chunk().ok_or(Malformed)?;
    let server = match <&ServerCookie>::try_from(server) {
        Ok(cookie) => ServerPart::Some(*cookie),
        Err(_) if server.is_empty() => ServerPart::None,
        Err(_) if ANY_SERVER_COOKIE_LEN.contains(&server.len()) => ServerPart::Foreign,
        Err(_) => return Err(Malformed),
    };
    Ok(Cookie { client: *client, server })
}

/// Judges a cookie from `client`, and gives the server cookie that the reply carries: the same one
/// while it is good for a while, else a new one. One hash if the cookie stays, at most three.
///
/// `now` is in seconds since 1970, as many of them as fit: the time in a cookie wraps (RFC 1982).
pub(super) fn check(
    secrets: &CookieSecrets,
    cookie: &Cookie,
    client: IpAddr,
    now: u32,
) -> (CookieState, ServerCookie) {
    let client = client.to_canonical();
    let fresh = |state| (state, sign(secrets.current(), cookie.client, client, now));
    let server = match cookie.server {
        ServerPart::None => return fresh(CookieState::Client),
        ServerPart::Foreign => return fresh(CookieState::Invalid),
        ServerPart::Some(server) => server,
    };
    let (signed, theirs) = split(server);
    if signed[0] != VERSION {
        return fresh(CookieState::Invalid);
    }
    let [_, _, _, _, time @ ..] = signed;
    let age = now.wrapping_sub(u32::from_be_bytes(time)).cast_signed();
    if !(-AHEAD_SECS..=PAST_SECS).contains(&age) {
        return fresh(CookieState::Untimely);
    }
    // Whole hashes are compared: how long it takes tells nothing of how much of one was right.
    if hash(secrets.current(), cookie.client, signed, client) == theirs {
        // The octets between version and time are signed whatever they are, but sent as zero.
        let stays = age <= RENEWED_AFTER_SECS && signed[1..4] == [0; 3];
        return if stays { (CookieState::Valid, server) } else { fresh(CookieState::Valid) };
    }
    let believed = |other| hash(other, cookie.client, signed, client) == theirs;
    match secrets.other().is_some_and(believed) {
        true => fresh(CookieState::Valid),
        false => fresh(CookieState::Invalid),
    }
}

/// The data of the reply's COOKIE option.
pub(super) fn option(
    client: [u8; CLIENT_COOKIE_LEN],
    server: ServerCookie,
) -> [u8; CLIENT_COOKIE_LEN + SERVER_COOKIE_LEN] {
    let mut option = [0; CLIENT_COOKIE_LEN + SERVER_COOKIE_LEN];
    let (client_part, server_part) = option.split_at_mut(CLIENT_COOKIE_LEN);
    client_part.copy_from_slice(&client);
    server_part.copy_from_slice(&server);
    option
}

/// A new server cookie: version, three zeros, time, hash.
fn sign(
    secret: &[u8; 16],
    client_cookie: [u8; CLIENT_COOKIE_LEN],
    client: IpAddr,
    now: u32,
) -> ServerCookie {
    let time = now.to_be_bytes();
    let signed = [VERSION, 0, 0, 0, time[0], time[1], time[2], time[3]];
    let hash = hash(secret, client_cookie, signed, client);
    (u128::from(u64::from_be_bytes(signed)) << 64 | u128::from(hash)).to_be_bytes()
}

/// What is signed, and the hash that signs it.
fn split(cookie: ServerCookie) -> ([u8; 8], u64) {
    let whole = u128::from_be_bytes(cookie);
    (((whole >> 64) as u64).to_be_bytes(), whole as u64)
}

/// SipHash-2-4 over client cookie, version to time, and address, in the order in which its octets
/// are sent (RFC 9018 §4.4).
fn hash(
    secret: &[u8; 16],
    client_cookie: [u8; CLIENT_COOKIE_LEN],
    signed: [u8; 8],
    client: IpAddr,
) -> u64 {
    let mut octets = [0; 32];
    octets[..8].copy_from_slice(&client_cookie);
    octets[8..16].copy_from_slice(&signed);
    let hasher = SipHasher24::new_with_key(secret);
    let hash = match client {
        IpAddr::V4(address) => {
            octets[16..20].copy_from_slice(&address.octets());
            hasher.hash(&octets[..20])
        }
        IpAddr::V6(address) => {
            octets[16..].copy_from_slice(&address.octets());
            hasher.hash(&octets)
        }
    };
    hash.swap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    fn octets(hexadecimal: &str) -> Vec<u8> {
        let digit = |c: u8| (c as char).to_digit(16).expect("a digit") as u8;
        hexadecimal.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    /// Asks with the option `asked`, and gives the state and the option of the reply.
    fn ask(secrets: &str, client: &str, asked: &str, now: u32) -> (CookieState, Vec<u8>) {
        let secrets = CookieSecrets::parse(secrets).expect("secrets");
        let cookie = parse(&octets(asked)).expect("an option");
        let client = client.parse().expect("an address");
        let (state, server) = check(&secrets, &cookie, client, now);
        (state, [&cookie.client[..], &server].concat())
    }

    /// RFC 9018 appendix A.1.
    #[test]
    fn a_client_learns_its_cookie() {
        let (state, reply) = ask(SECRET, "198.51.100.100", "2464c4abcf10c957", 1559731985);
        assert_eq!(state, CookieState::Client);
        assert_eq!(reply, octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
    }

    /// RFC 9018 appendix A.2.
    #[test]
    fn after_half_an_hour_a_cookie_is_renewed() {
        let asked = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let (state, reply) = ask(SECRET, "198.51.100.100", asked, 1559734385);
        assert_eq!(state, CookieState::Valid);
        assert_eq!(reply, octets("2464c4abcf10c957010000005cf7a871d4a564a1442aca77"));
    }

    /// RFC 9018 appendix A.3, which sends a cookie almost two hours old and does not ask whether
    /// it is in time; so it is asked twice, once in time.
    #[test]
    fn reserved_octets_are_signed_and_replaced() {
        let asked = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        let (state, reply) = ask(SECRET, "203.0.113.203", asked, 1559734700);
        assert_eq!(state, CookieState::Untimely);
        assert_eq!(reply, octets("fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"));
        let (state, reply) = ask(SECRET, "203.0.113.203", asked, 1559727985 + 60);
        assert_eq!(state, CookieState::Valid);
        assert_eq!(reply[8..12], [1, 0, 0, 0]);
    }

    /// RFC 9018 appendix A.4.
    #[test]
    fn the_other_secret_is_believed_and_replaced() {
        const OLD: &str = "dd3bdf9344b678b185a6f5cb60fca715";
        const NEW: &str = "445536bcd2513298075a5d379663c962";
        let asked = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
        let renewed = octets("22681ab97d52c298010000005cf7c609a6bb79d16625507a");
        let both = format!("{NEW}\n{OLD}");
        let valid = (CookieState::Valid, renewed.clone());
        assert_eq!(ask(&both, client, asked, 1559741961), valid);
        assert_eq!(ask(NEW, client, asked, 1559741961), (CookieState::Invalid, renewed));
        let (state, reply) = ask(&format!("{OLD}\n{NEW}"), client, asked, 1559741961);
        assert_eq!((state, reply), (CookieState::Valid, octets(asked)), "not yet rolled over");
    }

    #[test]
    fn each_state_has_its_own_word() {
        let words: std::collections::BTreeSet<_> = CookieState::ALL.map(CookieState::name).into();
        assert_eq!(words.len(), CookieState::ALL.len());
    }

    #[test]
    fn lengths() {
        let option = [7; 48];
        for len in 0..=option.len() {
            let server = match len {
                8 => Ok(ServerPart::None),
                24 => Ok(ServerPart::Some([7; 16])),
                16..=40 => Ok(ServerPart::Foreign),
                _ => Err(Malformed),
            };
            assert_eq!(parse(&option[..len]).map(|cookie| cookie.server), server, "{len}");
        }
    }

    #[test]
    fn a_cookie_is_for_one_client_one_address_and_one_time() {
        let secrets = CookieSecrets::random([9; 16]);
        let here: IpAddr = [192, 0, 2, 1].into();
        // Close to where 32 bits of seconds end.
        for made in [1_800_000_000, u32::MAX - 100] {
            let learnt = sign(secrets.current(), [1; 8], here, made);
            let at = |client: u8, address: IpAddr, secs: i32| {
                let cookie = Cookie { client: [client; 8], server: ServerPart::Some(learnt) };
                let now = made.wrapping_add_signed(secs);
                let (state, server) = check(&secrets, &cookie, address, now);
                let fresh = sign(secrets.current(), [client; 8], address.to_canonical(), now);
                assert!(server == learnt || server == fresh);
                (state, server == learnt)
            };
            let mapped = "::ffff:192.0.2.1".parse().expect("an address");
            for (secs, expected) in [
                (0, (CookieState::Valid, true)),
                (1_800, (CookieState::Valid, true)),
                (1_801, (CookieState::Valid, false)),
                (3_600, (CookieState::Valid, false)),
                (3_601, (CookieState::Untimely, false)),
                (-300, (CookieState::Valid, true)),
                (-301, (CookieState::Untimely, false)),
            ] {
                assert_eq!(at(1, here, secs), expected, "{secs}");
                assert_eq!(at(1, mapped, secs), expected, "{secs}");
            }
            assert_eq!(at(2, here, 1), (CookieState::Invalid, false));
            assert_eq!(at(1, [192, 0, 2, 2].into(), 1), (CookieState::Invalid, false));
        }
    }

    proptest! {
        /// Whatever is sent, the cookie in the reply is one that is believed.
        #[test]
        fn what_is_given_is_believed(
            option in prop::collection::vec(any::<u8>(), 0..48),
            keys: [u8; 16],
            client: IpAddr,
            now: u32,
        ) {
            let secrets = CookieSecrets::random(keys);
            if let Ok(cookie) = parse(&option) {
                let (state, server) = check(&secrets, &cookie, client, now);
                prop_assert_ne!(state, CookieState::Absent);
                let next = Cookie { server: ServerPart::Some(server), ..cookie };
                let again = check(&secrets, &next, client, now.wrapping_add(60));
                prop_assert_eq!(again, (CookieState::Valid, server));
            }
        }

        /// A cookie of ours in which one bit was flipped is never valid.
        #[test]
        fn one_wrong_bit_is_not_believed(bit in 0usize..192, client: IpAddr, now: u32) {
            let secrets = CookieSecrets::random([3; 16]);
            let server = sign(secrets.current(), [5; 8], client.to_canonical(), now);
            let mut option = [&[5; 8][..], &server].concat();
            option[bit / 8] ^= 1 << (bit % 8);
            let cookie = parse(&option).expect("an option");
            let (state, _) = check(&secrets, &cookie, client, now);
            prop_assert!(matches!(state, CookieState::Invalid | CookieState::Untimely));
        }
    }
}
