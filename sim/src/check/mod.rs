//! Checkers: one module for each group of invariants, apart from the simulator.
//!
//! A checker reads the machines' own views, the transport's truth and the log of what was reported;
//! it returns what is wrong as [`Violation`]s and never changes the world.

pub mod calls;
pub mod deaths;
pub mod messages;
pub mod monitors;
pub mod names;
pub mod rows;
pub mod sessions;
pub mod updown;
pub mod views;

use crate::world::World;

/// Something that should never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant, by its name in the design.
    pub invariant: &'static str,
    /// Who, when and what, in one line.
    pub text: String,
}

impl Violation {
    /// Of `invariant`.
    pub fn new(invariant: &'static str, text: impl Into<String>) -> Self {
        Self {
            invariant,
            text: text.into(),
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

/// What must hold at every instant of every run: the order of ups and downs, the order of
/// messages, the limits of reflection.
pub fn safety(world: &World) -> Vec<Violation> {
    let mut found = updown::check(world);
    found.extend(messages::order(world));
    found.extend(rows::check(world));
    found.extend(calls::check(world));
    found
}

/// What must hold besides when the world is whole and quiet: views agree, every group is a full
/// mesh and nothing lies beyond, every message arrived or its sender knows that it may not have.
pub fn quiet(world: &World) -> Vec<Violation> {
    let mut found = safety(world);
    found.extend(views::check(world));
    found.extend(sessions::mesh(world));
    found.extend(sessions::none_beyond_groups(world));
    found.extend(messages::complete(world));
    found
}
