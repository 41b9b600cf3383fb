//! How this node gets into its group, and keeps a session with every member.
//!
//! [`seeds`]: whom to ask for admission, for ever. [`mesh`]: members without an admitted session.
//! [`phase`]: how far this node is. All three only say what is to be done.

mod mesh;
mod phase;
mod seeds;

pub(crate) use mesh::{Mesh, MeshAct};
pub(crate) use phase::Phase;
pub(crate) use seeds::{SeedAct, Seeds};

use std::time::Duration;

use archipelago_core::Rng;

/// The next wait of a back-off between `range`'s ends, and the same with jitter. The jittered
/// wait does not pass the upper end, so that bounds on healing hold.
pub(crate) fn back_off(
    wait: Duration,
    range: (Duration, Duration),
    rng: &mut Rng,
) -> (Duration, Duration) {
    let next = (wait * 2).clamp(range.0, range.1);
    (next, rng.jitter(next).min(range.1))
}
