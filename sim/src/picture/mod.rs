//! A drawn map of groups and reflectors, as one SVG with no script.
//!
//! A group is a disc of its nodes. A node of several groups, a reflector, stands on the rim of its
//! first one and leads to the others by lines. Groups without tiers are placed by forces, or where
//! their nodes are in an underlay; tiers are layers, or rings where a layer would be too wide. Up to
//! [`DISCS_MAX`] groups are drawn one by one; of more, several are drawn as one stack that says how
//! many. Equal plans give equal pictures.
//! Source of the forces: T. Fruchterman, E. Reingold 1991. Cost: O(memberships), and 300 rounds over
//! all pairs of discs.

mod layout;
mod scene;
mod svg;

use crate::topology::Overlay;
use crate::underlay::Underlay;

/// Groups that are drawn one by one.
pub const DISCS_MAX: usize = 60;

/// Draws a plan.
pub fn draw(overlay: &Overlay) -> String {
    let mut scene = scene::Scene::of(overlay);
    layout::place(&mut scene);
    svg::write(&scene)
}

/// Draws a plan with its groups where their nodes are, if the underlay knows latitudes and
/// longitudes; else as [`draw`].
pub fn draw_on_map(overlay: &Overlay, underlay: &Underlay) -> String {
    let mut scene = scene::Scene::of(overlay);
    if scene.is_stacked || !layout::place_on_map(&mut scene, overlay, underlay) {
        return draw(overlay);
    }
    svg::write(&scene)
}
