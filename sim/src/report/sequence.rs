//! What chosen nodes reported during a run, line by line and as a sequence diagram.
//!
//! It shows events of the nodes (starts and ends, dials, sessions, paths, members, routes), and, where
//! the world has a [`Tap`](crate::Tap), single control messages as arrows from sender to receiver.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use archipelago_core::{NodeId, Time};
use archipelago_router::Event;
use archipelago_sgroup::GroupEvent;
use archipelago_sgroup::strict::StrictEvent;

use super::format::{count, escape};
use super::page::Page;
use crate::observe::{Observation, Observed};
use crate::tap::Tapped;
use crate::world::World;

/// Lines that a diagram shows.
const DRAWN_MAX: usize = 400;
/// Between two lanes, and between two lines, in the diagram.
const LANE: usize = 170;
const LINE: usize = 22;

/// One report of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Since the beginning of the timeline; before it is nothing.
    pub at: Duration,
    /// By whom.
    pub node: u32,
    /// The other node that it is about, if any.
    pub about: Option<u32>,
    /// What, in a few words.
    pub text: String,
    /// Whether it is a report or a message.
    pub kind: ToldKind,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldKind {
    /// Something that the node reported.
    Report,
    /// A control message that the node sent, at its arrival.
    Sent,
    /// A control message that the node received, of one that was not chosen.
    Received,
}

impl ToldKind {
    const fn colour(self) -> &'static str {
        match self {
            Self::Report => "#4477aa",
            Self::Sent | Self::Received => "#228833",
        }
    }
}

/// What these nodes reported between two instants of the timeline, which began at `begun`.
pub fn told(
    world: &World,
    nodes: &BTreeSet<u32>,
    begun: Time,
    (from, until): (Duration, Duration),
) -> Vec<Told> {
    let log = world.log().iter();
    let some = log.filter(|observed| {
        let at = observed.time.since(begun);
        nodes.contains(&observed.node) && observed.time >= begun && at >= from && at <= until
    });
    some.map(|observed| {
        let (text, about) = describe(&observed.what);
        Told {
            at: observed.time.since(begun),
            node: observed.node,
            about: about.map(|id| world.node_of(&id).0).or(dialled(observed)),
            text,
            kind: ToldKind::Report,
        }
    })
    .collect()
}

/// The messages that the world's tap kept, as lines of the chosen nodes; the timeline began at
/// `begun`.
pub fn messages(world: &World, nodes: &BTreeSet<u32>, begun: Time) -> Vec<Told> {
    let line = |seen: &Tapped| {
        let is_sender_chosen = nodes.contains(&seen.from);
        let group = seen.group.map(|group| format!(" in {group}"));
        let (node, about, kind) = if is_sender_chosen {
            (seen.from, seen.to, ToldKind::Sent)
        } else {
            (seen.to, seen.from, ToldKind::Received)
        };
        Told {
            at: seen.time.since(begun),
            node,
            about: Some(about),
            text: format!("{:?}{}", seen.kind, group.unwrap_or_default()),
            kind,
        }
    };
    world.tapped().0.iter().map(line).collect()
}

/// The same as a page with a diagram. `more` messages were left out of the lines.
pub fn sequence_page(
    title: &str,
    command: &str,
    nodes: &BTreeSet<u32>,
    (lines, more): (&[Told], u64),
) -> String {
    let about = "What chosen nodes reported and said, in the order of time.";
    let mut page = Page::new(title, about);
    let mut caption = if lines.len() > DRAWN_MAX {
        format!("The first {DRAWN_MAX} of {} lines.", lines.len())
    } else {
        format!("{} lines.", lines.len())
    };
    if more > 0 {
        let _ = write!(caption, " And {} more messages.", count(more));
    }
    page.plot(&diagram(nodes, lines), "Sequence", &caption);
    page.finish(&format!("<code>{}</code>", escape(command)))
}

