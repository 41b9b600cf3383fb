//! The owner-log against its naive model: whatever is lost, repeated and reordered, a replica never
//! goes back (I1) and becomes equal to its owner's log once messages get through.

mod log_support;

use archipelago_core::wire::LogUpdate;
use archipelago_core::{Boot, Era, NodeId, Peer};
use archipelago_sgroup::log::{Applied, LogConfig, PeerLog};
use log_support::{Owner, Witness, key, tiny};
use proptest::prelude::*;

const KEYS: u8 = 4;
const OWNER: NodeId = NodeId([1; 32]);

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Delete(u8),
    Restart,
    RaiseEra,
    /// The owner sends what follows this share of what it can send deltas of.
    Push(u8),
    /// The replica asks, and the answer is on its way.
    Pull,
    /// One of the messages under way arrives, and may arrive again.
    Deliver(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..KEYS).prop_map(Step::Put),
        4 => (0..KEYS).prop_map(Step::Delete),
        1 => prop_oneof![Just(Step::Restart), Just(Step::RaiseEra)],
        4 => any::<u8>().prop_map(Step::Push),
        6 => Just(Step::Pull),
        14 => any::<prop::sample::Index>().prop_map(Step::Deliver),
    ];
    prop::collection::vec(step, 1..80)
}

fn config(page_entries: usize, deletions_max: usize) -> LogConfig {
    LogConfig {
        page_entries,
        deletions_max,
        ..tiny()
    }
}

struct World {
    config: LogConfig,
    owner: Owner,
    replica: PeerLog,
    witness: Witness,
    under_way: Vec<LogUpdate>,
}

impl World {
    fn new(config: LogConfig) -> Self {
        Self {
            config,
            owner: Owner::new(),
            replica: PeerLog::new(Peer(1), Boot(1), Era(0)),
            witness: Witness::default(),
            under_way: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), &'static str> {
        match step {
            Step::Put(number) => self.owner.put(*number, &self.config),
            Step::Delete(number) => {
                self.owner.delete(*number, &self.config);
            }
            Step::Restart => self.owner.restart(),
            Step::RaiseEra => self.owner.raise_era(),
            Step::Push(share) => {
                let (floor, head) = (self.owner.log.floor(), self.owner.log.head());
                let from = floor + (head - floor) * u64::from(*share) / 255;
                let page = self.owner.log.page_from(from, &[], &self.config);
                self.under_way.extend(page);
            }
            Step::Pull => {
                let page = self.answer();
                self.under_way.extend(page);
            }
            Step::Deliver(index) if !self.under_way.is_empty() => {
                let update = index.get(&self.under_way).clone();
                self.deliver(&update)?;
            }
            Step::Deliver(_) => {}
        }
        Ok(())
    }

    fn answer(&self) -> Option<LogUpdate> {
        let pull = self.replica.pull(OWNER);
        self.owner.log.page(&pull, &self.config)
    }

    fn deliver(&mut self, update: &LogUpdate) -> Result<Applied, &'static str> {
        let mut changes = Vec::new();
        let mut shown: std::collections::BTreeMap<_, _> = self
            .replica
            .range(b"")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let applied = self.replica.apply(update, &self.config, &mut changes);
        for change in changes {
            match change.value {
                Some(value) => shown.insert(change.key, value),
                None => shown.remove(&change.key),
            };
        }
        if !shown.iter().eq(self.replica.range(b"")) {
            return Err("the changes told do not make the new state from the old");
        }
        self.witness.look(&self.replica, &self.owner, KEYS)?;
        applied.map_err(|_| "an owner's own update is refused")
    }

    /// Messages get through from now on.
    fn heal(&mut self) -> Result<(), &'static str> {
        for _ in 0..200 {
            let Some(update) = self.answer() else {
                // An empty log of a later start is told by the view, not by the log.
                let (boot, era) = self.owner.log.epoch();
                self.replica.on_epoch(boot, era, &mut Vec::new());
                return if self.owner.is_shown_by(&self.replica) {
                    Ok(())
                } else {
                    Err("nothing more is sent, and the two differ")
                };
            };
            self.deliver(&update)?;
        }
        Err("no end of pages")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// I1, V1: steps in any order, then messages get through.
    #[test]
    fn a_replica_never_goes_back_and_becomes_equal(
        steps in steps(),
        page_entries in 1_usize..3,
        deletions_max in 0_usize..3,
    ) {
        let mut world = World::new(config(page_entries, deletions_max));
        for step in &steps {
            world.take(step).map_err(TestCaseError::fail)?;
        }
        world.heal().map_err(TestCaseError::fail)?;
    }

    /// The merge is commutative, associative and idempotent: of the same updates, each from the
    /// start of the log, any order with any repetitions makes the same replica.
    #[test]
    fn any_order_of_the_same_updates_makes_the_same_replica(
        writes in prop::collection::vec((0..KEYS, any::<bool>()), 1..30),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let config = config(1_024, 1_000);
        let mut owner = Owner::new();
        let mut updates = Vec::new();
        for (number, is_put) in writes {
            if is_put {
                owner.put(number, &config);
            } else {
                owner.delete(number, &config);
            }
            updates.extend(owner.log.page_from(0, &[], &config));
        }
        let mut in_order = PeerLog::new(Peer(1), Boot(1), Era(0));
        let mut shuffled = in_order.clone();
        let mut picked: Vec<LogUpdate> = Vec::new();
        if !updates.is_empty() {
            picked.extend(order.iter().map(|index| index.get(&updates).clone()));
        }
        for update in &picked {
            shuffled.apply(update, &config, &mut Vec::new()).unwrap();
        }
        picked.sort_by_key(|update| update.to_seq);
        picked.dedup();
        for update in &picked {
            in_order.apply(update, &config, &mut Vec::new()).unwrap();
        }
        prop_assert!(shuffled.range(b"").eq(in_order.range(b"")));
        prop_assert_eq!(shuffled.applied(), in_order.applied());
    }
}

/// A page that is lost in the middle is asked for again from there; what the owner wrote in between
/// is neither lost nor brought back.
#[test]
fn a_snapshot_goes_on_after_a_loss_and_interleaved_writes() {
    let mut world = World::new(config(1, 0));
    for number in 0..KEYS {
        world.owner.put(number, &world.config);
    }
    world.owner.delete(KEYS - 1, &world.config);
    let first = world.answer().unwrap();
    assert!(first.snapshot);
    assert_eq!(world.deliver(&first), Ok(Applied::Page));
    let lost = world.answer().unwrap();
    world.owner.delete(0, &world.config);
    world.owner.put(1, &world.config);
    let next = world.answer().unwrap();
    assert_eq!(next.range_after, key(0));
    assert_eq!(world.deliver(&next), Ok(Applied::Page));
    assert_eq!(world.deliver(&lost), Ok(Applied::Gap));
    assert_eq!(world.heal(), Ok(()));
    assert_eq!(world.replica.get(&key(0)), None);
}
