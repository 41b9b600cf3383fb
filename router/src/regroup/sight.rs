//! What a node knows of one of its groups when it is asked what is to be done about its size.

use std::collections::BTreeSet;
use std::sync::Arc;

use archipelago_core::wire::{
    Intent, Lineage, Movers, RegroupStage, Seek, Stand, Standard, Stands,
};
use archipelago_core::{GroupId, NodeId, Time};
use archipelago_sgroup::log::keys;
use bytes::Bytes;

/// One group as this node has it now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its tier.
    pub(crate) tier: u8,
    /// The groups above it, by its charter, and of which epoch that is.
    pub(crate) parents: Vec<GroupId>,
    pub(crate) epoch: u64,
    /// Those of them that this node is configured to join.
    pub(crate) joinable: Vec<GroupId>,
    /// This node is up in it.
    pub(crate) is_up: bool,
    /// What it is to be, as this node is configured.
    pub(crate) standard: Option<Arc<Standard>>,
    /// Living members, this one included, by name.
    pub(crate) members: Vec<Seen>,
    /// What members say of its size and changes.
    pub(crate) notes: Vec<(NodeId, Bytes, Bytes)>,
    /// The other group of the change that is under way, if this node is in it.
    pub(crate) other: Option<Other>,
    /// Groups beside it that are known in a parent that this node is in: that parent, the group, how
    /// many members.
    pub(crate) beside: Vec<(GroupId, GroupId, usize)>,
    /// Groups that seek to be taken in by this one, as said in a parent: which, by whom, how many.
    pub(crate) seekers: Vec<(GroupId, NodeId, usize)>,
    /// Groups beside it that say in a parent that they took it in, while it is here.
    pub(crate) takers: BTreeSet<GroupId>,
    /// Groups of this node that have this one for a parent.
    pub(crate) wards: Vec<Ward>,
    /// All groups that this node is up in, and their names.
    pub(crate) own: Vec<(GroupId, Arc<str>)>,
}

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Who.
    pub(crate) node: NodeId,
    /// Round trip from here in microseconds; 0 where it is not known.
    pub(crate) rtt_us: u64,
    /// What it is labelled with, by the attributes that the standard names.
    pub(crate) labels: Vec<String>,
    /// It leads up from the group.
    pub(crate) leads: bool,
    /// The groups below that it says to be here for.
    pub(crate) stands: Vec<Stand>,
}

/// A group of this node below the one that is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Ward {
    /// Which.
    pub(crate) group: GroupId,
    /// Its parents, by its charter, and of which epoch that is.
    pub(crate) parents: Vec<GroupId>,
    pub(crate) epoch: u64,
    /// The names of the parents that it was given last, and of which epoch they are; 0: it was given
    /// none.
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) given: u64,
    /// It is kept in size.
    pub(crate) is_kept: bool,
    /// As many of its members as should lead to the parent that it moves to, and further up from
    /// there as from here.
    pub(crate) is_led: bool,
}

/// The group that members move to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Other {
    /// This node is up in it.
    pub(crate) is_up: bool,
    /// Who else is.
    pub(crate) members: BTreeSet<NodeId>,
    /// It has no parents, or as many lead up from it as should.
    pub(crate) is_led: bool,
    /// All that this node says in the one group it says in the other, too, and all know.
    pub(crate) is_carried: bool,
    /// It is about to join the one that is to join it, and how far that is.
    pub(crate) joins_back: Option<RegroupStage>,
}

/// What notes say, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) lineages: Vec<(NodeId, Lineage)>,
    pub(super) intents: Vec<(NodeId, Intent)>,
    pub(super) movers: Vec<Movers>,
    /// Who is ready, for which change.
    pub(super) ready: BTreeSet<(u64, NodeId)>,
}

/// Under which key a member says what became of the group.
pub(crate) fn lineage_key() -> Bytes {
    keys::key(keys::REGROUP, &[0])
}

/// Under which key its keeper says what is done to it.
pub(super) fn intent_key() -> Bytes {
    keys::key(keys::REGROUP, &[1])
}

/// Under which key it says who moves.
pub(super) fn movers_key() -> Bytes {
    keys::key(keys::REGROUP, &[2])
}

/// Under which key a member says that it is ready.
pub(super) fn ready_key() -> Bytes {
    keys::key(keys::REGROUP, &[3])
}

/// Under which key of a parent's log a group below seeks one that takes it in.
pub(super) fn seek_key(group: &GroupId) -> Bytes {
    keys::key(keys::REGROUP, &[&[4], &group.0[..]].concat())
}

/// Under which key of a parent's log a member says for which groups below it is there.
pub(crate) fn stands_key() -> Bytes {
    keys::key(keys::REGROUP, &[5])
}

/// The groups below that a member is in a parent for; `None` for any other note.
pub(crate) fn read_stands(key: &[u8], value: &[u8]) -> Option<Stands> {
    let is_it = keys::rest(keys::REGROUP, key)? == [5];
    Stands::from_bytes(value).ok().filter(|_| is_it)
}

/// Which group seeks which, and how many it would bring; `None` for any other note.
pub(crate) fn read_seek(key: &[u8], value: &[u8]) -> Option<(GroupId, Seek)> {
    let group = keys::rest(keys::REGROUP, key)?.strip_prefix(&[4])?;
    let group = GroupId(group.try_into().ok()?);
    Some((group, Seek::from_bytes(value).ok()?))
}

/// The value of a note of readiness.
pub(super) fn ready_value(generation: u64) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

impl Heard {
    /// Passes over what cannot be read: only its owner's log is the worse for it.
    pub(super) fn of(notes: &[(NodeId, Bytes, Bytes)]) -> Self {
        let mut heard = Self::default();
        for (node, key, value) in notes {
            heard.read(*node, keys::rest(keys::REGROUP, key), value);
        }
        heard
    }

    fn read(&mut self, node: NodeId, key: Option<&[u8]>, value: &[u8]) {
        match key {
            Some([0]) => {
                let read = Lineage::from_bytes(value).ok();
                self.lineages.extend(read.map(|lineage| (node, lineage)));
            }
            Some([1]) => {
                let read = Intent::from_bytes(value).ok();
                self.intents.extend(read.map(|intent| (node, intent)));
            }
            Some([2]) => self.movers.extend(Movers::from_bytes(value)),
            Some([3]) => {
                let generation = value.try_into().map(u64::from_be_bytes);
                self.ready.extend(generation.map(|it| (it, node)));
            }
            _ => {}
        }
    }

    /// What this node says itself under a key.
    pub(super) fn own<'a>(
        notes: &'a [(NodeId, Bytes, Bytes)],
        me: NodeId,
        key: &Bytes,
    ) -> Option<&'a Bytes> {
        let mut own = notes
            .iter()
            .filter(|(node, said, _)| *node == me && said == key);
        own.next().map(|(_, _, value)| value)
    }
}

/// What the machine is lent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lent<'a> {
    /// The instant.
    pub(crate) now: Time,
    /// This node.
    pub(crate) me: NodeId,
    /// Of all its groups.
    pub(crate) realm: &'a str,
}
