//! A drawn map: groups as circles by their size, lines where they share reflectors.
//!
//! The groups with the most neighbours lie in the middle, the others on rings around them. The
//! same map for the same groups always.

use std::fmt::Write as _;

use super::format::escape;
use crate::run::Map;

const SIDE: f64 = 640.0;

/// The map, or nothing of no group.
#[allow(
    clippy::cast_precision_loss,
    reason = "a map has at most some hundred groups"
)]
pub(super) fn svg(map: &Map) -> String {
    if map.groups.is_empty() {
        return String::new();
    }
    let mut degrees = vec![0usize; map.groups.len()];
    for &(a, b, _) in &map.shared {
        for place in [a, b] {
            if let Some(degree) = usize::try_from(place)
                .ok()
                .and_then(|at| degrees.get_mut(at))
            {
                *degree += 1;
            }
        }
    }
    let places = layout(&degrees);
    let most = map
        .groups
        .iter()
        .map(|&(_, size)| size)
        .max()
        .unwrap_or(1)
        .max(1);
    let scale = (220.0 / (map.groups.len() as f64).sqrt()).clamp(6.0, 60.0);
    let mut svg = format!("<svg viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\" class=\"map\">");
    for &(a, b, count) in &map.shared {
        let at = |place: u64| {
            usize::try_from(place)
                .ok()
                .and_then(|at| places.get(at).copied())
        };
        if let (Some(from), Some(to)) = (at(a), at(b)) {
            let width = (count as f64).sqrt().min(6.0);
            put(
                &mut svg,
                format_args!(
                    "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ee6677\" \
                     stroke-opacity=\"0.45\" stroke-width=\"{width:.1}\"/>",
                    from.0, from.1, to.0, to.1
                ),
            );
        }
    }
    for ((name, size), &(x, y)) in map.groups.iter().zip(&places) {
        let radius = (scale * (*size as f64 / most as f64).sqrt()).max(3.0);
        let title = format!("{}: {size} members", escape(name));
        put(
            &mut svg,
            format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"#4477aa\" \
                 fill-opacity=\"0.85\" stroke=\"#fff\"><title>{title}</title></circle>"
            ),
        );
        if map.groups.len() <= 40 {
            put(
                &mut svg,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#fff\" \
                     font-size=\"11\">{}</text>",
                    y + 4.0,
                    escape(name)
                ),
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The best connected in the middle, the others around in rings of growing size.
#[allow(
    clippy::cast_precision_loss,
    reason = "a map has at most some hundred groups"
)]
fn layout(degrees: &[usize]) -> Vec<(f64, f64)> {
    let most = degrees.iter().copied().max().unwrap_or(0);
    let is_hub = |degree: usize| degrees.len() > 2 && most > 2 && degree * 2 > most;
    let hubs: Vec<usize> = (0..degrees.len())
        .filter(|&at| is_hub(degrees[at]))
        .collect();
    // Where all are alike there is no middle.
    let hubs = if hubs.len() * 3 > degrees.len() {
        Vec::new()
    } else {
        hubs
    };
    let others: Vec<usize> = (0..degrees.len()).filter(|at| !hubs.contains(at)).collect();
    let mut places = vec![(SIDE / 2.0, SIDE / 2.0); degrees.len()];
    let inner = if hubs.len() > 1 { 70.0 } else { 0.0 };
    ring(&mut places, &hubs, inner);
    let rings = others.len().div_ceil(48).max(1);
    for number in 0..rings {
        let members: Vec<usize> = others.iter().copied().skip(number).step_by(rings).collect();
        let radius = 265.0 - 120.0 * number as f64 / rings as f64;
        let radius = if others.len() == 1 { 0.0 } else { radius };
        ring(&mut places, &members, radius);
    }
    places
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a map has at most some hundred groups"
)]
fn ring(places: &mut [(f64, f64)], members: &[usize], radius: f64) {
    for (number, &at) in members.iter().enumerate() {
        let angle = number as f64 / members.len() as f64 * std::f64::consts::TAU;
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        places[at] = (SIDE / 2.0 + radius * sin, SIDE / 2.0 - radius * cos);
    }
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text)
        .expect("writing into a text cannot fail");
}
