//! What a member does that moves: it enters the other group, is ready when it is there with all
//! that move and with all that it says, and leaves this one when it is told to.

use archipelago_core::wire::RegroupStage;
use archipelago_core::{NodeId, Time};

use super::change::{Change, Step};
use super::course::Course;
use super::sight::{Lent, Sight, ready_key, ready_value};
use super::{RegroupConfig, RegroupOutput, Regrouped};
use crate::up::election::weight;

/// Members through whom the others enter.
const SEEDS: usize = 4;

impl Course {
    /// This node's part in the change.
    pub(super) fn move_on(
        &mut self,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let Some(change) = self.change.clone().filter(|change| change.moves(&lent.me)) else {
            return;
        };
        self.wake_in(config.tick, lent.now);
        if change.intent.stage == RegroupStage::Undo {
            return self.go_back(&change, sight, lent, out);
        }
        if change.step == Step::Back {
            return;
        }
        if change.step == Step::Here {
            self.enter(&change, sight, lent, out);
        }
        let is_ready = is_ready(&change, sight, lent.me);
        let value = is_ready.then(|| ready_value(change.intent.generation));
        self.write(sight, &ready_key(), value, lent, out);
        if change.intent.stage == RegroupStage::Break {
            self.part(&change, is_ready, sight, config, lent, out);
        }
    }

    fn enter(
        &mut self,
        change: &Change,
        sight: &Sight,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let mut ranked: Vec<NodeId> = change.moving(sight).collect();
        ranked.sort_by_key(|&node| (std::cmp::Reverse(weight(change.other, node)), node));
        let founds = !change.is_merger() && ranked.first() == Some(&lent.me);
        let guide = change.is_merger().then_some(change.by);
        let mut seeds: Vec<NodeId> = guide.into_iter().chain(ranked).collect();
        seeds.retain(|&node| node != lent.me);
        seeds.truncate(SEEDS);
        if founds {
            seeds.clear();
        }
        self.set_step(Step::Both);
        out.push(RegroupOutput::Enter {
            group: self.group,
            other: change.intent.other.clone(),
            seeds,
            is_new: !change.is_merger(),
        });
    }

    /// Leaves this group; of one that ends its keeper last, who alone can go on should others fail.
    fn part(
        &mut self,
        change: &Change,
        is_ready: bool,
        sight: &Sight,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        let is_late = change.stage_at.after(config.limit) <= lent.now;
        if !is_ready {
            if is_late {
                self.go_back(change, sight, lent, out);
            }
            return;
        }
        if change.is_merger() && !self.is_succeeded(change, config, lent, out) {
            return;
        }
        // Should nobody who stays have heard the word, they hear of the heir from who leaves.
        if change.stage_at.after(config.tick) > lent.now {
            return;
        }
        let is_keeper = change.is_merger() && self.keeper(sight, config, lent.now) == Some(lent.me);
        let is_last = sight.members.iter().all(|seen| seen.node == lent.me);
        if is_keeper && !is_last && !is_late {
            return;
        }
        self.due = Time::NEVER;
        if is_keeper {
            let (kind, other) = (change.intent.kind, change.other);
            self.tell(Regrouped::Done { kind, other }, out);
        }
        out.push(RegroupOutput::Leave {
            group: self.group,
            other: change.other,
            lineage: Box::new(self.lineage.clone()),
            is_merger: change.is_merger(),
        });
        self.tell(Regrouped::Moved { to: change.other }, out);
    }

    /// Whether the other group has known for a while that it takes this one in, so that who seeks
    /// this one finds that.
    fn is_succeeded(
        &mut self,
        change: &Change,
        config: &RegroupConfig,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) -> bool {
        if !change.is_told {
            out.push(RegroupOutput::Succeed {
                group: self.group,
                other: change.other,
                lineage: Box::new(self.lineage.clone()),
                is_merger: true,
            });
            if let Some(change) = &mut self.change {
                change.is_told = true;
            }
        }
        change.is_told && change.stage_at.after(config.overlap) <= lent.now
    }

    fn go_back(
        &mut self,
        change: &Change,
        sight: &Sight,
        lent: Lent<'_>,
        out: &mut Vec<RegroupOutput>,
    ) {
        if change.step == Step::Both {
            out.push(RegroupOutput::Withdraw(change.other));
        }
        self.set_step(Step::Back);
        self.write(sight, &ready_key(), None, lent, out);
    }

    fn set_step(&mut self, step: Step) {
        if let Some(change) = &mut self.change {
            change.step = step;
        }
    }
}

/// Whether this node is in the other group with all that live and move, with all that it says, and
/// whoever is elsewhere finds the way there.
fn is_ready(change: &Change, sight: &Sight, me: NodeId) -> bool {
    sight.other.as_ref().is_some_and(|other| {
        let mut moving = change.moving(sight).filter(|&node| node != me);
        other.is_up
            && other.is_led
            && other.is_carried
            && moving.all(|node| other.members.contains(&node))
    })
}
