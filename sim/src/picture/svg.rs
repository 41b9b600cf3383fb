//! Writes a scene as SVG: bands of tiers, bridges, discs, reflectors, names, a legend.

use std::f64::consts::{PI, TAU};
use std::fmt::Write;

use super::scene::{DOT_SPACING, DOTS_MAX, Disc, Reflector, Scene, Shape};
use crate::formats::graphml::escape;

/// Around everything.
const MARGIN: f64 = 36.0;
/// By tier: what discs are filled and outlined with, from the bottom.
const COLOURS: [(&str, &str); 5] = [
    ("#e8f1fb", "#6f9fd0"),
    ("#e5f5ec", "#62ad80"),
    ("#f2ebfb", "#9b7fca"),
    ("#fdeeee", "#cf7d7d"),
    ("#fff6df", "#c8a145"),
];
const REFLECTOR: &str = "#d9480f";

/// The text of the picture.
pub(super) fn write(scene: &Scene) -> String {
    let frame = Frame::of(scene);
    let mut out = frame.open(scene);
    bands(scene, &frame, &mut out);
    let spots = spots(scene);
    bridges(scene, &spots, &mut out);
    for disc in &scene.discs {
        draw_disc(disc, &mut out);
    }
    draw_reflectors(scene, &spots, &mut out);
    for disc in &scene.discs {
        name(disc, &frame, &mut out);
    }
    legend(scene, &frame, &mut out);
    out.push_str("</svg>\n");
    out
}

/// What the picture covers.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    font: f64,
}

impl Frame {
    fn of(scene: &Scene) -> Self {
        let least = |of: fn(&Disc) -> f64| scene.discs.iter().map(of).fold(f64::INFINITY, f64::min);
        let (left, right) = (least(|it| it.x - it.radius), -least(|it| -it.x - it.radius));
        let (top, bottom) = (least(|it| it.y - it.radius), -least(|it| -it.y - it.radius));
        if scene.discs.is_empty() {
            let (left, top, width, height) = (0.0, 0.0, 400.0, 120.0);
            return Self {
                left,
                top,
                width,
                height,
                font: 13.0,
            };
        }
        let font = ((right - left) / 75.0).clamp(12.0, 40.0);
        // Room for the legend, and for the names of tiers.
        let sides = if scene.shape == Shape::Layers {
            12.0
        } else {
            4.0
        };
        let width = (right - left + 2.0 * MARGIN + sides * font).max(52.0 * font);
        let extra = width - (right - left);
        Self {
            left: left - extra / 2.0,
            top: top - MARGIN - font,
            width,
            height: bottom - top + 2.0 * MARGIN + 5.0 * font,
            font,
        }
    }

    fn open(&self, scene: &Scene) -> String {
        let Self {
            left,
            top,
            width,
            height,
            font,
        } = self;
        let totals = &scene.totals;
        let shown = width.clamp(480.0, 1_200.0);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{shown:.0}\" \
             height=\"{:.0}\" viewBox=\"{left:.1} {top:.1} {width:.1} {height:.1}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"{font:.1}\">\n",
            shown * height / width,
        );
        let _ = writeln!(
            out,
            "<title>{} nodes in {} groups, {} reflectors</title>",
            totals.nodes, totals.groups, totals.reflectors
        );
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#fff\"/>"
        );
        out
    }
}

/// Where tiers are: a stripe or a ring behind the discs.
fn bands(scene: &Scene, frame: &Frame, out: &mut String) {
    let is_in = |tier: u8| scene.discs.iter().filter(move |disc| disc.tier == tier);
    for tier in 0..=scene.tiers {
        let (_, line) = colours(tier);
        let Some(first) = is_in(tier).next() else {
            continue;
        };
        if scene.shape == Shape::Layers {
            let radius = is_in(tier).map(|disc| disc.radius).fold(0.0, f64::max) + 16.0;
            let (left, top) = (frame.left + 8.0, first.y - radius);
            let (width, height) = (frame.width - 16.0, 2.0 * radius + frame.font * 1.2);
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
                 rx=\"12\" fill=\"{line}\" fill-opacity=\"0.07\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#667\">{}</text>",
                left + 10.0,
                top + frame.font * 1.3,
                tier_name(scene, tier),
            );
        }
        if scene.shape == Shape::Rings && is_in(tier).count() > 1 {
            let sum: f64 = is_in(tier).map(|disc| libm::hypot(disc.x, disc.y)).sum();
            let radius = sum / is_in(tier).count() as f64;
            let _ = writeln!(
                out,
                "<circle r=\"{radius:.1}\" fill=\"none\" stroke=\"{line}\" stroke-opacity=\"0.18\" \
                 stroke-width=\"{:.1}\"/>",
                frame.font * 2.0,
            );
        }
    }
}

