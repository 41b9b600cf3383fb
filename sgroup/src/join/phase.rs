//! How far this node is in its group.

use archipelago_core::Time;

/// From the first dial to the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the start.
    Idle,
    /// Asks seeds; none has let it in yet.
    Asking,
    /// Has the view, and dials the members until this time at most.
    CatchingUp(Time),
    /// A full member.
    Up,
    /// Gone by its own word.
    Left,
}

impl Phase {
    /// Whether there is a group that others can be let into.
    pub(crate) const fn is_in(self) -> bool {
        matches!(self, Self::CatchingUp(_) | Self::Up)
    }

    pub(crate) const fn next(self) -> Time {
        match self {
            Self::CatchingUp(deadline) => deadline,
            Self::Idle | Self::Asking | Self::Up | Self::Left => Time::NEVER,
        }
    }
}
