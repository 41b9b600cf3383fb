//! The council of a group with strict names changes (I6, F2, F5, F6).

use std::sync::Arc;

use archipelago_core::{GroupId, NodeId};
use archipelago_router::Command;
use archipelago_sgroup::GroupConfig;
use archipelago_sgroup::strict::StrictEvent;
use archipelago_sim::check::views;
use archipelago_sim::{Mutant, NodeIx, Observation, ProcessState, World};

use crate::strict::{check, claim, heal, is_sound, name, tenures, with_council};
use crate::support::{ms, restart, s, within};

const NODES: u32 = 7;
/// The only one whose memory is lost now and then: it comes back by the newest configuration.
const MORTAL: NodeIx = NodeIx(6);

/// A group of seven, whose first three are its council, under names that are the same in all worlds.
struct Site {
    world: World,
    group: GroupId,
    /// As the operator has written it last.
    config: Arc<GroupConfig>,
}

impl Site {
    fn formed(seed: u64) -> Self {
        let (mut world, group) = with_council(NODES, seed);
        world.run_for(s(3));
        let config = world.node_config(NodeIx(0)).groups[0].clone();
        Self {
            world,
            group,
            config,
        }
    }

    /// A charter of this epoch is given to a node, which need not be able to tell anybody.
    fn change(&mut self, at: NodeIx, council: &[u32], epoch: u64) {
        let ids: Vec<NodeId> = council
            .iter()
            .map(|&ix| self.world.id(NodeIx(ix)))
            .collect();
        let mut config = (*self.config).clone();
        (config.place.council, config.place.epoch) = (ids, epoch);
        self.config = Arc::new(config);
        let written = self.config.place.clone();
        self.world.configure(MORTAL, |node| {
            Arc::make_mut(&mut node.groups[0]).place = written;
        });
        if self.world.state(at) == ProcessState::Running {
            let command = Command::Recharter(self.config.clone());
            self.world.command(at, command).expect("it is in the group");
        }
    }

    fn claim(&mut self, node: NodeIx, patience: std::time::Duration) {
        claim(&mut self.world, node, self.group, patience);
    }

    fn is_held(world: &World) -> bool {
        let now = world.now();
        tenures(world).last().is_some_and(|last| last.until > now)
    }

    /// One thing that happens.
    fn step(&mut self) {
        let victim = self.any_node();
        let other = NodeIx((victim.0 + 1) % NODES);
        let is_running = self.world.state(victim) == ProcessState::Running;
        match self.world.random().below(20) {
            0 if self.world.state(MORTAL) == ProcessState::Running => self.world.crash(MORTAL),
            1 if self.world.state(MORTAL) == ProcessState::Down => {
                restart(&mut self.world, MORTAL);
            }
            2 if is_running => self.world.stop(victim),
            3 | 4 if self.world.state(victim) == ProcessState::Stopped => self.world.resume(victim),
            5 | 6 => {
                let nodes = self.world.nodes();
                let turn = self.any_node().0;
                let (here, there) = nodes
                    .into_iter()
                    .partition(|node| (node.0 + turn) % NODES <= victim.0);
                self.world.partition(&[here, there]);
            }
            7 => self.world.cut(victim, other),
            8 | 9 => self.world.heal(),
            10 if is_running => {
                let _ = self.world.release_strict(victim, self.group, &name());
            }
            11..=13 => {
                // Now and then two operators do it at once.
                let epoch = self.config.place.epoch + self.world.random().below(3).min(1);
                let council = self.any_council();
                self.change(victim, &council, epoch);
            }
            _ if is_running => {
                let patience = ms(self.world.random().below(5_000));
                self.claim(victim, patience);
            }
            _ => {}
        }
    }

    fn any_node(&mut self) -> NodeIx {
        let node = self.world.random().below(u64::from(NODES));
        NodeIx(u32::try_from(node).expect("a small number"))
    }

    /// Three or five of all, in a row.
    fn any_council(&mut self) -> Vec<u32> {
        let first = self.any_node().0;
        let len = if self.world.random().below(4) == 0 {
            5
        } else {
            3
        };
        (first..first + len).map(|ix| ix % NODES).collect()
    }
}

