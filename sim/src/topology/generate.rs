//! Makes plans of groups: flat, in tiers, along graphs, by region, by chance, from files.
//!
//! Sources: s-groups with gateways (SD Erlang); reflectors of reflectors as RFC 4456 section 5 has
//! it, with tiers as DESIGN of this project; the graphs as in `shape`.
//! Cost: O(memberships).

use std::path::Path;

use petgraph::graph::UnGraph;
use petgraph::visit::EdgeRef;

use super::config::{
    Flat, FromFile, Hierarchy, Mapping, Overlapping, OverlayConfig, Regional, Shaped,
};
use super::error::TopologyError;
use super::exchange;
use super::grouped::grouped;
use super::plan::{MEMBERSHIPS_MAX, NODES_MAX, Overlay};
use crate::formats::VERTICES_MAX;
use crate::random::Random;
use crate::underlay::{Site, Underlay};

/// The most members that a group is planned with.
const SIZE_MAX: u32 = 20_000;

impl OverlayConfig {
    /// Makes the plan. `seed` draws what is by chance, `folder` is what files are relative to, and
    /// `underlay` says which node is where.
    ///
    /// # Errors
    /// [`TopologyError`], naming the parameter or the file's line, and what is allowed.
    pub fn build(
        &self,
        seed: u64,
        folder: &Path,
        underlay: Option<&Underlay>,
    ) -> Result<Overlay, TopologyError> {
        let mut random = Random::split(seed, 0x70_7010);
        let overlay = match self {
            Self::FullMesh { nodes } => full_mesh(*nodes),
            Self::Flat(it) => flat(it, &mut random),
            Self::Hierarchy(it) => hierarchy(it),
            Self::Shaped(it) => shaped(it, &mut random),
            Self::Overlapping(it) => overlapping(it, &mut random),
            Self::Regional(it) => regional(it, underlay),
            Self::Grouped(it) => grouped(it, underlay, &mut random),
            Self::File(it) => from_file(it, folder),
        };
        let mut overlay = overlay?;
        for group in &mut overlay.groups {
            group.reflectors.sort_unstable();
            group.reflectors.dedup();
        }
        overlay.check()?;
        Ok(overlay)
    }
}

fn full_mesh(nodes: u32) -> Result<Overlay, TopologyError> {
    TopologyError::count("nodes", nodes, (1, SIZE_MAX))?;
    let mut overlay = Overlay::default();
    let members = overlay.take(nodes);
    overlay.push("mesh".to_owned(), members);
    Ok(overlay)
}

/// Groups of new nodes.
fn bottom(groups: u32, size: u32) -> Result<Overlay, TopologyError> {
    let groups_max = u32::try_from(VERTICES_MAX).unwrap_or(u32::MAX);
    TopologyError::count("groups", groups, (1, groups_max))?;
    TopologyError::count("size", size, (1, SIZE_MAX))?;
    let nodes = u64::from(groups) * u64::from(size);
    TopologyError::limit("nodes", nodes, NODES_MAX)?;
    let mut overlay = Overlay::default();
    for group in 0..groups {
        let members = overlay.take(size);
        overlay.push(format!("g{group}"), members);
    }
    Ok(overlay)
}

fn flat(it: &Flat, random: &mut Random) -> Result<Overlay, TopologyError> {
    let mut overlay = bottom(it.groups, it.size)?;
    TopologyError::count("reflectors", it.reflectors, (0, it.size))?;
    TopologyError::count("overlap", it.overlap, (0, it.size))?;
    if it.groups > 1 {
        for group in 0..it.groups {
            // The last ones, so that they are not the reflectors where there is a choice.
            for index in it.size - it.overlap..it.size {
                let by = 1 + random.below(u64::from(it.groups) - 1);
                let other = (u64::from(group) + by) % u64::from(it.groups);
                let other = usize::try_from(other).unwrap_or(0);
                lend(&mut overlay, group as usize, other, index as usize);
            }
        }
    }
    if it.reflectors > 0 && it.groups > 1 {
        let children: Vec<usize> = (0..overlay.groups.len()).collect();
        let backbone = parent(
            &mut overlay,
            &children,
            it.reflectors,
            "backbone".to_owned(),
            1,
        );
        for child in children {
            overlay.groups[child].parents = vec![backbone];
        }
    }
    Ok(overlay)
}

/// Puts the member at `index` of one group into another, too, where it is not yet.
fn lend(overlay: &mut Overlay, from: usize, to: usize, index: usize) {
    let lender = &mut overlay.groups[from];
    let node = lender.members[index];
    lender.reflectors.push(node);
    let borrower = &mut overlay.groups[to];
    borrower.members.push(node);
    borrower.reflectors.push(node);
}

