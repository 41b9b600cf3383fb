//! Groups that keep themselves in size: what they are told, and what they ask for, done.

use std::collections::BTreeSet;
use std::sync::Arc;

use archipelago_core::wire::{Above, Lineage, List, Parent, Stand, Standard, Value};
use archipelago_core::{GroupId, NodeId, Roles, Time};
use archipelago_sgroup::{Group, GroupConfig, GroupEvent, MemberInfo, Place, Seed};

use bytes::Bytes;

use super::work::Work;
use super::{Event, Node, Outputs};
use crate::change::Ask;
use crate::regroup::{
    Lent, Other, Regroup, RegroupOutput, Regrouped, Seen, Sight, Ward, read_seek, read_stands,
};

/// Answers to claims that this node makes to take a name along; no user's request has it.
pub(super) const OWN_REQUEST: u64 = u64::MAX;

impl Node {
    /// A group was entered: whether it is kept in size.
    pub(super) fn keep_in_size(&mut self, id: GroupId, now: Time) {
        let config = self.group_config(id);
        if config.is_some_and(|config| config.place.standard.is_some()) {
            self.regroup_mut().stir(id, now);
        }
    }

    /// A member says something of the group's size or its changes.
    pub(super) fn on_regroup_told(&mut self, id: GroupId, now: Time) {
        self.regroup_mut().stir_all(id, now);
    }

    /// Members came or went.
    pub(super) fn note_regroup(&mut self, id: GroupId, event: &GroupEvent, now: Time) {
        let Some(regroup) = &mut self.regroup else {
            return;
        };
        let is_news = matches!(
            event,
            GroupEvent::Joined { .. } | GroupEvent::MemberUp(_) | GroupEvent::MemberDown(..)
        );
        if is_news {
            regroup.handle_members(id, now);
        }
        if matches!(event, GroupEvent::Joined { .. }) {
            regroup.handle_below(now);
        }
    }

    fn regroup_mut(&mut self) -> &mut Regroup {
        self.regroup.get_or_insert_default()
    }

    fn group_config(&self, id: GroupId) -> Option<&Arc<GroupConfig>> {
        let mut configs = self.config.groups.iter();
        configs.find(|config| config.id() == id)
    }

    /// Looks at the groups whose time has come.
    pub(super) fn on_regroup_due(&mut self, now: Time) {
        let due = self.regroup.as_ref().map(|regroup| regroup.due(now));
        for id in due.unwrap_or_default() {
            let sight = self.sight(id, now).unwrap_or_default();
            let realm = Arc::clone(&self.config.realm);
            let lent = Lent {
                now,
                me: self.base.me,
                realm: &realm,
            };
            let mut said = Vec::new();
            self.regroup_mut().settle(id, &sight, lent, &mut said);
            self.work.extend(said.into_iter().map(Work::Regroup));
            let taken = self.regroup_mut().taken(id);
            self.up.handle_taken(id, taken, now);
        }
    }

    /// What this node knows of a group.
    fn sight(&mut self, id: GroupId, now: Time) -> Option<Sight> {
        let coming = self.regroup.as_ref()?.other(id, self.base.me);
        let other = coming.and_then(|(other, moves)| self.other(id, other, moves, now));
        let config = self.group_config(id)?;
        let group = self.groups.get(&id)?;
        let told = self.regroup.as_ref()?.standard(id);
        let standard = told.or_else(|| config.place.standard.clone());
        let charter = group.charter();
        let leads = self.up.leads(id, self.base.me);
        let notes = group.regroup_notes(&self.base.peers);
        let seen = |info: &MemberInfo| Seen {
            stands: stands_of(&info.node, &notes),
            ..self.seen(group, info, standard.as_deref(), &leads)
        };
        Some(Sight {
            name: charter.name.clone(),
            tier: charter.tier,
            parents: charter.parents.to_vec(),
            epoch: charter.epoch,
            joinable: config.place.parents.iter().map(|it| it.id()).collect(),
            is_up: group.is_up(),
            standard: config.place.standard.clone(),
            members: group.members(&self.base.peers).iter().map(seen).collect(),
            wards: self.wards(id, coming.map(|(other, _)| other)),
            notes,
            other,
            beside: self.beside(id),
            seekers: self.seekers(id),
            takers: self.up.takers(id),
            own: self.named_groups(),
        })
    }