/// Fifty things that happen to a group whose nodes are broken like this, or whole.
fn scheduled(seed: u64, mutant: Option<Mutant>) -> Site {
    let mut site = Site::formed(seed);
    for node in site.world.nodes() {
        site.world.mutate(node, mutant);
    }
    for _ in 0..50 {
        site.step();
        let pause = site.world.random().below(900);
        site.world.run_for(ms(pause));
    }
    site
}

/// Each missing rule makes two holders, or lets fences fall, within this many seeds.
const MUTANT_SEEDS: u64 = 100;

#[test]
fn i6_mutants_of_councils_are_caught() {
    for mutant in [Mutant::OpenUnsealed, Mutant::SealWithoutRound] {
        let mut seeds = 1..=MUTANT_SEEDS;
        let caught = seeds.find(|&seed| !is_sound(&scheduled(seed, Some(mutant)).world));
        println!("{mutant:?}: caught at seed {caught:?}");
        assert!(caught.is_some(), "{mutant:?} passes");
    }
}

/// I6, F5, F6: councils that change, also at once on both sides of a split, to ones that share
/// members or none, there and back, while the name is claimed, held and let go and nodes stop, go
/// on and crash: no two tenures overlap, fences rise, and after the heal somebody has the name.
#[test]
fn i6_f6_no_change_of_the_council_makes_two_holders() {
    crate::support::seeds("i6_f6_no_change_of_the_council", 300, |seed| {
        let mut site = scheduled(seed, None);
        check(&site.world);
        heal(&mut site.world);
        let world = &mut site.world;
        within(world, "agreeing on members", s(60), views::all_agree);
        for node in world.nodes() {
            claim(world, node, site.group, s(60));
        }
        within(world, "taking the name", s(20), Site::is_held);
        world.run_for(s(10));
        check(&site.world);
    });
}

/// I6: the name is held while the council is replaced by one that shares no member with it: its
/// holder is over with its life, and who waits has it from the new council soon after.
#[test]
fn i6_a_new_council_takes_over_when_the_old_one_has_let_go() {
    for seed in 0..20 {
        let mut site = Site::formed(seed);
        site.claim(NodeIx(6), s(1));
        within(&mut site.world, "taking the name", s(1), Site::is_held);
        let pause = site.world.random().below(2_000);
        site.world.run_for(ms(pause));
        site.claim(NodeIx(5), s(60));
        let changed = site.world.now();
        site.change(NodeIx(4), &[3, 4, 5], 1);
        within(&mut site.world, "handing over", s(5), |world| {
            tenures(world).last().is_some_and(|last| last.node == 5)
        });
        let all = check(&site.world);
        assert!(all[0].until <= changed.after(s(2)), "{all:?}");
        // And it is renewed.
        site.world.run_for(s(10));
        assert!(Site::is_held(&site.world));
        assert_eq!(check(&site.world).len(), 2);
    }
}

/// I6, F6: the new council's side of a split waits for the old council, whose holder goes on; after
/// the heal the change is completed.
#[test]
fn f6_a_new_council_waits_for_the_old_one_on_the_other_side() {
    let mut site = Site::formed(3);
    site.claim(NodeIx(2), s(1));
    within(&mut site.world, "taking the name", s(1), Site::is_held);
    let (old, new) = (0..3, 3..NODES);
    site.world
        .partition(&[old.map(NodeIx).collect(), new.map(NodeIx).collect()]);
    site.change(NodeIx(4), &[3, 4, 5], 1);
    site.claim(NodeIx(6), s(60));
    site.world.run_for(s(30));
    let all = check(&site.world);
    assert!(all.len() == 1 && Site::is_held(&site.world), "{all:?}");
    site.world.heal();
    within(&mut site.world, "handing over", s(20), |world| {
        tenures(world).last().is_some_and(|last| last.node == 6)
    });
    check(&site.world);
    let lost = site.world.log().iter().any(|seen| {
        let event = match &seen.what {
            Observation::Strict { event, .. } => event,
            _ => return false,
        };
        seen.node == 2 && matches!(event, StrictEvent::Lost { .. })
    });
    assert!(lost, "the old holder is told");
}
