//! The file: a header, a checksum, and the groups, a parent after whoever names it.
//!
//! ```text
//!  archipelago-groups-1\n │ SHA-256 of the rest, 32 bytes │ postcard: groups │ what came of them
//!      │ changed cookies of configured groups │ how secrets stood
//! ```
//! Each of the last three is there only if it, or one behind it, says something.
//! Whoever may write the file may do to the groups what the node may; it is for its owner only all
//! the same, and a damaged one is refused instead of believed.

use std::path::Path;
use std::sync::Arc;

use archipelago_core::wire::{Lineage, Standard};
use archipelago_core::{Address, GroupId, NodeId};
use archipelago_router::Descent;
use archipelago_sgroup::{Cookies, GroupConfig, Place, Seed, Timing};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::secret::KeptSecret;
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

/// What is kept of groups that keep themselves in size.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct KeptInSize {
    /// What groups are kept at, by their places in the file.
    standards: Vec<(u16, Standard)>,
    moved: Vec<(GroupId, GroupId)>,
    lineages: Vec<(GroupId, Lineage)>,
}

/// The cookies of a configured group that were changed while the node ran.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rotated {
    group: GroupId,
    /// SHA-256 of the cookies that they were changed from: those of another configuration count
    /// for more than what is kept.
    from: [u8; 32],
    current: Vec<u8>,
    previous: Option<Vec<u8>>,
}

impl Rotated {
    /// The cookies that count now, where they are others than those that the group is configured
    /// with.
    pub(super) fn since(from: &Configured, now: &Cookies) -> Option<Self> {
        let bytes = |cookie: &Arc<[u8]>| cookie.to_vec();
        (from.sum != sum_of(now)).then(|| Self {
            group: from.group,
            from: from.sum,
            current: bytes(&now.current),
            previous: now.previous.as_ref().map(bytes),
        })
    }

    /// Puts these in place of those that the group is configured with, unless those were changed
    /// since.
    pub(crate) fn apply(&self, config: &mut GroupConfig) {
        let configured = Configured::of(config);
        if (configured.group, configured.sum) == (self.group, self.from) {
            config.cookies = Some(Cookies {
                current: self.current.as_slice().into(),
                previous: self.previous.as_deref().map(Into::into),
            });
        }
    }
}

/// A group that the configuration names, and a sum of its cookies there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Configured {
    pub(super) group: GroupId,
    sum: [u8; 32],
}

impl Configured {
    /// As it is configured.
    pub(crate) fn of(config: &GroupConfig) -> Self {
        Self {
            group: config.id(),
            sum: config.cookies.as_ref().map_or([0; 32], sum_of),
        }
    }
}

pub(super) fn sum_of(cookies: &Cookies) -> [u8; 32] {
    let mut sum = Sha256::new();
    for cookie in [Some(&cookies.current), cookies.previous.as_ref()] {
        let len = cookie.map_or(u64::MAX, |cookie| cookie.len() as u64);
        sum.update(len.to_le_bytes());
        sum.update(cookie.map_or(&[][..], |cookie| cookie));
    }
    sum.finalize().into()
}

/// What a file keeps.
#[derive(Default)]
pub(crate) struct Contents {
    /// Groups that were made or entered while the node ran.
    pub(crate) groups: Vec<GroupConfig>,
    /// What came of those that keep themselves in size.
    pub(crate) descent: Descent,
    /// Cookies of configured groups that were changed.
    pub(crate) rotated: Vec<Rotated>,
    /// How secrets of groups stood.
    pub(crate) secrets: Vec<KeptSecret>,
}

/// What the file at `path` keeps; nothing when there is no file.
///
/// # Errors
/// [`StartError::Groups`]: it cannot be read, others than its owner may, or it is damaged.
pub(crate) fn read(
    path: &Path,
    realm: &Arc<str>,
    timing: &Arc<Timing>,
) -> Result<Contents, StartError> {
    let failed = |reason: String| StartError::Groups {
        path: path.to_owned(),
        reason,
    };
    let bytes = file::read_private(path, LEN_MAX).map_err(|error| failed(error.to_string()))?;
    let Some(bytes) = bytes else {
        return Ok(Contents::default());
    };
    let contents = contents(&bytes, realm, timing);
    contents.ok_or_else(|| failed("it is damaged; remove it to start without its groups".into()))
}

