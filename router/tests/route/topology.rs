//! Random topologies: floods end (F8, U22, I10), and the map is what a naive model says (U20, V5).

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::NodeId;
use archipelago_router::lookup::{LookupError, LookupOutput};
use archipelago_router::reflect::ReflectConfig;

use super::kit::{group, node};
use super::mesh::Mesh;

const SEEDS: u64 = 10_000;

/// Distance of every station to every group by relaxation: 0 to its own, else one more than the
/// nearest living neighbour's.
fn distances(mesh: &Mesh) -> Vec<BTreeMap<u64, u8>> {
    let mut distances: Vec<BTreeMap<u64, u8>> = mesh
        .stations
        .iter()
        .map(|station| station.groups.iter().map(|&group| (group, 0)).collect())
        .collect();
    loop {
        let before = distances.clone();
        for (one, other) in adjacent(mesh) {
            for (&group, &hops) in &before[other] {
                let entry = distances[one].entry(group).or_insert(u8::MAX);
                *entry = (*entry).min(hops.saturating_add(1));
            }
        }
        if distances == before {
            return distances;
        }
    }
}

/// Who hears whom.
fn adjacent(mesh: &Mesh) -> Vec<(usize, usize)> {
    let all = 0..mesh.stations.len();
    let pairs = all
        .clone()
        .flat_map(|one| all.clone().map(move |other| (one, other)));
    pairs
        .filter(|&(one, other)| {
            let (one, other) = (&mesh.stations[one], &mesh.stations[other]);
            let is_common = one.groups.intersection(&other.groups).next().is_some();
            is_common && one.is_alive && other.is_alive
        })
        .filter(|(one, other)| one != other)
        .collect()
}

/// The map of one station by the model: hops and next hops of each group.
fn model(mesh: &Mesh, at: usize) -> BTreeMap<u64, (u8, BTreeSet<NodeId>)> {
    let distances = distances(mesh);
    let neighbours: Vec<usize> = adjacent(mesh)
        .into_iter()
        .filter_map(|(one, other)| (one == at).then_some(other))
        .collect();
    let next_hops = |group: u64, hops: u8| {
        let leads = |&&other: &&usize| distances[other].get(&group) == Some(&(hops - 1));
        let leading = neighbours.iter().filter(leads);
        leading.map(|&other| node(other as u64)).collect()
    };
    let beyond = distances[at].iter().filter(|(_, hops)| **hops > 0);
    beyond
        .map(|(&group, &hops)| (group, (hops, next_hops(group, hops))))
        .collect()
}

fn assert_maps(mesh: &Mesh, seed: u64) {
    for (at, station) in mesh.stations.iter().enumerate() {
        if !station.is_alive {
            continue;
        }
        let numbers = (0..10).map(|number| (group(number), number));
        let numbers: BTreeMap<_, _> = numbers.collect();
        let said: BTreeMap<u64, (u8, BTreeSet<NodeId>)> = station
            .reflect
            .routes(&station.bench.peers)
            .into_iter()
            .filter(|route| route.hops > 0)
            .map(|route| {
                let next_hops = route.next_hops.into_iter().collect();
                (numbers[&route.group], (route.hops, next_hops))
            })
            .collect();
        assert_eq!(said, model(mesh, at), "seed={seed} station={at}");
    }
}

fn assert_once(mesh: &Mesh, seed: u64) {
    let twice = mesh.passages.iter().find(|&(_, &count)| count > 1);
    assert_eq!(twice, None, "seed={seed}: a version went twice over a link");
}

#[test]
fn f8_u22_i10_rows_flood_once_and_the_map_is_the_shortest_ways() {
    for seed in 0..SEEDS {
        let groups = Mesh::random_groups(seed);
        let mut mesh = Mesh::new(seed, &groups, ReflectConfig::default());
        mesh.wire();
        mesh.settle();
        mesh.pass(1);
        assert_once(&mesh, seed);
        assert_maps(&mesh, seed);
    }
}

#[test]
fn f7_v5_the_map_follows_the_death_of_reflectors() {
    for seed in 0..SEEDS / 20 {
        let groups = Mesh::random_groups(seed);
        let mut mesh = Mesh::new(seed, &groups, ReflectConfig::default());
        mesh.wire();
        mesh.settle();
        mesh.pass(1);
        let deaths = 1 + mesh.rng.below(3).min(groups.len() as u64 - 1);
        for _ in 0..deaths {
            let dead = mesh.rng.below(groups.len() as u64) as usize;
            if mesh.stations[dead].is_alive {
                mesh.kill(dead);
            }
        }
        mesh.settle();
        // Those that died while a row was on its way through them are made up for by digests.
        mesh.pass(120);
        assert_maps(&mesh, seed);
        mesh.pass(240);
        for station in mesh.stations.iter().filter(|station| station.is_alive) {
            let alive = mesh.stations.iter().filter(|other| other.is_alive).count();
            assert!(
                station.reflect.rows_len() <= alive,
                "seed={seed}: rows of the dead stay"
            );
        }
    }
}