fn tier_name(scene: &Scene, tier: u8) -> String {
    if tier == 0 && scene.stacked_tier > 0 {
        return format!("tiers 0 to {}", scene.stacked_tier);
    }
    format!("tier {tier}")
}

/// Where reflectors stand: on the rim of their home, towards the others, not on top of each other.
fn spots(scene: &Scene) -> Vec<(f64, f64)> {
    let mut spots = vec![(0.0, 0.0); scene.reflectors.len()];
    for (home, disc) in scene.discs.iter().enumerate() {
        let mine = scene.reflectors.iter().enumerate();
        let mine = mine.filter(|(_, reflector)| reflector.home == home);
        let mut wanted: Vec<(f64, usize)> = mine
            .map(|(place, reflector)| (angle(scene, disc, reflector), place))
            .collect();
        wanted.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let step = (11.0 / disc.radius).min(TAU / wanted.len().max(1) as f64);
        for (angle, place) in apart(&wanted, step) {
            spots[place] = (
                disc.x + disc.radius * libm::cos(angle),
                disc.y + disc.radius * libm::sin(angle),
            );
        }
    }
    spots
}

fn angle(scene: &Scene, disc: &Disc, reflector: &Reflector) -> f64 {
    let others = reflector.others.iter().map(|&other| &scene.discs[other]);
    let (x, y) = others.fold((0.0, 0.0), |(x, y), other| {
        let (dx, dy) = (other.x - disc.x, other.y - disc.y);
        let distance = libm::hypot(dx, dy).max(1e-6);
        (x + dx / distance, y + dy / distance)
    });
    libm::atan2(y, x)
}

/// Angles in their order, at least `step` from each other; runs keep their middle.
fn apart(wanted: &[(f64, usize)], step: f64) -> Vec<(f64, usize)> {
    let mut runs: Vec<(f64, Vec<usize>)> = Vec::new();
    for &(angle, place) in wanted {
        runs.push((angle, vec![place]));
        while let [.., (before, one), (after, other)] = runs.as_slice() {
            let half = step * (one.len() + other.len()) as f64 / 2.0;
            if after - before >= half {
                break;
            }
            let (a, b) = (one.len() as f64, other.len() as f64);
            let merged = (before * a + after * b) / (a + b);
            let places = [one.as_slice(), other.as_slice()].concat();
            runs.truncate(runs.len() - 2);
            runs.push((merged, places));
        }
    }
    let spread = |(middle, places): (f64, Vec<usize>)| {
        let first = middle - step * (places.len() - 1) as f64 / 2.0;
        let numbered = places.into_iter().enumerate();
        numbered.map(move |(number, place)| (first + step * number as f64, place))
    };
    runs.into_iter().flat_map(spread).collect()
}

fn bridges(scene: &Scene, spots: &[(f64, f64)], out: &mut String) {
    let thin = if scene.reflectors.len() > 120 {
        0.8
    } else {
        1.4
    };
    let _ = writeln!(
        out,
        "<g stroke=\"{REFLECTOR}\" stroke-opacity=\"0.45\" stroke-linecap=\"round\" fill=\"none\">"
    );
    if scene.is_stacked {
        for (&(one, other), &count) in &scene.bridges {
            let (one, other) = (&scene.discs[one], &scene.discs[other]);
            let width = 1.5 + 1.5 * libm::log2(count.max(1) as f64);
            let _ = writeln!(
                out,
                "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke-width=\"{width:.1}\">\
                 <title>{count} nodes in both</title></line>",
                one.x, one.y, other.x, other.y,
            );
        }
    }
    for (from, to) in lines(scene, spots) {
        let _ = writeln!(
            out,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke-width=\"{thin}\"/>",
            from.0, from.1, to.0, to.1,
        );
    }
    out.push_str("</g>\n");
}

/// The lines of all reflectors. The first of each begins at its spot.
fn lines(scene: &Scene, spots: &[(f64, f64)]) -> Vec<((f64, f64), (f64, f64))> {
    let mut lines = Vec::new();
    for (reflector, &spot) in scene.reflectors.iter().zip(spots) {
        for &(from, to) in &reflector.steps {
            let (below, above) = (&scene.discs[from], &scene.discs[to]);
            let start = if from == reflector.home {
                spot
            } else {
                rim(below, above.x, above.y)
            };
            lines.push((start, rim(above, start.0, start.1)));
        }
    }
    lines
}

/// The point of a disc's rim that is nearest to a point.
fn rim(disc: &Disc, x: f64, y: f64) -> (f64, f64) {
    let (dx, dy) = (x - disc.x, y - disc.y);
    let distance = libm::hypot(dx, dy).max(1e-6);
    (
        disc.x + dx / distance * disc.radius,
        disc.y + dy / distance * disc.radius,
    )
}

