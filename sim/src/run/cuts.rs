//! The cuts of a run that are in force: several may overlap, and each ends by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{NodeIx, World};

/// What is cut now, each by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts {
    active: BTreeMap<u32, Cut>,
}

#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// These nodes from all others, both ways.
    Side(Vec<u32>),
    /// What these nodes send to all others.
    Mute(Vec<u32>),
    /// Single directions.
    Links(Vec<(u32, u32)>),
}

impl Cuts {
    /// Whether anything is cut.
    pub(super) fn is_any(&self) -> bool {
        !self.active.is_empty()
    }

    pub(super) fn begin(&mut self, id: u32, cut: Cut, world: &mut World) {
        self.active.insert(id, cut);
        self.apply(world);
    }

    /// Whether there was such a cut.
    pub(super) fn end(&mut self, id: u32, world: &mut World) -> bool {
        if self.active.remove(&id).is_none() {
            return false;
        }
        world.heal();
        self.apply(world);
        true
    }

    pub(super) fn end_all(&mut self, world: &mut World) {
        self.active.clear();
        world.heal();
    }

    fn apply(&self, world: &mut World) {
        world.partition(&self.sides(world));
        for cut in self.active.values() {
            match cut {
                Cut::Side(_) => {}
                Cut::Links(links) => {
                    for &(from, to) in links {
                        world.cut(NodeIx(from), NodeIx(to));
                    }
                }
                Cut::Mute(side) => {
                    let mute: BTreeSet<u32> = side.iter().copied().collect();
                    let others = world.nodes();
                    let others: Vec<_> = others
                        .iter()
                        .filter(|node| !mute.contains(&node.0))
                        .collect();
                    for &from in side {
                        for &&to in &others {
                            world.cut(NodeIx(from), to);
                        }
                    }
                }
            }
        }
    }

    /// Nodes that are on the same side of every partition reach each other, and nobody else.
    fn sides(&self, world: &World) -> Vec<Vec<NodeIx>> {
        let mut places: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (&id, cut) in &self.active {
            if let Cut::Side(side) = cut {
                for &node in side {
                    places.entry(node).or_default().push(id);
                }
            }
        }
        if places.is_empty() {
            return Vec::new();
        }
        let mut sides: BTreeMap<Vec<u32>, Vec<NodeIx>> = BTreeMap::new();
        for node in world.nodes() {
            let place = places.remove(&node.0).unwrap_or_default();
            sides.entry(place).or_default().push(node);
        }
        sides.into_values().collect()
    }
}
