//! Who is to be grouped with whom: a cluster's s-groups and tiers from what its nodes say of
//! themselves and from the round-trip times between them.
//!
//! ```text
//!  candidates ─▶ by label (region ▸ zone ▸ rack) ─▶ by round-trip time ─▶ groups
//!                                                                          │ reflectors
//!                 the same once more, with groups as candidates  ◀─────────┘ of each
//!                 until one group is above all
//! ```
//! A plan is a plain value: nothing is joined or left by making one, and the same candidates give
//! the same plan. It promises groups within [`Wish::range`] wherever the labels leave so many
//! together, every node in exactly one group of tier 0, and no group above [`Wish::size_max`].
//!
//! Source: the labels are topology keys as schedulers know them (region, zone, rack); the cut by
//! round-trip time is a recursive bisection between two far points (C. Faloutsos, K. Lin,
//! *FastMap*, SIGMOD 1995, §3.1 for the choice of the pivots). Cost: O(n log n) comparisons and
//! O(n log n) round-trip times asked for.

mod cut;
mod name;
mod partition;
mod resize;
mod tier;

#[cfg(test)]
mod tests;

pub use resize::Resize;

/// A node that is to be put into a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What it says of itself, the widest first, such as region, zone, rack; empty where it does
    /// not say. Missing levels count as empty.
    pub labels: Vec<String>,
}

/// What groups are wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Members of a group, 2 to 1,000.
    pub size: usize,
    /// The fewest and the most members that are left alone, 1 to 1,000; `None`: a half and three halves
    /// of the size. The most are at least twice the fewest, less one, so that both halves of a group
    /// with one more are large enough.
    pub span: Option<(usize, usize)>,
    /// Members of each group that are in the group above it, 1 to 8.
    pub reflectors: usize,
    /// Members of a group above others, at least twice `reflectors`. Three halves of it are left
    /// alone, too.
    pub parent_size: usize,
}

/// A wish that no plan fulfils.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// Groups of one node, or so large that they are meshes again.
    #[error("groups of {0} members; ask for 2 to 1000")]
    Size(usize),
    /// Groups that would be too small after a split, or too large.
    #[error(
        "groups of {min} to {max} members; ask for 1 to 1000, the most at least twice the fewest, less \
         one, or what is split would be merged again"
    )]
    Span {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// Nobody to lead up, or too many.
    #[error("{0} reflectors of each group; ask for 1 to 8")]
    Reflectors(usize),
    /// A parent that holds a single child does not bring anything together.
    #[error("parents of {0} members; ask for twice the reflectors of a group at least")]
    ParentSize(usize),
}

/// A group of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// Unique in its plan: the labels that its members share, and a number where these are not
    /// enough.
    pub name: String,
    /// Places of its candidates, rising.
    pub members: Vec<usize>,
    /// Those of them that are in the group above, rising; none in the topmost group.
    pub reflectors: Vec<usize>,
    /// 0 for groups of nodes; a parent's is one more than its children's.
    pub tier: u8,
    /// The place of the group above it.
    pub parent: Option<usize>,
}

impl Wish {
    /// Groups of about `size`, two reflectors each, and parents of about the same size.
    pub const fn of(size: usize) -> Self {
        Self {
            size,
            span: None,
            reflectors: 2,
            parent_size: if size < 4 { 4 } else { size },
        }
    }

    /// Groups of so many members at least and at most, otherwise as [`of`](Self::of) those between.
    pub const fn within(min: usize, max: usize) -> Self {
        Self {
            span: Some((min, max)),
            ..Self::of(if max < 3 {
                2
            } else {
                min.saturating_add(max) / 2
            })
        }
    }

    /// Whether there can be such groups.
    ///
    /// # Errors
    /// [`WishError`] says which number, and its range.
    pub const fn check(&self) -> Result<(), WishError> {
        if self.size < 2 || self.size > 1_000 {
            return Err(WishError::Size(self.size));
        }
        if let Some((min, max)) = self.span
            && (min < 1 || max > 1_000 || max.saturating_add(1) / 2 < min)
        {
            return Err(WishError::Span { min, max });
        }
        if self.reflectors < 1 || self.reflectors > 8 {
            return Err(WishError::Reflectors(self.reflectors));
        }
        if self.parent_size < 2 * self.reflectors {
            return Err(WishError::ParentSize(self.parent_size));
        }
        Ok(())
    }

    /// Fewer members, and a group is to be merged with another.
    pub const fn size_min(&self) -> usize {
        match self.span {
            Some((min, _)) => min,
            None => self.size.div_ceil(2),
        }
    }

    /// More members, and a group is to be split. Both halves of the smallest group that is split
    /// are above [`size_min`](Self::size_min), and what a merger makes is not split: nothing
    /// swings.
    pub const fn size_max(&self) -> usize {
        match self.span {
            Some((_, max)) => max,
            None => self.size + self.size / 2,
        }
    }

    /// The sizes that are left alone.
    pub const fn range(&self) -> std::ops::RangeInclusive<usize> {
        self.size_min()..=self.size_max()
    }

    /// The same, for the groups that are the members of a group above them.
    pub(crate) const fn of_parents(&self) -> Self {
        let children = self.parent_size / self.reflectors;
        Self {
            size: if children < 2 { 2 } else { children },
            span: None,
            ..*self
        }
    }
}

/// Round-trip times between two candidates, in microseconds. Symmetric; anything where nothing is
/// known, as long as it is the same everywhere.
pub trait Distance {
    /// Between the candidates at two places.
    fn micros(&self, one: usize, other: usize) -> u64;
}

/// Nothing is known of round-trip times: labels and the order of the candidates decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown;

impl Distance for Unknown {
    fn micros(&self, _one: usize, _other: usize) -> u64 {
        0
    }
}

impl<F: Fn(usize, usize) -> u64> Distance for F {
    fn micros(&self, one: usize, other: usize) -> u64 {
        self(one, other)
    }
}

/// The groups of `candidates` and the tiers above them: children before their parents, the topmost
/// group last.
///
/// # Errors
/// [`WishError`] where the wish is out of its range; nothing else can fail.
pub fn plan(
    candidates: &[Candidate],
    wish: &Wish,
    distance: &dyn Distance,
) -> Result<Vec<Grouped>, WishError> {
    wish.check()?;
    let all = (0..candidates.len()).collect();
    let mut groups: Vec<Grouped> = partition::partition(candidates, all, wish, distance)
        .into_iter()
        .map(Grouped::of)
        .collect();
    tier::add(&mut groups, candidates, wish, distance);
    name::give(&mut groups, candidates);
    Ok(groups)
}

impl Grouped {
    fn of(mut members: Vec<usize>) -> Self {
        members.sort_unstable();
        Self {
            members,
            ..Self::default()
        }
    }
}
