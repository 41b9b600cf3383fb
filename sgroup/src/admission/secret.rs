//! A group's secret on its way to one member: under seal, bound to the group and to both ends.
//!
//! Who is invited, and who is told of a rotation, gets it; nobody on the way can read it, and a
//! seal that is shown to somebody else, in another group or by another sender does not open.
//! Of two secrets the higher (serial, rank) wins, so that all who hear of both keep the same one.
//!
//! Cost: one seal and two cookies for each receiver.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::SealedSecret;
use archipelago_core::{Context, Crypto, GroupId, NodeId, Peer, SealingKey};
use serde::{Deserialize, Serialize};

use crate::Cookies;
use crate::config::COOKIE_BYTES_MAX;

/// What is sealed for, so that nothing else that is sealed can be taken for it.
const DOMAIN: &[u8] = b"archipelago/secret/1";
/// What a cookie's rank is made of.
const RANK_DOMAIN: &[u8] = b"archipelago/rank/1";

/// A group's cookies, how often they were rotated, and how long the previous one still counts.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Rises with each rotation by a member; 0 for what was configured or first given.
    pub serial: u64,
    /// The secret itself.
    pub cookies: Cookies,
    /// From its arrival on the previous cookie is accepted for so long; at most 49 days.
    pub window: Duration,
}

/// From whom, to whom, in which group.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Of the secret.
    pub group: GroupId,
    /// Who seals.
    pub from: NodeId,
    /// Who opens.
    pub to: NodeId,
}

#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    serial: u64,
    window_ms: u32,
    current: &'a [u8],
    previous: Option<&'a [u8]>,
}

impl Secret {
    /// For the node with sealing key `to`.
    pub fn seal(&self, to: &SealingKey, route: &Route, cx: &mut Context<'_>) -> SealedSecret {
        let plain = Plain {
            serial: self.serial,
            window_ms: u32::try_from(self.window.as_millis()).unwrap_or(u32::MAX),
            current: &self.cookies.current,
            previous: self.cookies.previous.as_deref(),
        };
        let plain = postcard::to_stdvec(&plain).expect("numbers and bytes always encode");
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&cx.rng.array()[..24]);
        let sealed = cx.crypto.seal(to, nonce, &route.context(), &plain).into();
        SealedSecret { nonce, sealed }
    }

    /// As sealed by the node with sealing key `from`; `None` if anything differs from what it
    /// sealed, or if no group could run by it.
    pub fn open(
        sealed: &SealedSecret,
        from: &SealingKey,
        route: &Route,
        crypto: &dyn Crypto,
    ) -> Option<Self> {
        let opened = crypto.open(from, sealed.nonce, &route.context(), &sealed.sealed);
        let plain = opened.ok()?;
        let (plain, rest) = postcard::take_from_bytes::<Plain<'_>>(&plain).ok()?;
        let mut cookies = [Some(plain.current), plain.previous].into_iter().flatten();
        let is_usable = cookies.all(|cookie| (1..=COOKIE_BYTES_MAX).contains(&cookie.len()));
        (is_usable && rest.is_empty()).then(|| Self {
            serial: plain.serial,
            cookies: Cookies {
                current: plain.current.into(),
                previous: plain.previous.map(Arc::from),
            },
            window: Duration::from_millis(plain.window_ms.into()),
        })
    }

    /// As a peer sealed it for this node; `None` also where its record is not known.
    pub(crate) fn open_from(
        from: Peer,
        sealed: &SealedSecret,
        group: GroupId,
        cx: &Context<'_>,
    ) -> Option<Self> {
        let record = cx.peers.get(from)?.record()?;
        let route = Route {
            group,
            from: cx.peers.id(from),
            to: cx.me,
        };
        Self::open(sealed, &record.record.sealing_key, &route, cx.crypto)
    }

    /// What two secrets of one group are compared by: the higher wins.
    pub fn rank(&self, group: &GroupId, crypto: &dyn Crypto) -> Rank {
        rank(self.serial, &self.cookies.current, group, crypto)
    }
}

/// What secrets are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    serial: u64,
    tag: [u8; 32],
}

/// The tag says nothing of the cookie, but that it is the same one.
pub(super) fn rank(serial: u64, cookie: &[u8], group: &GroupId, crypto: &dyn Crypto) -> Rank {
    let mut bytes = RANK_DOMAIN.to_vec();
    bytes.extend_from_slice(&group.0);
    let tag = crypto.mac(cookie, &bytes);
    Rank { serial, tag }
}

impl Route {
    fn context(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend_from_slice(&self.group.0);
        bytes.extend_from_slice(&self.from.0);
        bytes.extend_from_slice(&self.to.0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use archipelago_core::{Peers, Rng, Time, ToyCrypto};

    use super::*;

    fn secret() -> Secret {
        Secret {
            serial: 3,
            cookies: Cookies {
                current: b"new".as_slice().into(),
                previous: Some(b"old".as_slice().into()),
            },
            window: Duration::from_secs(60),
        }
    }

    fn sealed(from: &ToyCrypto, to: &ToyCrypto, group: GroupId) -> SealedSecret {
        let (mut rng, mut peers) = (Rng::from_u64(1), Peers::new(4));
        let mut cx = Context {
            now: Time::START,
            me: from.id(),
            rng: &mut rng,
            crypto: from,
            peers: &mut peers,
        };
        let route = Route {
            group,
            from: from.id(),
            to: to.id(),
        };
        secret().seal(&to.sealing_key(), &route, &mut cx)
    }

    /// U2, A3: a secret opens for the one that it was sealed for, in its group, from its sender.
    #[test]
    fn u2_a_secret_opens_for_its_receiver_in_its_group_only() {
        let (from, to, other) = (ToyCrypto::new(1), ToyCrypto::new(2), ToyCrypto::new(3));
        let group = GroupId::new("realm", "group");
        let sealed = sealed(&from, &to, group);
        let route = |group, to: &ToyCrypto| Route {
            group,
            from: from.id(),
            to: to.id(),
        };
        let key = from.sealing_key();
        let opened = Secret::open(&sealed, &key, &route(group, &to), &to).unwrap();
        assert_eq!(opened.cookies.current, secret().cookies.current);
        assert_eq!(opened.cookies.previous, secret().cookies.previous);
        assert_eq!((opened.serial, opened.window), (3, Duration::from_secs(60)));
        let elsewhere = GroupId::new("realm", "other");
        assert!(Secret::open(&sealed, &key, &route(elsewhere, &to), &to).is_none());
        assert!(Secret::open(&sealed, &key, &route(group, &other), &other).is_none());
        let mut altered = sealed.clone();
        altered.nonce[0] ^= 1;
        assert!(Secret::open(&altered, &key, &route(group, &to), &to).is_none());
    }

    /// D1: two secrets of one group are put in the same order by everybody.
    #[test]
    fn d1_of_two_secrets_everybody_keeps_the_same() {
        let group = GroupId::new("realm", "group");
        let (here, there) = (ToyCrypto::new(1), ToyCrypto::new(2));
        let mut other = secret();
        other.cookies.current = b"other".as_slice().into();
        let order = |crypto| secret().rank(&group, crypto) < other.rank(&group, crypto);
        assert_eq!(order(&here), order(&there));
        let mut rotated = secret();
        rotated.serial += 1;
        assert!(rotated.rank(&group, &here) > secret().rank(&group, &here));
    }
}