    /// Groups of this node below another one of it, of which some may move on to `other`.
    fn wards(&self, id: GroupId, other: Option<GroupId>) -> Vec<Ward> {
        let is_below = |group: &Group| group.is_up() && group.charter().parents.contains(&id);
        let below = self.groups.iter().filter(|(_, group)| is_below(group));
        let wards = below.map(|(&group, machine)| {
            let regroup = self.regroup.as_deref();
            let above = regroup.and_then(|regroup| regroup.given(group));
            let parents = above.iter().flat_map(|above| above.parents.iter());
            Ward {
                group,
                parents: machine.charter().parents.to_vec(),
                epoch: machine.charter().epoch,
                names: parents.map(|parent| Arc::clone(&parent.name)).collect(),
                given: above.map_or(0, |above| above.epoch),
                is_kept: regroup.is_some_and(|regroup| regroup.standard(group).is_some()),
                is_led: other.is_some_and(|other| self.is_led(group, machine, id, other)),
            }
        });
        wards.collect()
    }

    /// Whether as many members of a group as should lead to `other` and from there on to all that lies
    /// above `from`.
    fn is_led(&self, id: GroupId, group: &Group, from: GroupId, other: GroupId) -> bool {
        let above = self.groups.get(&from).map(|group| group.charter());
        let above = above.map_or(&[][..], |charter| &charter.parents[..]);
        let leading = self.up.leading_on(id, other, above, self.base.me);
        !above.is_empty() && leading >= self.leads_wanted(group)
    }

    /// How many members of a group are to lead it up.
    fn leads_wanted(&self, group: &Group) -> usize {
        let members = group.members(&self.base.peers);
        let capable = members.iter().filter(|info| is_capable(info)).count();
        usize::from(group.charter().reflectors).min(capable).max(1)
    }

    /// The parents of a group that this node is up in.
    fn parents_of(&self, id: GroupId) -> Vec<(GroupId, &Group)> {
        let charter = self.groups.get(&id).map(|group| group.charter());
        let parents = charter.map_or_else(Vec::new, |charter| charter.parents.to_vec());
        let parents = parents.into_iter();
        let parents = parents.filter_map(|it| Some((it, &**self.groups.get(&it)?)));
        parents.filter(|(_, group)| group.is_up()).collect()
    }

    fn beside(&self, id: GroupId) -> Vec<(GroupId, GroupId, usize)> {
        let parents = self.parents_of(id).into_iter();
        let beside = parents.flat_map(|(parent, _)| {
            let beside = self.up.beside(id, parent).into_iter();
            beside.map(move |(group, size)| (parent, group, size))
        });
        beside.collect()
    }

    fn seekers(&self, id: GroupId) -> Vec<(GroupId, NodeId, usize)> {
        let parents = self.parents_of(id).into_iter();
        let notes = parents.flat_map(|(_, group)| group.regroup_notes(&self.base.peers));
        let seekers = notes.filter_map(|(by, key, value)| {
            let (group, seek) = read_seek(&key, &value)?;
            let size = usize::try_from(seek.size).unwrap_or(usize::MAX);
            (seek.into == id && group != id).then_some((group, by, size))
        });
        seekers.collect()
    }

    fn named_groups(&self) -> Vec<(GroupId, Arc<str>)> {
        let groups = self.groups.iter().filter(|(_, group)| group.is_up());
        let named = groups.map(|(&id, group)| (id, group.charter().name.clone()));
        named.collect()
    }

