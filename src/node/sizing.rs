//! How large a group is to be kept by its members.

use archipelago_core::wire::{List, Name, Standard};
use bytes::Bytes;

/// The size that a group keeps itself at while it runs: see [`GroupSpec::kept_at`].
///
/// A group with more than three halves of it splits, one with fewer than a half joins another that
/// has the same parent; sizes between are left alone, so that nothing swings. A parent with more than
/// three halves of the groups that it is to have splits as well, under a tier of its own where it has
/// none above it.
///
/// [`GroupSpec::kept_at`]: crate::GroupSpec::kept_at
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizing {
    members: u32,
    span: Option<(u32, u32)>,
    parent_members: Option<u32>,
    by: Vec<Bytes>,
}

impl Sizing {
    /// About so many members, 2 to 1,000. Labels do not count; round-trip times do.
    pub const fn of(members: u32) -> Self {
        Self {
            members,
            span: None,
            parent_members: None,
            by: Vec::new(),
        }
    }

    /// From `min` to `max` members, 1 to 1,000: a group with more splits, one with fewer is merged. The
    /// most are at least twice the fewest, less one, or what is split would be merged again;
    /// [`GroupConfigError`](crate::StartError) says so at the start.
    pub const fn within(min: u32, max: u32) -> Self {
        Self {
            members: if max < 3 {
                2
            } else {
                min.saturating_add(max) / 2
            },
            span: Some((min, max)),
            parent_members: None,
            by: Vec::new(),
        }
    }

    /// Members that say the same under this attribute ([`Group::set_attribute`]) stay together where
    /// that is possible. May be given up to 8 times, the widest first: region, zone, rack. At most
    /// 255 bytes each.
    ///
    /// [`Group::set_attribute`]: crate::Group::set_attribute
    #[must_use]
    pub fn by(mut self, attribute: impl AsRef<[u8]>) -> Self {
        self.by.push(Bytes::copy_from_slice(attribute.as_ref()));
        self
    }

    /// About so many members of a group above others, at least twice the
    /// [reflectors](crate::GroupSpec::reflectors) of a group. Default as the group itself, at least
    /// that.
    #[must_use]
    pub const fn parent_members(mut self, members: u32) -> Self {
        self.parent_members = Some(members);
        self
    }

    /// As it is told in the group, whose members lead up by so many.
    pub(super) fn standard(&self, reflectors: u8) -> Standard {
        let least = 2 * u32::from(reflectors);
        Standard {
            size: self.members,
            span: self.span,
            reflectors,
            parent_size: self.parent_members.unwrap_or(self.members.max(least)),
            by: List::truncated(self.by.iter().cloned().map(Name)),
        }
    }
}
