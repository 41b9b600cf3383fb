//! Where discs are: by forces, in layers or rings of tiers, or where their nodes are on earth.

use std::f64::consts::TAU;

use super::scene::{Disc, Scene, Shape};
use crate::topology::Overlay;
use crate::underlay::Underlay;

/// Rounds of the forces.
const ROUNDS: u32 = 300;
/// How strongly everything is drawn to the middle.
const GRAVITY: f64 = 0.12;
/// Between discs.
const GAP: f64 = 26.0;
/// Discs that a layer holds before tiers become rings.
const LAYER_MAX: usize = 16;

/// Places every disc.
pub(super) fn place(scene: &mut Scene) {
    let bottom = tier(scene, 0).len();
    if scene.tiers == 0 || scene.parents.is_empty() {
        scene.shape = Shape::Forces;
        forces(scene);
    } else if bottom <= LAYER_MAX {
        scene.shape = Shape::Layers;
        layers(scene);
    } else {
        scene.shape = Shape::Rings;
        rings(scene);
    }
}

/// Places discs at the mean of their nodes' sites; `false`, and nothing changed, where no site's place
/// is known. A disc of unknown place is put in the middle of those that it shares nodes with.
pub(super) fn place_on_map(scene: &mut Scene, overlay: &Overlay, underlay: &Underlay) -> bool {
    let known: Vec<Option<(f64, f64)>> = (0..scene.discs.len())
        .map(|disc| position(scene, disc, overlay, underlay))
        .collect();
    let Some(middle) = mean(known.iter().flatten().copied()) else {
        return false;
    };
    let places = (0..known.len()).map(|disc| {
        let neighbours = scene.bridges.keys().filter_map(|&(one, other)| {
            let other = match disc {
                _ if disc == one => other,
                _ if disc == other => one,
                _ => return None,
            };
            known[other]
        });
        known[disc].or_else(|| mean(neighbours)).unwrap_or(middle)
    });
    let places: Vec<(f64, f64)> = places.collect();
    let width = |of: fn(&(f64, f64)) -> f64| {
        let low = places.iter().map(of).fold(f64::INFINITY, f64::min);
        places.iter().map(of).fold(f64::NEG_INFINITY, f64::max) - low
    };
    let extent = width(|it| it.0).max(width(|it| it.1)).max(1e-6);
    let radii: f64 = scene.discs.iter().map(|disc| disc.radius).sum();
    let room = 3.0 * libm::sqrt(scene.discs.len() as f64) * radii / scene.discs.len().max(1) as f64;
    for (disc, (x, y)) in scene.discs.iter_mut().zip(places) {
        disc.x = x / extent * room * 1.6;
        disc.y = y / extent * room * 1.6;
    }
    scene.shape = Shape::Map;
    separate(scene);
    true
}

/// Where a disc's nodes are in the mean: to the right and down, in degrees.
fn position(
    scene: &Scene,
    disc: usize,
    overlay: &Overlay,
    underlay: &Underlay,
) -> Option<(f64, f64)> {
    let groups = scene.discs[disc].places.iter();
    let members = groups.flat_map(|&place| &overlay.groups[place].members);
    let sites = members.filter_map(|&node| {
        let site = underlay.sites().get(underlay.site_of(node) as usize)?;
        site.position
    });
    let (latitude, longitude) = mean(sites)?;
    Some((longitude * libm::cos(latitude.to_radians()), -latitude))
}

fn mean(points: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
    let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
    for point in points {
        x += point.0;
        y += point.1;
        count += 1.0;
    }
    (count > 0.0).then(|| (x / count, y / count))
}

/// The discs of a tier, in the plan's order.
fn tier(scene: &Scene, tier: u8) -> Vec<usize> {
    let discs = scene.discs.iter().enumerate();
    discs
        .filter(|(_, disc)| disc.tier == tier)
        .map(|(place, _)| place)
        .collect()
}

/// Discs repel each other, bridges pull, and everything is drawn to the middle a little.
fn forces(scene: &mut Scene) {
    let count = scene.discs.len().max(1) as f64;
    let mean: f64 = scene.discs.iter().map(|disc| disc.radius).sum::<f64>() / count;
    let length = 2.0 * mean + 2.0 * GAP;
    for (number, disc) in scene.discs.iter_mut().enumerate() {
        let angle = TAU * number as f64 / count;
        disc.x = length * count / TAU * libm::cos(angle);
        disc.y = length * count / TAU * libm::sin(angle);
    }
    for round in 0..ROUNDS {
        let step = length * (1.0 - f64::from(round) / f64::from(ROUNDS)) / 4.0;
        push_and_pull(scene, length, step);
    }
    lay_down(scene);
    separate(scene);
}