fn diagram(nodes: &BTreeSet<u32>, lines: &[Told]) -> String {
    let drawn = lines.len().min(DRAWN_MAX);
    let (width, height) = (LANE * nodes.len() + 330, LINE * drawn + 50);
    let lane = |node: u32| {
        nodes
            .iter()
            .position(|&of| of == node)
            .map(|at| 100 + LANE * at)
    };
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\">");
    for &node in nodes {
        let x = lane(node).unwrap_or(0);
        put(
            &mut svg,
            format_args!(
                "<text x=\"{x}\" y=\"16\" text-anchor=\"middle\" font-weight=\"600\">n{node}</text>\
             <line x1=\"{x}\" y1=\"24\" x2=\"{x}\" y2=\"{height}\" stroke=\"#c8ccd4\"/>"
            ),
        );
    }
    for (place, line) in lines.iter().take(DRAWN_MAX).enumerate() {
        let y = 42 + LINE * place;
        let Some(x) = lane(line.node) else { continue };
        let at = line.at.as_secs_f64();
        put(
            &mut svg,
            format_args!("<text x=\"4\" y=\"{y}\" fill=\"#5b6270\">{at:.3} s</text>"),
        );
        let middle = y - 4;
        let colour = line.kind.colour();
        put(
            &mut svg,
            format_args!("<circle cx=\"{x}\" cy=\"{middle}\" r=\"4\" fill=\"{colour}\"/>"),
        );
        let to = line.about.and_then(lane).filter(|&to| to != x);
        if let Some(to) = to {
            put(
                &mut svg,
                format_args!(
                    "<line x1=\"{x}\" y1=\"{middle}\" x2=\"{to}\" y2=\"{middle}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{to}\" cy=\"{middle}\" r=\"2.5\" fill=\"#ee6677\"/>"
                ),
            );
        }
        let after = x.max(to.unwrap_or(0)) + 9;
        let other = match (line.kind, line.about) {
            (ToldKind::Received, Some(from)) => format!("n{from}: "),
            (ToldKind::Sent, Some(receiver)) if to.is_none() => format!("to n{receiver}: "),
            _ => String::new(),
        };
        let text = escape(&format!("{other}{}", line.text));
        put(
            &mut svg,
            format_args!("<text x=\"{after}\" y=\"{y}\">{text}</text>"),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn describe(what: &Observation) -> (String, Option<NodeId>) {
    match what {
        Observation::Started => ("starts".to_owned(), None),
        Observation::Formed { members, .. } => {
            (format!("is in a group of {}", members.len()), None)
        }
        Observation::GroupLeft { .. } => ("leaves".to_owned(), None),
        Observation::Ended => ("ends".to_owned(), None),
        Observation::Paused => ("is stopped".to_owned(), None),
        Observation::Resumed => ("goes on".to_owned(), None),
        Observation::PathAttached { peer, path } => (format!("path {path:?}"), Some(*peer)),
        Observation::Unreachable { peer, reason } => {
            (format!("unreachable: {reason:?}"), Some(*peer))
        }
        Observation::SessionClosed { peer, reason } => (format!("closes: {reason:?}"), Some(*peer)),
        Observation::Dialled { .. } => ("dials".to_owned(), None),
        Observation::ChannelReset { peer, unacked } => {
            (format!("channel anew, {unacked} unacked"), Some(*peer))
        }
        Observation::Changed { kind, results, .. } => {
            (format!("{kind:?} through: {} nodes", results.len()), None)
        }
        Observation::Strict { event, .. } => (strict_text(event), None),
        Observation::Event(event) => event_text(event),
    }
}

fn strict_text(event: &StrictEvent) -> String {
    match event {
        StrictEvent::Held { name, fence, .. } => format!("holds {name:?}, fence {fence}"),
        StrictEvent::Renewed { name, .. } => format!("keeps {name:?}"),
        StrictEvent::Lost { name, .. } => format!("lost {name:?}"),
        StrictEvent::NotHeld { name, error } => format!("not {name:?}: {error}"),
        _ => "strict name".to_owned(),
    }
}

fn event_text(event: &Event) -> (String, Option<NodeId>) {
    match event {
        Event::SessionUp { peer, kind } => (format!("session up ({kind:?})"), Some(*peer)),
        Event::SessionDown { peer, kind, .. } => (format!("session down ({kind:?})"), Some(*peer)),
        Event::RouteUp { .. } => ("route up".to_owned(), None),
        Event::RouteDown { .. } => ("route down".to_owned(), None),
        Event::Group { event, .. } => match event {
            GroupEvent::Joined { missing } => (format!("joined, {missing} missing"), None),
            GroupEvent::MemberUp(info) => ("member up".to_owned(), Some(info.node)),
            GroupEvent::MemberSuspect(info) => ("suspects".to_owned(), Some(info.node)),
            GroupEvent::MemberAlive(info) => ("alive after all".to_owned(), Some(info.node)),
            GroupEvent::MemberDown(info, reason) => {
                (format!("member down: {reason:?}"), Some(info.node))
            }
            GroupEvent::PathDown(node) => ("no direct path".to_owned(), Some(*node)),
            GroupEvent::PathUp(node) => ("direct path again".to_owned(), Some(*node)),
            other => (format!("{other:?}"), None),
        },
        other => (format!("{other:?}"), None),
    }
}

const fn dialled(observed: &Observed) -> Option<u32> {
    match observed.what {
        Observation::Dialled { target } => target,
        _ => None,
    }
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text)
        .expect("writing into a text cannot fail");
}
