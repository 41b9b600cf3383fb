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
        && has_life(introduction.life_s);
    is_ours && is_by_reflector(signed, routes, cx) && signed.verify(cx.crypto)
}

/// Longest life of an introduction, in seconds; a longer one is refused, as is one without life.
const LIFE_S_MAX: u32 = 3_600;

/// Whether either end takes an introduction of this life, in seconds.
pub(super) const fn has_life(life_s: u32) -> bool {
    life_s > 0 && life_s <= LIFE_S_MAX
}

fn is_by_reflector(signed: &SignedIntroduction, routes: &dyn Routes, cx: &Context<'_>) -> bool {
    let introduction = &signed.introduction;
    if is_by_host(signed, routes, cx) {
        return true;
    }
    let standing = routes.standing(introduction.group);
    let is_open = standing.is_some_and(|standing| !standing.is_closed);
    if introduction.reflector == cx.me {
        return is_open && standing.is_some_and(|standing| standing.reflects);
    }
    let reflectors = routes.reflectors(introduction.group, cx.peers);
    let reflector = cx.peers.find(&introduction.reflector);
    is_open && reflector.is_some_and(|reflector| reflectors.contains(&reflector))
}

/// By a member that serves whoever comes, or this node: it knows both as its group's.
fn is_by_host(signed: &SignedIntroduction, routes: &dyn Routes, cx: &Context<'_>) -> bool {
    let introduction = &signed.introduction;
    let (group, host) = (introduction.group, &introduction.reflector);
    if routes.uses(group) {
        let peer = cx.peers.find(host);
        return peer.is_some_and(|peer| routes.is_reflector(peer));
    }
    routes.standing(group).is_some()
        && routes.is_inside(group, &introduction.requester, cx.peers)
        && routes.is_served(&introduction.requester, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A8: a life of 0 or beyond an hour is refused.
    #[test]
    fn a8_an_introduction_lives_for_an_hour_at_most() {
        assert!(has_life(1) && has_life(300) && has_life(LIFE_S_MAX));
        assert!(!has_life(0) && !has_life(LIFE_S_MAX + 1) && !has_life(u32::MAX));
    }
}