/// Turns the whole so that it is wider than high: its main axis becomes the horizontal one.
fn lay_down(scene: &mut Scene) {
    let count = scene.discs.len().max(1) as f64;
    let mean = |of: fn(&Disc) -> f64| scene.discs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.x), mean(|it| it.y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for disc in &scene.discs {
        let (dx, dy) = (disc.x - x, disc.y - y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let angle = libm::atan2(2.0 * xy, xx - yy) / 2.0;
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    for disc in &mut scene.discs {
        let (dx, dy) = (disc.x - x, disc.y - y);
        (disc.x, disc.y) = (dx * cos + dy * sin, dy * cos - dx * sin);
    }
}

fn push_and_pull(scene: &mut Scene, length: f64, step: f64) {
    let mut moves = vec![(0.0, 0.0); scene.discs.len()];
    for (one, push) in moves.iter_mut().enumerate() {
        for other in 0..scene.discs.len() {
            let (dx, dy, distance) = between(scene, other, one);
            let force = length * length / (distance * distance);
            push.0 += dx * force;
            push.1 += dy * force;
        }
        push.0 -= scene.discs[one].x * GRAVITY;
        push.1 -= scene.discs[one].y * GRAVITY;
    }
    for &(one, other) in scene.bridges.keys() {
        let (dx, dy, distance) = between(scene, one, other);
        let force = distance / length;
        moves[one].0 += dx * force;
        moves[one].1 += dy * force;
        moves[other].0 -= dx * force;
        moves[other].1 -= dy * force;
    }
    for (disc, (dx, dy)) in scene.discs.iter_mut().zip(moves) {
        let length = libm::hypot(dx, dy).max(1e-9);
        disc.x += dx / length * length.min(step);
        disc.y += dy / length * length.min(step);
    }
}

/// The way from one disc to another, and how far it is.
fn between(scene: &Scene, one: usize, other: usize) -> (f64, f64, f64) {
    let (from, to) = (&scene.discs[one], &scene.discs[other]);
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    (dx, dy, libm::hypot(dx, dy).max(1e-3))
}

/// Moves discs apart that overlap.
fn separate(scene: &mut Scene) {
    for _ in 0..ROUNDS {
        let mut is_moved = false;
        for one in 0..scene.discs.len() {
            for other in one + 1..scene.discs.len() {
                let (dx, dy, distance) = between(scene, one, other);
                let wanted = scene.discs[one].radius + scene.discs[other].radius + GAP;
                if distance >= wanted {
                    continue;
                }
                is_moved = true;
                // Discs at one point go apart sideways.
                let (ux, uy) = if distance > 0.01 {
                    (dx / distance, dy / distance)
                } else {
                    (1.0, 0.0)
                };
                let by = (wanted - distance) / 2.0 + 0.1;
                scene.discs[one].x -= ux * by;
                scene.discs[one].y -= uy * by;
                scene.discs[other].x += ux * by;
                scene.discs[other].y += uy * by;
            }
        }
        if !is_moved {
            return;
        }
    }
}

/// The discs of the lowest tier, those of one parent together.
fn bottom(scene: &Scene) -> Vec<usize> {
    let mut order = tier(scene, 0);
    let top = |disc: usize| {
        let mut line = vec![disc];
        while let Some(&(_, above)) = scene.parents.iter().find(|(it, _)| Some(it) == line.last()) {
            line.push(above);
        }
        line.reverse();
        line
    };
    order.sort_by_cached_key(|&disc| top(disc));
    order
}

/// Tiers above each other, the highest on top.
fn layers(scene: &mut Scene) {
    let mut y = 0.0;
    for tier_number in 0..=scene.tiers {
        let mut row = if tier_number == 0 {
            bottom(scene)
        } else {
            tier(scene, tier_number)
        };
        if tier_number > 0 {
            for &disc in &row {
                scene.discs[disc].x = mean_of_children(scene, disc, |it| it.x);
            }
            row.sort_by(|&one, &other| scene.discs[one].x.total_cmp(&scene.discs[other].x));
        }
        spread_row(scene, &row);
        let radius = row
            .iter()
            .map(|&disc| scene.discs[disc].radius)
            .fold(0.0, f64::max);
        y -= radius;
        for &disc in &row {
            scene.discs[disc].y = y;
        }
        y -= radius + 4.0 * GAP;
    }
}

/// Keeps a row's order and moves what overlaps to the right; then the row's middle to where it was.
fn spread_row(scene: &mut Scene, row: &[usize]) {
    let middle = |scene: &Scene| {
        let sum: f64 = row.iter().map(|&disc| scene.discs[disc].x).sum();
        sum / row.len().max(1) as f64
    };
    let before = middle(scene);
    let mut edge = f64::NEG_INFINITY;
    for &disc in row {
        let disc = &mut scene.discs[disc];
        disc.x = disc.x.max(edge + disc.radius);
        edge = disc.x + disc.radius + GAP;
    }
    let shift = before - middle(scene);
    for &disc in row {
        scene.discs[disc].x += shift;
    }
}

fn mean_of_children(scene: &Scene, disc: usize, of: impl Fn(&Disc) -> f64) -> f64 {
    let below = scene.parents.iter().filter(|(_, above)| *above == disc);
    let (mut sum, mut count) = (0.0, 0.0);
    for &(child, _) in below {
        sum += of(&scene.discs[child]);
        count += 1.0;
    }
    if count == 0.0 { 0.0 } else { sum / count }
}

/// Tiers around each other, the highest in the middle.
fn rings(scene: &mut Scene) {
    let around: f64 = tier(scene, 0)
        .iter()
        .map(|&disc| 2.0 * scene.discs[disc].radius + GAP)
        .sum();
    let outer = around / TAU;
    let order = bottom(scene);
    let mut passed = 0.0;
    for &disc in &order {
        let width = 2.0 * scene.discs[disc].radius + GAP;
        let angle = TAU * (passed + width / 2.0) / around;
        passed += width;
        let disc = &mut scene.discs[disc];
        (disc.x, disc.y) = (outer * libm::cos(angle), outer * libm::sin(angle));
    }
    for number in 1..=scene.tiers {
        let row = tier(scene, number);
        let share = f64::from(scene.tiers - number) / f64::from(scene.tiers);
        let radius = if row.len() == 1 {
            0.0
        } else {
            outer * share.max(0.25)
        };
        for disc in row {
            let x = mean_of_children(scene, disc, |it| it.x);
            let y = mean_of_children(scene, disc, |it| it.y);
            let distance = libm::hypot(x, y).max(1e-6);
            let disc = &mut scene.discs[disc];
            (disc.x, disc.y) = (x / distance * radius, y / distance * radius);
        }
    }
    separate(scene);
}
