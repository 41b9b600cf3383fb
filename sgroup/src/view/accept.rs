//! What to make of a third party's word about a member.
//!
//! Only what a node signed about itself is believed about it: a start is believed with the record
//! that it signed. An end is never believed on one member's word; it counts as that member's vote.

use archipelago_core::wire::Entry;
use archipelago_core::{Context, Peer};

use super::{Standing, View};

/// The judgement on one entry of a peer's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearsay {
    /// It speaks of this node itself.
    AboutMe(Standing),
    /// Believed: merge it.
    Merge(Peer, Standing),
    /// The peer says that a member that is present here has ended.
    Vote(Peer, Standing),
    /// Newer than what is known here, but its record is missing.
    Lacking,
    /// Nothing new, or not believable.
    Ignored,
}

/// Judges `entry`; keeps its record if that is new and its owner signed it.
pub(crate) fn judge_hearsay(
    entry: &Entry,
    view: &View,
    members_max: usize,
    cx: &mut Context<'_>,
) -> Hearsay {
    let said = Standing::of(entry);
    if entry.node == view.me() {
        return Hearsay::AboutMe(said);
    }
    let known = cx.peers.find(&entry.node);
    let standing = known.and_then(|peer| view.find(peer)).map(|m| m.standing);
    if standing.is_some_and(|standing| !said.outranks(&standing)) {
        keep_record(entry, cx);
        return Hearsay::Ignored;
    }
    let is_room = standing.is_some() || view.entries_count() < members_max.saturating_mul(4);
    if !is_room || (!said.is_ended() && view.present_count() + 1 >= members_max) {
        return Hearsay::Ignored;
    }
    let Ok(peer) = cx.peers.intern(entry.node) else {
        return Hearsay::Ignored;
    };
    keep_record(entry, cx);
    judge_newer(peer, said, standing, cx)
}

fn judge_newer(peer: Peer, said: Standing, known: Option<Standing>, cx: &Context<'_>) -> Hearsay {
    let is_signed = cx
        .peers
        .get(peer)
        .and_then(|state| state.record())
        .is_some_and(|signed| signed.record.boot == said.boot);
    match known {
        Some(known) if !said.is_near(&known) => Hearsay::Ignored,
        Some(known) if said.is_ended() && !known.is_ended() => {
            if is_signed && said.boot > known.boot {
                Hearsay::Merge(peer, said)
            } else {
                Hearsay::Vote(peer, said)
            }
        }
        _ if is_signed || said.is_ended() => Hearsay::Merge(peer, said),
        Some(known) if known.boot == said.boot => Hearsay::Merge(peer, said),
        _ => Hearsay::Lacking,
    }
}

/// Keeps what the entry's node signed about itself, if that is newer than what is known.
pub(crate) fn keep_record(entry: &Entry, cx: &mut Context<'_>) {
    let Some(signed) = &entry.record else { return };
    let Some(state) = cx
        .peers
        .find(&entry.node)
        .and_then(|peer| cx.peers.get_mut(peer))
    else {
        return;
    };
    let is_newer = state
        .record()
        .is_none_or(|known| known.version() < signed.version());
    if is_newer && signed.record.node == entry.node && signed.verify(cx.crypto) {
        state.set_record(signed.clone());
    }
}