/// A group above `children`, of some members of each; its place. Of the lowest groups they are the
/// first; of others they are spread, so that one group's nodes do not serve every tier.
fn parent(
    overlay: &mut Overlay,
    children: &[usize],
    reflectors: u32,
    name: String,
    tier: u8,
) -> usize {
    let mut members = Vec::new();
    for &child in children {
        let group = &mut overlay.groups[child];
        let (len, count) = (group.members.len(), reflectors as usize);
        let stride = if group.tier == 0 {
            1
        } else {
            (len / count).max(1)
        };
        let chosen = group.members.iter().step_by(stride).take(count);
        members.extend(chosen.clone());
        group.reflectors.extend(chosen);
    }
    members.sort_unstable();
    members.dedup();
    let place = overlay.push(name, members);
    overlay.groups[place].tier = tier;
    place
}

fn hierarchy(it: &Hierarchy) -> Result<Overlay, TopologyError> {
    let mut overlay = bottom(it.groups, it.size)?;
    TopologyError::count("reflectors", it.reflectors, (1, it.size.min(8)))?;
    let range = (2 * it.reflectors, SIZE_MAX);
    TopologyError::count("parent_size", it.parent_size, range)?;
    TopologyError::count("parents", it.parents, (1, 4))?;
    TopologyError::count("tiers", it.tiers, (1, 8))?;
    let mut children: Vec<usize> = (0..overlay.groups.len()).collect();
    for tier in 1..=u8::try_from(it.tiers).unwrap_or(u8::MAX) {
        if children.len() == 1 {
            break;
        }
        let is_last = u32::from(tier) == it.tiers;
        children = next_tier(&mut overlay, &children, it, (tier, is_last));
    }
    Ok(overlay)
}

/// The groups above `children`, which lead to as many parents as they are to have.
fn next_tier(
    overlay: &mut Overlay,
    children: &[usize],
    it: &Hierarchy,
    (tier, is_last): (u8, bool),
) -> Vec<usize> {
    // With p parents each, a parent has p times the children; of a single parent there is one.
    let fan_in = (it.parent_size / it.reflectors / it.parents).max(2) as usize;
    let count = if is_last {
        1
    } else {
        children.len().div_ceil(fan_in)
    };
    let parents = (it.parents as usize).min(count);
    let mut above = Vec::with_capacity(count);
    for number in 0..count {
        // Even shares: sizes differ by one child at most.
        let share = |number: usize| {
            let (low, high) = (
                number * children.len() / count,
                (number + 1) * children.len() / count,
            );
            children.get(low..high).unwrap_or_default()
        };
        let mine: Vec<usize> = (0..parents)
            .flat_map(|back| share((number + count - back) % count))
            .copied()
            .collect();
        let place = parent(
            overlay,
            &mine,
            it.reflectors,
            format!("t{tier}-{number}"),
            tier,
        );
        for child in mine {
            overlay.groups[child].parents.push(place);
        }
        above.push(place);
    }
    above
}

fn shaped(it: &Shaped, random: &mut Random) -> Result<Overlay, TopologyError> {
    let graph = it.shape.graph(random)?;
    along(&graph, it.mapping)
}

/// Groups, or pairs of nodes, along a simple graph.
pub(super) fn along<N, E>(
    graph: &UnGraph<N, E>,
    mapping: Mapping,
) -> Result<Overlay, TopologyError> {
    match mapping {
        Mapping::Groups { size, reflectors } => groups_along(graph, size, reflectors),
        Mapping::Pairs => Ok(pairs_along(graph)),
    }
}

fn groups_along<N, E>(
    graph: &UnGraph<N, E>,
    size: u32,
    reflectors: u32,
) -> Result<Overlay, TopologyError> {
    let vertices = u32::try_from(graph.node_count()).unwrap_or(u32::MAX);
    TopologyError::count("reflectors", reflectors, (1, size))?;
    let borrowed = graph.edge_count() as u64 * u64::from(reflectors);
    TopologyError::limit("memberships", borrowed, MEMBERSHIPS_MAX)?;
    let mut overlay = bottom(vertices, size)?;
    let mut lent = vec![0u64; graph.node_count()];
    for edge in graph.edge_references() {
        let (one, other) = (edge.source().index(), edge.target().index());
        let (from, to) = if lent[one] <= lent[other] {
            (one, other)
        } else {
            (other, one)
        };
        for _ in 0..reflectors {
            let index = lent[from] % u64::from(size);
            lend(&mut overlay, from, to, usize::try_from(index).unwrap_or(0));
            lent[from] += 1;
        }
    }
    Ok(overlay)
}

fn pairs_along<N, E>(graph: &UnGraph<N, E>) -> Overlay {
    let mut overlay = Overlay::default();
    overlay.take(u32::try_from(graph.node_count()).unwrap_or(u32::MAX));
    for (number, edge) in graph.edge_references().enumerate() {
        let ends = [edge.source(), edge.target()];
        let members = ends.map(|end| u32::try_from(end.index()).unwrap_or(u32::MAX));
        let place = overlay.push(format!("p{number}"), members.to_vec());
        let is_reflector = |&&end: &&_| graph.edges(end).nth(1).is_some();
        let reflectors = ends.iter().filter(is_reflector);
        let reflectors = reflectors.map(|end| u32::try_from(end.index()).unwrap_or(u32::MAX));
        overlay.groups[place].reflectors = reflectors.collect();
    }
    overlay
}

