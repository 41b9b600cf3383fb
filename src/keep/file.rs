//! The file: a header, a checksum, and the groups, a parent after whoever names it.
//!
//! ```text
//!  archipelago-groups-1\n │ SHA-256 of the rest, 32 bytes │ postcard
//! ```
//! Whoever may write the file may do to the groups what the node may; it is for its owner only all
//! the same, and a damaged one is refused instead of believed.

use std::path::Path;
use std::sync::Arc;

use archipelago_core::{Address, NodeId};
use archipelago_sgroup::{Cookies, GroupConfig, Place, Seed, Timing};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::StartError;
use crate::identity::{IdentityError, file};

const HEADER: &[u8] = b"archipelago-groups-1\n";
const SUM_LEN: usize = 32;
/// Longest file that is read: 64 groups with parents and the longest cookies are half of it.
pub(super) const LEN_MAX: u64 = 1024 * 1024;

/// One group, as a configuration describes it.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    /// The current cookie and the previous one; none of an open group.
    cookies: Option<(Vec<u8>, Option<Vec<u8>>)>,
    seeds: Vec<(Address, Option<NodeId>)>,
    size: u32,
    members_max: u32,
    is_closed: bool,
    epoch: u64,
    tier: u8,
    /// Places in the file, behind this one.
    parents: Vec<u16>,
    reflectors: u8,
    pinned: Vec<NodeId>,
    council: Vec<NodeId>,
    /// Whether it is there for those below it only.
    is_parent: bool,
}

/// The groups that the file at `path` keeps; none when there is no file.
///
/// # Errors
/// [`StartError::Groups`]: it cannot be read, others than its owner may, or it is damaged.
pub(crate) fn read(
    path: &Path,
    realm: &Arc<str>,
    timing: &Arc<Timing>,
) -> Result<Vec<GroupConfig>, StartError> {
    let failed = |reason: String| StartError::Groups {
        path: path.to_owned(),
        reason,
    };
    let bytes = file::read_private(path, LEN_MAX).map_err(|error| failed(error.to_string()))?;
    let Some(bytes) = bytes else {
        return Ok(Vec::new());
    };
    let groups = groups(&bytes, realm, timing);
    groups.ok_or_else(|| failed("it is damaged; remove it to start without its groups".into()))
}

/// The groups that such a file keeps; `None` if it is damaged.
fn groups(bytes: &[u8], realm: &Arc<str>, timing: &Arc<Timing>) -> Option<Vec<GroupConfig>> {
    let all = decode(bytes)?;
    let wanted = (0..all.len()).filter(|&place| !all[place].is_parent);
    let configs = wanted.map(|place| config(&all, place, realm, timing));
    configs.collect()
}

/// Puts `bytes` in place of what the file holds.
///
/// # Errors
/// Those of the file; what it held is still there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    file::replace(path, bytes)
}

/// What the file holds of these groups.
pub(super) fn encode(groups: &[GroupConfig]) -> Zeroizing<Vec<u8>> {
    let mut all = Vec::new();
    for group in groups {
        push(group, false, &mut all);
    }
    let body = postcard::to_stdvec(&all).expect("plain values have an encoding");
    let body = Zeroizing::new(body);
    let sum = Sha256::digest(&body);
    Zeroizing::new([HEADER, sum.as_slice(), body.as_slice()].concat())
}

fn decode(bytes: &[u8]) -> Option<Vec<Kept>> {
    let (sum, body) = bytes.strip_prefix(HEADER)?.split_at_checked(SUM_LEN)?;
    if Sha256::digest(body).as_slice() != sum {
        return None;
    }
    postcard::from_bytes(body).ok()
}