/// What such a file keeps; `None` if it is damaged.
fn contents(bytes: &[u8], realm: &Arc<str>, timing: &Arc<Timing>) -> Option<Contents> {
    let (all, sized, rotated, secrets) = decode(bytes)?;
    let wanted = (0..all.len()).filter(|&place| !all[place].is_parent);
    let configs = wanted.map(|place| {
        let mut config = config(&all, place, realm, timing)?;
        let mut standards = sized.standards.iter();
        let said = standards.find(|(of, _)| usize::from(*of) == place);
        config.place.standard = said.map(|(_, standard)| Arc::new(standard.clone()));
        Some(config)
    });
    let descent = Descent {
        moved: sized.moved,
        lineages: sized.lineages,
    };
    Some(Contents {
        groups: configs.collect::<Option<_>>()?,
        descent,
        rotated,
        secrets,
    })
}

/// Puts `bytes` in place of what the file holds.
///
/// # Errors
/// Those of the file; what it held is still there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    file::replace(path, bytes)
}

/// What the file holds of these.
pub(super) fn encode(contents: &Contents) -> Zeroizing<Vec<u8>> {
    let mut all = Vec::new();
    let mut sized = KeptInSize {
        standards: Vec::new(),
        moved: contents.descent.moved.clone(),
        lineages: contents.descent.lineages.clone(),
    };
    for group in &contents.groups {
        let place = push(group, false, &mut all);
        let standard = group.place.standard.as_deref();
        sized
            .standards
            .extend(standard.map(|it| (place, it.clone())));
    }
    let (rotated, secrets) = (&contents.rotated, &contents.secrets);
    let mut body = value(&all);
    let has_rotated = !rotated.is_empty() || !secrets.is_empty();
    if sized != KeptInSize::default() || has_rotated {
        body.extend_from_slice(&value(&sized));
    }
    if has_rotated {
        body.extend_from_slice(&value(rotated));
    }
    if !secrets.is_empty() {
        body.extend_from_slice(&value(secrets));
    }
    let sum = Sha256::digest(&body);
    Zeroizing::new([HEADER, sum.as_slice(), body.as_slice()].concat())
}

fn value(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(postcard::to_stdvec(value).expect("plain values have an encoding"))
}

/// The values of a file.
type Values = (Vec<Kept>, KeptInSize, Vec<Rotated>, Vec<KeptSecret>);

fn decode(bytes: &[u8]) -> Option<Values> {
    let (sum, body) = bytes.strip_prefix(HEADER)?.split_at_checked(SUM_LEN)?;
    if Sha256::digest(body).as_slice() != sum {
        return None;
    }
    let (all, mut rest) = postcard::take_from_bytes(body).ok()?;
    let sized = next(&mut rest)?;
    let rotated = next(&mut rest)?;
    let secrets = next(&mut rest)?;
    Some((all, sized, rotated, secrets))
}