fn overlapping(it: &Overlapping, random: &mut Random) -> Result<Overlay, TopologyError> {
    let nodes_max = u32::try_from(NODES_MAX).unwrap_or(u32::MAX);
    TopologyError::count("nodes", it.nodes, (1, nodes_max))?;
    TopologyError::count("groups", it.groups, (1, it.nodes))?;
    TopologyError::count("overlaps", it.overlaps, (0, nodes_max))?;
    let mut overlay = Overlay::default();
    let all = overlay.take(it.nodes);
    for group in 0..it.groups {
        overlay.push(format!("g{group}"), Vec::new());
    }
    let groups = it.groups as usize;
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(all.len());
    for &node in &all {
        let group = node as usize % groups;
        overlay.groups[group].members.push(node);
        places.push(vec![group]);
    }
    for _ in 0..it.overlaps {
        let node = random.index(all.len());
        let group = random.index(groups);
        if !places[node].contains(&group) {
            overlay.groups[group].members.push(all[node]);
            places[node].push(group);
        }
    }
    for (places, &node) in places
        .iter()
        .zip(&all)
        .filter(|(places, _)| places.len() > 1)
    {
        for &place in places {
            overlay.groups[place].reflectors.push(node);
        }
    }
    Ok(overlay)
}

/// Per site, groups of nearly equal size; above them, where there are several, a group per site;
/// above those, one.
fn regional(it: &Regional, underlay: Option<&Underlay>) -> Result<Overlay, TopologyError> {
    let nodes_max = u32::try_from(NODES_MAX).unwrap_or(u32::MAX);
    TopologyError::count("nodes", it.nodes, (1, nodes_max))?;
    TopologyError::count("size", it.size, (1, SIZE_MAX))?;
    TopologyError::count("reflectors", it.reflectors, (1, it.size.min(8)))?;
    let Some(underlay) = underlay.filter(|underlay| !underlay.sites().is_empty()) else {
        let problem = "a regional topology needs an underlay with sites: a matrix, regions, \
                       coordinates in a file, or a graph";
        return Err(TopologyError::Contradiction(problem.to_owned()));
    };
    let mut overlay = Overlay::default();
    let mut by_site = vec![Vec::new(); underlay.sites().len()];
    for node in overlay.take(it.nodes) {
        if let Some(there) = by_site.get_mut(underlay.site_of(node) as usize) {
            there.push(node);
        }
    }
    let mut tops = Vec::new();
    for (site, nodes) in by_site
        .iter()
        .enumerate()
        .filter(|(_, nodes)| !nodes.is_empty())
    {
        let name = region_name(underlay.sites(), site);
        tops.push(region(&mut overlay, &name, nodes, it));
    }
    if tops.len() > 1 {
        let place = parent(&mut overlay, &tops, it.reflectors, "world".to_owned(), 2);
        for top in tops {
            overlay.groups[top].parents.push(place);
        }
    }
    Ok(overlay)
}

/// A site's name as far as a group may have it, with its number where another has the same.
fn region_name(sites: &[Site], site: usize) -> String {
    let name = |site: &Site| -> String {
        let letters = site.name.chars().filter(|letter| !letter.is_control());
        letters.take(40).collect()
    };
    let mine = sites.get(site).map(name).unwrap_or_default();
    let same = sites.iter().filter(|other| name(other) == mine).count();
    if same > 1 || mine.is_empty() || mine == "world" {
        return format!("{mine}#{site}");
    }
    mine
}

/// The groups of one site; the place of the topmost.
fn region(overlay: &mut Overlay, name: &str, nodes: &[u32], it: &Regional) -> usize {
    let count = nodes.len().div_ceil(it.size as usize);
    let mut places = Vec::with_capacity(count);
    for number in 0..count {
        let (low, high) = (
            number * nodes.len() / count,
            (number + 1) * nodes.len() / count,
        );
        let members = nodes.get(low..high).unwrap_or_default().to_vec();
        let name = if count == 1 {
            name.to_owned()
        } else {
            format!("{name}-g{number}")
        };
        places.push(overlay.push(name, members));
    }
    if let [only] = places.as_slice() {
        return *only;
    }
    let top = parent(overlay, &places, it.reflectors, name.to_owned(), 1);
    for place in places {
        overlay.groups[place].parents.push(top);
    }
    top
}

fn from_file(it: &FromFile, folder: &Path) -> Result<Overlay, TopologyError> {
    let path = folder.join(&it.file);
    let file = path.display().to_string();
    let Some(format) = it.format.or_else(|| exchange::OverlayFormat::of(&path)) else {
        let problem = format!("{file}: no known ending; give format");
        return Err(TopologyError::Contradiction(problem));
    };
    let text = crate::formats::load(&path).map_err(|source| TopologyError::Read {
        file: file.clone(),
        source,
    })?;
    let name = |error| match error {
        exchange::ReadError::Format(source) => TopologyError::Format { file, source },
        exchange::ReadError::Plan(error) => error,
    };
    exchange::read(format, &text, it.mapping).map_err(name)
}
