//! Whether a node outside our groups may have a session with us.
//!
//! An introduction is believed if a living reflector of one of our groups signed it for this very
//! pair and our present start, while that reflector has a session with us. A closed group lets
//! nobody in.

use archipelago_core::wire::SignedIntroduction;
use archipelago_core::{Boot, Context, NodeId};

use crate::routes::Routes;

/// Whether `peer` may keep the session that it opened.
pub(crate) fn is_valid(
    signed: &SignedIntroduction,
    peer: NodeId,
    boot: Boot,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> bool {
    let introduction = &signed.introduction;
    let is_ours = introduction.requester == peer
        && introduction.target == cx.me
        && introduction.target_boot == boot
        && introduction.life_s > 0;
    is_ours && is_by_reflector(signed, routes, cx) && signed.verify(cx.crypto)
}

fn is_by_reflector(signed: &SignedIntroduction, routes: &dyn Routes, cx: &Context<'_>) -> bool {
    let introduction = &signed.introduction;
    let standing = routes.standing(introduction.group);
    let is_open = standing.is_some_and(|standing| !standing.is_closed);
    if introduction.reflector == cx.me {
        return is_open && standing.is_some_and(|standing| standing.reflects);
    }
    let reflectors = routes.reflectors(introduction.group, cx.peers);
    let reflector = cx.peers.find(&introduction.reflector);
    is_open && reflector.is_some_and(|reflector| reflectors.contains(&reflector))
}