    fn seen(
        &self,
        group: &Group,
        info: &MemberInfo,
        standard: Option<&Standard>,
        leads: &BTreeSet<NodeId>,
    ) -> Seen {
        let peer = self.base.peers.find(&info.node);
        let state = peer.and_then(|peer| self.base.peers.get(peer));
        let of = peer.filter(|_| info.node != self.base.me);
        let by = standard.map(|standard| standard.by.iter());
        let label = |key: &archipelago_core::wire::Name| match group.attribute(of, &key.0) {
            Some(Value::Text(text)) => text.to_string(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        };
        Seen {
            node: info.node,
            rtt_us: state.map_or(0, |state| state.srtt_us.into()),
            labels: by.into_iter().flatten().map(label).collect(),
            leads: leads.contains(&info.node),
            stands: Vec::new(),
        }
    }

    /// The group that this node moves to, and whether it has taken everything along.
    fn other(&mut self, from: GroupId, id: GroupId, moves: bool, now: Time) -> Option<Other> {
        self.groups.get(&id)?;
        let is_carried = moves && self.carry(from, id, now);
        let group = self.groups.get(&id)?;
        let members = group.members(&self.base.peers);
        let charter = group.charter();
        let wanted = self.leads_wanted(group);
        let leads = self.up.leads(id, self.base.me);
        Some(Other {
            is_up: group.is_up(),
            members: members.iter().map(|info| info.node).collect(),
            is_led: charter.parents.is_empty() || leads.len() >= wanted,
            is_carried,
            joins_back: self.regroup.as_ref()?.joins_back(from, id),
        })
    }

    /// Says in one group what this node says in another; whether all know.
    fn carry(&mut self, from: GroupId, to: GroupId, now: Time) -> bool {
        let Some(luggage) = self.groups.get(&from).map(|group| group.luggage()) else {
            return false;
        };
        let mut brought = self.regroup_mut().take_brought(from);
        let mut is_carried = false;
        self.with_group(to, now, |group, cx, said| {
            is_carried = group.handle_luggage(&luggage, &mut brought, OWN_REQUEST, cx, said);
        });
        self.regroup_mut().put_brought(from, brought);
        is_carried
    }

    pub(super) fn on_regroup_output(
        &mut self,
        output: RegroupOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        match output {
            RegroupOutput::Write { group, key, value } => {
                self.with_group(group, now, |group, cx, said| {
                    // A log at its limit keeps what it has; the next look tries again.
                    let _ = group.handle_write(key, value, cx, said);
                });
                self.regroup_mut().handle_members(group, now);
            }
            RegroupOutput::Enter {
                group,
                other,
                seeds,
                is_new,
            } => self.enter_beside(group, other, &seeds, is_new, now),
            RegroupOutput::Leave {
                group,
                other,
                lineage,
                is_merger,
            } => self.move_over((group, other), &lineage, is_merger, now, out),
            RegroupOutput::Succeed {
                group,
                other,
                lineage,
                is_merger,
            } => {
                let both = (group, other);
                self.regroup_mut()
                    .handle_succeeded(both, &lineage, is_merger, now);
            }
            RegroupOutput::Invite { group, node } => {
                self.invite(group, 0, &Ask::member(node), now, out);
            }
            RegroupOutput::Withdraw(group) => {
                self.on_put_out(group, now, out);
                let change = Regrouped::Withdrawn;
                self.tell(Event::Regrouped { group, change }, out);
            }
            RegroupOutput::Lift {
                group,
                epoch,
                parents,
            } => self.lift(group, epoch, &parents, now),
            RegroupOutput::Raise {
                group,
                above,
                standard,
            } => self.raise(group, &above, &standard, now),
            RegroupOutput::Event { group, change } => {
                self.tell(Event::Regrouped { group, change }, out);
            }
        }
    }

    /// Enters a group that is configured as one of this node's is, under another name.
    fn enter_beside(
        &mut self,
        id: GroupId,
        name: Arc<str>,
        seeds: &[NodeId],
        is_new: bool,
        now: Time,
    ) {
        let Some(own) = self.group_config(id).cloned() else {
            return;
        };
        let parents = own.place.parents.iter();
        let parents = parents.map(|parent| self.with_leads(id, parent)).collect();
        let config = GroupConfig {
            name,
            seeds: seeds
                .iter()
                .filter_map(|seed| self.seed_for(seed))
                .collect(),
            place: Place {
                parents,
                epoch: 0,
                pinned: Vec::new(),
                council: Vec::new(),
                ..own.place.clone()
            },
            ..(*own).clone()
        };
        let other = config.id();
        let place = self.config.groups.iter().position(|it| it.id() == id);
        if self.groups.contains_key(&other) {
            return self.know_place(&config, now);
        }
        if self
            .join_at(Arc::new(config), place.map(|at| at + 1), now)
            .is_err()
        {
            return;
        }
        // Should those be lost through whom it is entered, somebody else is its beginning.
        if let Some(group) = self.groups.get_mut(&other).filter(|_| is_new) {
            group.handle_elected();
        }
    }

    /// A group that was entered by invitation is known as fully as one that was configured.
    fn know_place(&mut self, config: &GroupConfig, now: Time) {
        let id = config.id();
        let mut own = Arc::make_mut(&mut self.config).groups.iter_mut();
        if let Some(own) = own.find(|own| own.id() == id) {
            let place = &mut Arc::make_mut(own).place;
            if place.parents.is_empty() {
                place.parents.clone_from(&config.place.parents);
            }
            place.standard.clone_from(&config.place.standard);
        }
        self.place_group(id, now);
    }

    /// A parent's configuration with those as further seeds that lead there from a group.
    fn with_leads(&self, group: GroupId, parent: &Arc<GroupConfig>) -> Arc<GroupConfig> {
        let mut config = (**parent).clone();
        let known: BTreeSet<Option<NodeId>> = config.seeds.iter().map(|seed| seed.node).collect();
        let leading = self.up.leading(group, parent.id()).into_iter();
        let new = leading.filter(|node| !known.contains(&Some(*node)));
        config
            .seeds
            .extend(new.filter_map(|node| self.seed_for(&node)));
        Arc::new(config)
    }

    /// Leaves a group for another, in which this node says all that it said in the first.
    fn move_over(
        &mut self,
        (from, to): (GroupId, GroupId),
        lineage: &Lineage,
        is_merger: bool,
        now: Time,
        out: &mut Outputs,
    ) {
        let groups = &mut Arc::make_mut(&mut self.config).groups;
        let place = |id: GroupId| move |config: &Arc<GroupConfig>| config.id() == id;
        let before = groups.iter().position(place(from));
        let after = groups.iter().position(place(to));
        if let (Some(before), Some(after)) = (before, after) {
            // What was home is.
            groups.swap(before, after);
        }
        self.on_put_out(from, now, out);
        let regroup = self.regroup_mut();
        regroup.handle_moved((from, to), lineage, is_merger, now);
        self.up.wake_now(now);
    }

    /// Notes which parents a group is to have: where no seeds are named, through whom it was to join
    /// them before.
    fn lift(&mut self, id: GroupId, epoch: u64, parents: &[(Arc<str>, Vec<NodeId>)], now: Time) {
        let known = self.regroup.as_ref().and_then(|regroup| regroup.given(id));
        let before = |name: &Arc<str>| {
            let mut known = known.iter().flat_map(|above| above.parents.iter());
            let known = known.find(|parent| parent.name == *name);
            known.map_or_else(List::new, |parent| parent.seeds.clone())
        };
        let seed = |node: &NodeId| {
            let address = self.seed_for(node)?.address;
            Some((*node, address)).filter(|(_, address)| address.is_sendable())
        };
        let parents = parents.iter().map(|(name, seeds)| Parent {
            name: Arc::clone(name),
            seeds: if seeds.is_empty() {
                before(name)
            } else {
                List::truncated(seeds.iter().filter_map(seed))
            },
        });
        let above = Above {
            epoch,
            parents: List::truncated(parents),
        };
        self.regroup_mut().handle_lifted(id, above, now);
    }

    /// Takes groups for parents that have the same secret, made by whoever is elected to join them.
    fn raise(&mut self, id: GroupId, above: &Above, standard: &Arc<Standard>, now: Time) {
        let Some(own) = self.group_config(id).cloned() else {
            return;
        };
        let parents = above.parents.iter();
        let parents = parents.map(|parent| self.parent_of(&own, parent, standard));
        let place = Place {
            epoch: above.epoch,
            parents: parents.collect(),
            reflectors: own
                .place
                .standard
                .as_ref()
                .map_or(own.place.reflectors, |it| it.reflectors),
            ..own.place.clone()
        };
        let config = GroupConfig {
            place,
            ..(*own).clone()
        };
        // A configuration that worked works with a parent of its own kind.
        let _ = self.recharter(&config, now);
    }

    /// How a group's parent is joined: as this node is configured for it, else as for the one that it
    /// is named beside, else as the group itself a tier higher.
    fn parent_of(
        &self,
        own: &GroupConfig,
        parent: &Parent,
        standard: &Arc<Standard>,
    ) -> Arc<GroupConfig> {
        let id = GroupId::new(&own.realm, &parent.name);
        let configured = own.place.parents.iter();
        if let Some(known) = configured.clone().find(|config| config.id() == id) {
            return Arc::clone(known);
        }
        let beside = configured.clone().next().map(|config| {
            let joined = self.group_config(config.id());
            joined.unwrap_or(config)
        });
        let tier = own.place.tier.saturating_add(1);
        let place = beside.map_or_else(
            || Place {
                tier,
                reflectors: own.place.reflectors,
                ..Place::default()
            },
            |beside| beside.place.clone(),
        );
        let like = beside.map_or(own, |beside| beside);
        let seeds = parent.seeds.iter().map(|(node, address)| {
            self.seed_for(node).unwrap_or_else(|| Seed {
                address: address.clone(),
                node: Some(*node),
            })
        });
        Arc::new(GroupConfig {
            name: Arc::clone(&parent.name),
            seeds: seeds.collect(),
            size: 0,
            place: Place {
                epoch: 0,
                pinned: Vec::new(),
                council: Vec::new(),
                standard: Some(Arc::clone(standard)),
                ..place
            },
            ..like.clone()
        })
    }

    /// A node as a seed of a group: by what its record says, this one by what it listens on.
    fn seed_for(&self, node: &NodeId) -> Option<Seed> {
        if *node == self.base.me {
            let address = self.config.addresses.first()?.clone();
            return Some(Seed {
                address,
                node: Some(*node),
            });
        }
        self.seed_of(node)
    }
}

/// Whether a member can lead its group up.
fn is_capable(info: &MemberInfo) -> bool {
    let record = info.record.as_ref();
    record.is_some_and(|signed| signed.record.roles.contains(Roles::REFLECTOR))
}

/// The groups that a member of a parent is there for.
fn stands_of(node: &NodeId, notes: &[(NodeId, Bytes, Bytes)]) -> Vec<Stand> {
    let own = notes.iter().filter(|(by, ..)| by == node);
    let mut read = own.filter_map(|(_, key, value)| read_stands(key, value));
    read.next()
        .map_or_else(Vec::new, |stands| stands.groups.into_vec())
}