/// The next value; its default where nothing is left. `None`: it is damaged.
fn next<T: DeserializeOwned + Default>(rest: &mut &[u8]) -> Option<T> {
    if rest.is_empty() {
        return Some(T::default());
    }
    let (value, behind) = postcard::take_from_bytes(rest).ok()?;
    *rest = behind;
    Some(value)
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
            // Stands apart in the file.
            standard: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use archipelago_core::Time;
    use archipelago_sgroup::SecretState;

    use super::super::secret::Windows;
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

    fn encode(groups: &[GroupConfig]) -> Zeroizing<Vec<u8>> {
        super::encode(&Contents {
            groups: groups.to_vec(),
            ..Contents::default()
        })
    }

    fn kept(bytes: &[u8]) -> Option<Vec<GroupConfig>> {
        Some(contents(bytes)?.groups)
    }

    fn contents(bytes: &[u8]) -> Option<Contents> {
        let (realm, timing) = realm();
        super::contents(bytes, &realm, &timing)
    }

    #[test]
    fn groups_are_read_as_they_were_written() {
        let groups = [group(), group()];
        let read = kept(&encode(&groups)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{groups:?}"));
        assert_eq!(read[0].cookies, groups[0].cookies);
        let (realm, timing) = realm();
        let none = std::env::temp_dir().join("archipelago-no-such.groups");
        let none = super::read(&none, &realm, &timing).unwrap();
        assert!(none.groups.is_empty());
    }

    #[test]
    fn what_came_of_groups_that_keep_themselves_in_size_is_read_as_well() {
        let mut sized = group();
        sized.place.standard = Some(Arc::new(Standard {
            size: 20,
            span: None,
            reflectors: 2,
            parent_size: 20,
            ..Standard::default()
        }));
        let [one, other] = [1, 2].map(|it| GroupId([it; 16]));
        let lineage = Lineage {
            generation: 7,
            ..Lineage::default()
        };
        let descent = Descent {
            moved: vec![(one, other)],
            lineages: vec![(other, lineage)],
        };
        let groups = [group(), sized];
        let written = Contents {
            groups: groups.to_vec(),
            descent: descent.clone(),
            ..Contents::default()
        };
        let read = contents(&super::encode(&written)).unwrap();
        assert_eq!(format!("{:?}", read.groups), format!("{groups:?}"));
        assert_eq!(read.descent, descent);
    }

    #[test]
    fn changed_cookies_of_a_configured_group_count_until_it_is_configured_with_others() {
        let mut configured = group();
        let from = Configured::of(&configured);
        let own = configured.cookies.clone().unwrap();
        assert!(Rotated::since(&from, &own).is_none());
        let now = Cookies {
            current: b"newest".as_slice().into(),
            previous: Some(b"new".as_slice().into()),
        };
        let rotated: Vec<_> = Rotated::since(&from, &now).into_iter().collect();
        let bytes = super::encode(&Contents {
            groups: vec![group()],
            rotated,
            ..Contents::default()
        });
        let read = contents(&bytes).unwrap();
        assert_eq!((read.groups.len(), read.rotated.len()), (1, 1));
        read.rotated[0].apply(&mut configured);
        assert_eq!(configured.cookies.as_ref(), Some(&now));
        // Configured with other ones since, and another group.
        let mut changed = group();
        changed.cookies.as_mut().unwrap().previous = None;
        let mut other = group();
        other.name = "other".into();
        for config in [&mut changed, &mut other] {
            let before = config.cookies.clone();
            read.rotated[0].apply(config);
            assert_eq!(config.cookies, before);
        }
        for len in 0..bytes.len() {
            assert!(contents(&bytes[..len]).is_none(), "length {len}");
        }
    }

    /// U2: and a file without them is read as before.
    #[test]
    fn how_secrets_stood_is_read_as_it_was_written() {
        let (config, now) = (group(), Time::from_micros(5));
        let state = SecretState {
            serial: 7,
            closes: Some(now.after(Duration::from_secs(9))),
        };
        let at = (now, SystemTime::now());
        let cookies = config.cookies.as_ref().unwrap();
        let kept = Windows::default().keep(config.id(), cookies, state, at);
        let secrets: Vec<_> = kept.into_iter().collect();
        let written = Contents {
            groups: vec![config],
            secrets: secrets.clone(),
            ..Contents::default()
        };
        let read = contents(&super::encode(&written)).unwrap();
        assert_eq!(read.secrets, secrets);
        assert_eq!(
            secrets[0].state(&read.groups[0], at.0, at.1).unwrap().1,
            state
        );
        assert!(contents(&encode(&[group()])).unwrap().secrets.is_empty());
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
        let (mut all, ..) = decode(&encode(&[group()])).unwrap();
        let last = all.len() - 1;
        all[last].parents = vec![0];
        let (realm, timing) = realm();
        assert!(config(&all, 0, &realm, &timing).is_none());
    }
}