/// Appends a group and then its parents; its place.
fn push(group: &GroupConfig, is_parent: bool, all: &mut Vec<Kept>) -> u16 {
    let place = all.len();
    let cookies = group.cookies.as_ref();
    all.push(Kept {
        name: group.name.to_string(),
        cookies: cookies.map(|both| {
            let previous = both.previous.as_ref();
            (both.current.to_vec(), previous.map(|bytes| bytes.to_vec()))
        }),
        seeds: group
            .seeds
            .iter()
            .map(|seed| (seed.address.clone(), seed.node))
            .collect(),
        size: group.size,
        members_max: group.members_max,
        is_closed: group.is_closed,
        epoch: group.place.epoch,
        tier: group.place.tier,
        parents: Vec::new(),
        reflectors: group.place.reflectors,
        pinned: group.place.pinned.clone(),
        council: group.place.council.clone(),
        is_parent,
    });
    let parents = group.place.parents.iter();
    let parents: Vec<u16> = parents.map(|parent| push(parent, true, all)).collect();
    if let Some(kept) = all.get_mut(place) {
        kept.parents = parents;
    }
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// The group at a place; `None` where a parent does not stand behind its child.
fn config(
    all: &[Kept],
    place: usize,
    realm: &Arc<str>,
    timing: &Arc<Timing>,
) -> Option<GroupConfig> {
    let kept = all.get(place)?;
    let parent = |&parent: &u16| {
        let parent = usize::from(parent);
        let above = (parent > place).then(|| config(all, parent, realm, timing))?;
        // Tiers rise: no chain of parents is longer than there are tiers.
        above
            .filter(|above| above.place.tier > kept.tier)
            .map(Arc::new)
    };
    let seed = |(address, node): &(Address, Option<NodeId>)| Seed {
        address: address.clone(),
        node: *node,
    };
    Some(GroupConfig {
        realm: Arc::clone(realm),
        name: kept.name.as_str().into(),
        cookies: kept.cookies.as_ref().map(|(current, previous)| Cookies {
            current: current.as_slice().into(),
            previous: previous.as_deref().map(Into::into),
        }),
        seeds: kept.seeds.iter().map(seed).collect(),
        size: kept.size,
        members_max: kept.members_max,
        is_closed: kept.is_closed,
        timing: Arc::clone(timing),
        place: Place {
            epoch: kept.epoch,
            tier: kept.tier,
            parents: kept.parents.iter().map(parent).collect::<Option<_>>()?,
            reflectors: kept.reflectors,
            pinned: kept.pinned.clone(),
            council: kept.council.clone(),
            standard: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> (Arc<str>, Arc<Timing>) {
        ("realm".into(), Arc::default())
    }

    /// A group with two cookies, two seeds and a parent that has a parent.
    fn group() -> GroupConfig {
        let (realm, timing) = realm();
        let plain = |name: &str, tier: u8, parents: Vec<Arc<GroupConfig>>| GroupConfig {
            realm: Arc::clone(&realm),
            name: name.into(),
            cookies: None,
            seeds: Vec::new(),
            size: 0,
            members_max: 1_024,
            is_closed: false,
            timing: Arc::clone(&timing),
            place: Place {
                tier,
                parents,
                ..Place::default()
            },
        };
        let top = Arc::new(plain("top", 2, Vec::new()));
        let above = Arc::new(plain("above", 1, vec![top]));
        let mut group = plain("group", 0, vec![above]);
        group.cookies = Some(Cookies {
            current: b"new".as_slice().into(),
            previous: Some(b"old".as_slice().into()),
        });
        group.seeds = [None, Some(NodeId([7; 32]))]
            .map(|node| Seed {
                address: Address::from("/ip4/127.0.0.1/tcp/1"),
                node,
            })
            .to_vec();
        group.place.epoch = 9;
        group.place.council = vec![NodeId([1; 32])];
        group
    }

    fn kept(bytes: &[u8]) -> Option<Vec<GroupConfig>> {
        let (realm, timing) = realm();
        super::groups(bytes, &realm, &timing)
    }

    #[test]
    fn groups_are_read_as_they_were_written() {
        let groups = [group(), group()];
        let read = kept(&encode(&groups)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{groups:?}"));
        assert_eq!(read[0].cookies, groups[0].cookies);
        let (realm, timing) = realm();
        let none = std::env::temp_dir().join("archipelago-no-such.groups");
        assert!(super::read(&none, &realm, &timing).unwrap().is_empty());
    }

    #[test]
    fn any_damaged_byte_and_any_length_is_refused() {
        let whole = encode(&[group()]);
        for place in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[place] ^= 1;
            assert!(kept(&damaged).is_none(), "byte {place}");
            assert!(kept(&whole[..place]).is_none(), "length {place}");
        }
    }

    #[test]
    fn a_parent_that_stands_before_its_child_is_refused() {
        let mut all = decode(&encode(&[group()])).unwrap();
        let last = all.len() - 1;
        all[last].parents = vec![0];
        let (realm, timing) = realm();
        assert!(config(&all, 0, &realm, &timing).is_none());
    }
}
