//! Groups as the product's own planner makes them, of nodes of an underlay; or by chance, to
//! compare it with.

use archipelago_router::grouping::{self, Candidate, Distance, Wish};

use super::config::{Grouped, Nearness};
use super::error::TopologyError;
use super::plan::{NODES_MAX, Overlay};
use crate::random::Random;
use crate::underlay::Underlay;

/// The plan for nodes placed by the underlay.
pub(super) fn grouped(
    it: &Grouped,
    underlay: Option<&Underlay>,
    random: &mut Random,
) -> Result<Overlay, TopologyError> {
    let nodes_max = u32::try_from(NODES_MAX).unwrap_or(u32::MAX);
    TopologyError::count("nodes", it.nodes, (1, nodes_max))?;
    let wish = Wish {
        size: it.size as usize,
        span: None,
        reflectors: it.reflectors as usize,
        parent_size: it.parent_size.unwrap_or(it.size) as usize,
    };
    let mut order: Vec<u32> = (0..it.nodes).collect();
    if it.by == Nearness::Chance {
        random.shuffle(&mut order);
    }
    let sites = underlay.filter(|_| it.by == Nearness::RoundTrip);
    let micros = |one: usize, other: usize| match (sites, order.get(one), order.get(other)) {
        (Some(underlay), Some(&one), Some(&other)) => round_trip(underlay, one, other),
        _ => 0,
    };
    let candidates = vec![Candidate::default(); it.nodes as usize];
    overlay(&candidates, &wish, &micros, &order)
}

fn round_trip(underlay: &Underlay, one: u32, other: u32) -> u64 {
    let (one, other) = (underlay.site_of(one), underlay.site_of(other));
    let both = underlay.site_latency(one, other) + underlay.site_latency(other, one);
    u64::try_from(both.as_micros()).unwrap_or(u64::MAX)
}

/// Candidates are numbered as they stand in `order`, nodes by what stands there.
fn overlay(
    candidates: &[Candidate],
    wish: &Wish,
    distance: &dyn Distance,
    order: &[u32],
) -> Result<Overlay, TopologyError> {
    let groups = grouping::plan(candidates, wish, distance)
        .map_err(|error| TopologyError::Contradiction(error.to_string()))?;
    let mut overlay = Overlay::default();
    overlay.take(u32::try_from(order.len()).unwrap_or(u32::MAX));
    let nodes = |places: &[usize]| -> Vec<u32> {
        let places = places.iter();
        places.filter_map(|&it| order.get(it).copied()).collect()
    };
    for group in groups {
        let place = overlay.push(group.name, nodes(&group.members));
        let planned = &mut overlay.groups[place];
        planned.reflectors = nodes(&group.reflectors);
        planned.parents = group.parent.into_iter().collect();
        planned.tier = group.tier;
    }
    Ok(overlay)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::topology::OverlayConfig;
    use crate::underlay::{CoordinatesConfig, LatencyModel, UnderlayConfig};

    /// Mean round trip between two nodes of one lowest group, in microseconds.
    fn fellows_apart(overlay: &Overlay, underlay: &Underlay) -> u64 {
        let (mut sum, mut pairs) = (0, 0);
        for group in overlay.groups.iter().filter(|group| group.tier == 0) {
            for &one in &group.members {
                for &other in group.members.iter().filter(|&&other| other > one) {
                    sum += round_trip(underlay, one, other);
                    pairs += 1;
                }
            }
        }
        sum / pairs
    }

    #[test]
    fn groups_by_round_trip_are_nearer_than_groups_by_chance() {
        let underlay = UnderlayConfig {
            latency: LatencyModel::Coordinates(CoordinatesConfig::default()),
            ..UnderlayConfig::default()
        };
        let underlay = underlay.build(7, Path::new("")).unwrap();
        let made = |by| {
            let config = OverlayConfig::Grouped(Grouped {
                nodes: 400,
                size: 20,
                reflectors: 2,
                parent_size: None,
                by,
            });
            config.build(7, Path::new(""), Some(&underlay)).unwrap()
        };
        let (near, chance) = (made(Nearness::RoundTrip), made(Nearness::Chance));
        assert_eq!(near.groups.len(), chance.groups.len());
        assert_eq!(near, made(Nearness::RoundTrip));
        let (near, chance) = (
            fellows_apart(&near, &underlay),
            fellows_apart(&chance, &underlay),
        );
        assert!(near * 2 < chance, "{near} against {chance} µs");
    }
}