fn draw_disc(disc: &Disc, out: &mut String) {
    let (fill, line) = colours(disc.tier);
    let Disc { x, y, radius, .. } = disc;
    let nodes = thousands(disc.nodes);
    let what = if disc.groups == 1 {
        format!("{}: {nodes} nodes, tier {}", disc.name, disc.tier)
    } else {
        format!("{} groups, {nodes} nodes", thousands(disc.groups))
    };
    let _ = writeln!(out, "<g><title>{}</title>", escape(&what));
    if disc.groups > 1 {
        for shift in [8.0, 4.0] {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{fill}\" stroke=\"{line}\"/>",
                x + shift,
                y - shift,
            );
        }
    }
    let _ = writeln!(
        out,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{fill}\" stroke=\"{line}\" \
         stroke-width=\"1.5\"/>"
    );
    let is_drawn = disc.groups == 1 && disc.nodes <= 3 * DOTS_MAX;
    if is_drawn && disc.dots == 0 {
        // All of its nodes stand elsewhere.
        let style = format!("fill=\"none\" stroke=\"{REFLECTOR}\" stroke-opacity=\"0.6\"");
        dots(disc, disc.nodes.min(DOTS_MAX), &style, out);
    } else if is_drawn && disc.dots <= DOTS_MAX {
        dots(disc, disc.dots, &format!("fill=\"{line}\""), out);
    }
    out.push_str("</g>\n");
}

/// A sunflower of dots, closer where there are many.
fn dots(disc: &Disc, count: usize, style: &str, out: &mut String) {
    let golden = PI * (3.0 - libm::sqrt(5.0));
    let room = (disc.radius - 8.0) / libm::sqrt(count.max(1) as f64);
    let spacing = DOT_SPACING.min(room);
    let radius = spacing * 0.54;
    let _ = writeln!(out, "<g {style}>");
    for number in 0..count {
        let distance = spacing * libm::sqrt(number as f64 + 0.5);
        let angle = golden * number as f64;
        let _ = write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"/>",
            disc.x + distance * libm::cos(angle),
            disc.y + distance * libm::sin(angle),
        );
    }
    out.push_str("\n</g>\n");
}

fn draw_reflectors(scene: &Scene, spots: &[(f64, f64)], out: &mut String) {
    for (_, (x, y)) in lines(scene, spots) {
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.8\" fill=\"#fff\" stroke=\"{REFLECTOR}\"/>"
        );
    }
    for (reflector, &(x, y)) in scene.reflectors.iter().zip(spots) {
        let count = reflector.others.len() + 1;
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.6\" fill=\"{REFLECTOR}\" stroke=\"#fff\">\
             <title>node {}, in {count} groups</title></circle>",
            reflector.node,
        );
    }
}

fn name(disc: &Disc, frame: &Frame, out: &mut String) {
    let Disc { x, y, radius, .. } = disc;
    let halo = "text-anchor=\"middle\" fill=\"#223\" stroke=\"#fff\" stroke-width=\"3\" \
                stroke-linejoin=\"round\" paint-order=\"stroke\"";
    if disc.groups > 1 || disc.dots > DOTS_MAX {
        let first = if disc.groups > 1 {
            format!("{} groups", thousands(disc.groups))
        } else {
            disc.name.clone()
        };
        let second = format!("{} nodes", thousands(disc.nodes));
        let letters = first.chars().count().max(second.len()) as f64;
        let font = frame.font.min(radius * 0.38).min(3.0 * radius / letters);
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" {halo} font-size=\"{font:.1}\">{}</text>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" {halo} font-size=\"{font:.1}\">{second}</text>",
            y - font * 0.2,
            escape(&first),
            y + font * 1.0,
        );
        return;
    }
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" {halo}>{} <tspan fill=\"#889\">{}</tspan></text>",
        y + radius + frame.font * 1.05,
        escape(&disc.name),
        thousands(disc.nodes),
    );
}

fn legend(scene: &Scene, frame: &Frame, out: &mut String) {
    let font = frame.font;
    let y = frame.top + frame.height - font * 1.4;
    let mut x = frame.left + font * 1.5;
    let totals = &scene.totals;
    let (_, line) = colours(0);
    for (colour, text) in [
        (line, format!("{} nodes", thousands(totals.nodes))),
        (
            REFLECTOR,
            format!(
                "{} of them in several groups: reflectors",
                thousands(totals.reflectors)
            ),
        ),
    ] {
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"{:.1}\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{y:.1}\" fill=\"#445\">{text}</text>",
            y - font * 0.32,
            font * 0.34,
            x + font * 0.8,
        );
        x += font * (3.2 + text.len() as f64 * 0.5);
    }
    let stacked = if scene.is_stacked {
        ", several drawn as one stack"
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"#445\">{} groups{stacked}</text>",
        thousands(totals.groups),
    );
}

fn colours(tier: u8) -> (&'static str, &'static str) {
    COLOURS[usize::from(tier) % COLOURS.len()]
}

/// A count with its thousands apart.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