#[test]
fn a_full_mesh_of_reflectors_floods_each_change_once_per_neighbour() {
    // 24 groups of one reflector each, all in one backbone: the shape of the demo.
    let groups: Vec<BTreeSet<u64>> = (1..25).map(|own| BTreeSet::from([0, own])).collect();
    let mut mesh = Mesh::new(7, &groups, ReflectConfig::default());
    mesh.wire();
    mesh.settle();
    mesh.pass(1);
    assert_once(&mesh, 7);
    let before = mesh.delivered;
    mesh.kill(0);
    mesh.settle();
    // Each survivor withdraws it once, to each other survivor, and nobody passes that on.
    let per_survivor = (mesh.delivered - before) / 23;
    assert!(
        per_survivor <= 23,
        "{per_survivor} messages each for one death"
    );
}

#[test]
fn the_table_is_bounded_and_says_what_it_refused() {
    let groups: Vec<BTreeSet<u64>> = (1..10).map(|own| BTreeSet::from([0, own])).collect();
    let config = ReflectConfig {
        rows_max: 4,
        ..ReflectConfig::default()
    };
    let mut mesh = Mesh::new(3, &groups, config);
    mesh.wire();
    mesh.settle();
    mesh.pass(60);
    for station in &mesh.stations {
        assert_eq!(station.reflect.rows_len(), 4);
        assert!(station.reflect.counters().full > 0);
    }
}

#[test]
fn more_reflectors_in_a_group_than_a_row_lists_still_reach_every_group() {
    let groups: Vec<BTreeSet<u64>> = (0..45).map(|n| BTreeSet::from([9, n % 9])).collect();
    let mut mesh = Mesh::new(5, &groups, ReflectConfig::default());
    mesh.wire();
    mesh.settle();
    mesh.pass(1);
    assert_maps(&mesh, 5);
}

/// Every station seeks every other one in every group of that one; says how it should end.
fn seek_all(mesh: &mut Mesh, seed: u64) -> usize {
    let distances = distances(mesh);
    let mut sought = 0;
    for (at, distances) in distances.iter().enumerate() {
        for target in 0..mesh.stations.len() {
            let homes: Vec<u64> = mesh.stations[target].groups.iter().copied().collect();
            for home in homes {
                let hops = distances.get(&home).copied();
                if at == target || hops == Some(0) || !mesh.stations[at].is_alive {
                    continue;
                }
                mesh.ended.clear();
                mesh.locate(at, target, home);
                mesh.settle();
                let is_found = |(_, end): &(usize, LookupOutput)| matches!(end, LookupOutput::Found(f) if f.record.record.node == node(target as u64));
                let can_be = hops.is_some() && mesh.stations[target].is_alive;
                let [end] = &mesh.ended[..] else {
                    panic!("seed={seed} {at}->{target}: {:?}", mesh.ended)
                };
                assert_eq!(
                    is_found(end),
                    can_be,
                    "seed={seed} {at}->{target} in {home}: {end:?}"
                );
                sought += 1;
            }
        }
    }
    sought
}

#[test]
fn v5_a_look_up_succeeds_where_living_reflectors_lead_there_and_fails_at_once_elsewhere() {
    let mut sought = 0;
    for seed in 0..SEEDS / 20 {
        let groups = Mesh::random_groups(seed);
        let mut mesh = Mesh::new(seed, &groups, ReflectConfig::default());
        mesh.wire();
        mesh.settle();
        mesh.pass(1);
        sought += seek_all(&mut mesh, seed);
    }
    assert!(sought > 1_000, "{sought} look-ups");
}

#[test]
fn u20_u21_along_a_chain_a_mute_reflector_is_gone_round_and_lost_ones_recover() {
    // Groups 0-1-2-3-4, two reflectors between each two.
    let groups: Vec<BTreeSet<u64>> = (0..8).map(|n| BTreeSet::from([n / 2, n / 2 + 1])).collect();
    for seed in 0..50 {
        let mut mesh = Mesh::new(seed, &groups, ReflectConfig::default());
        mesh.wire();
        mesh.settle();
        mesh.pass(1);
        // One of the second pair takes questions and says nothing: no more than hedges are lost.
        mesh.mute.insert(2 + (seed % 2) as usize);
        mesh.locate(0, 7, 4);
        mesh.pass(1);
        assert!(
            matches!(&mesh.ended[..], [(0, LookupOutput::Found(_))]),
            "seed={seed}"
        );
        mesh.mute.clear();
        // Both of the third pair die: no route, at once.
        mesh.ended.clear();
        mesh.kill(4);
        mesh.kill(5);
        mesh.settle();
        mesh.locate(1, 6, 4);
        mesh.settle();
        let failed = (
            1,
            LookupOutput::Failed {
                target: node(6),
                error: LookupError::NoRoute,
            },
        );
        assert_eq!(mesh.ended, [failed], "seed={seed}");
    }
}
