//! The group's council changes: a later charter names another one.
//!
//! Decides nothing: which councils may grant yet is [`Succession`](crate::strict::Succession)'s, who adopts a charter is
//! [`charter`](super::charter)'s. Here they are told of each other, and members ask members.

use std::sync::Arc;

use archipelago_core::wire::{Charter, CharterId, Council, CouncilBody, GroupBody};
use archipelago_core::{Context, NodeId, Peer, Time};

use super::{Group, GroupOutput, GroupOutputs, charter};
use crate::join::Phase;
use crate::strict::normal;

/// Whose majority says who holds a strict name by this charter; nobody: there are no strict names.
pub(super) fn council_of(charter: &Charter) -> Vec<NodeId> {
    let council = if charter.council.is_empty() {
        &charter.pinned[..]
    } else {
        &charter.council[..]
    };
    let is_council = matches!(council.len(), 1 | 3 | 5);
    normal(if is_council { council } else { &[] })
}

impl Group {
    /// The present charter took the place of `former`.
    pub(super) fn on_charter_replaced(&mut self, former: &Charter) {
        let (council, before) = (council_of(&self.charter), council_of(former));
        if council == before {
            return;
        }
        let promised = self.shut_council(&council);
        let succession = self.succession.get_or_insert_default();
        succession.handle_promised(promised);
        succession.handle_charter();
        if !before.is_empty() {
            succession.handle_former(charter::id_of(former), &before);
        }
    }

    /// A member goes by a lower charter than this node, which was started by its own. Where the
    /// councils differ all are to know the higher one.
    pub(super) fn on_lower_charter(&mut self, charter: &Charter, cx: &mut Context<'_>) {
        let council = council_of(charter);
        if !council.is_empty() && self.on_former_council(charter::id_of(charter), &council) {
            self.tell_charter(cx);
        }
    }

    /// There was a council by a lower charter. Whether that was news.
    fn on_former_council(&mut self, by: CharterId, members: &[NodeId]) -> bool {
        let council = council_of(&self.charter);
        if by >= charter::id_of(&self.charter) || members == council {
            return false;
        }
        let mut succession = self.succession.take().unwrap_or_default();
        let is_news = succession.handle_former(by, members);
        if is_news {
            succession.handle_promised(self.shut_council(&council));
        }
        self.succession = Some(succession);
        is_news
    }

    pub(super) fn on_council(
        &mut self,
        from: Peer,
        said: &Council,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        // Who asks may be the only one that knows it, and is not there for all.
        if self.adopt(&said.charter, out) {
            self.tell_charter(cx);
        }
        for former in said.former.iter() {
            self.on_former_council(former.charter, &normal(&former.members));
        }
        match said.body {
            CouncilBody::Told => {}
            CouncilBody::Ask => {
                let body = self.sealed(cx.me);
                out.push(self.council_word(from, body));
            }
            CouncilBody::Sealed { round, open } => {
                let is_of_own = council_of(&said.charter) == council_of(&self.charter)
                    && charter::id_of(&said.charter) >= charter::id_of(&self.charter);
                if is_of_own {
                    self.on_sealed(cx.peers.id(from), round, open, cx, out);
                }
            }
        }
    }

    /// For who was just let in.
    pub(super) fn tell_councils(&self, to: Peer, out: &mut GroupOutputs) {
        let succession = self.succession.as_ref();
        if succession.is_some_and(|succession| !succession.former().is_empty()) {
            out.push(self.council_word(to, CouncilBody::Told));
        }
    }

    pub(super) fn on_council_due(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let council = council_of(&self.charter);
        let attempt = self.config.timing.strict.attempt();
        let Some(succession) = &mut self.succession else {
            return;
        };
        if succession.poll_timeout() > cx.now {
            return;
        }
        if !council.contains(&cx.me) {
            succession.asked(Time::NEVER);
            return;
        }
        succession.asked(cx.now.after(attempt));
        let former = succession.former();
        self.on_sealed(cx.me, 0, None, cx, out);
        let asked = former.iter().flat_map(|former| former.members.iter());
        let asked = normal_all(asked.chain(&council).copied());
        let asked = asked.iter().filter(|&&node| node != cx.me);
        let asked = asked.filter_map(|node| cx.peers.find(node));
        let asked = asked.filter(|&peer| self.holds(peer));
        out.extend(asked.map(|peer| self.council_word(peer, CouncilBody::Ask)));
    }

    /// When to call [`Group::on_council_due`].
    pub(super) fn council_due(&self) -> Time {
        let succession = self.succession.as_ref().filter(|_| self.phase.is_in());
        succession.map_or(Time::NEVER, |succession| succession.poll_timeout())
    }

    fn on_sealed(
        &mut self,
        by: NodeId,
        round: u64,
        open: Option<CharterId>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let council = council_of(&self.charter);
        let own = charter::id_of(&self.charter);
        let Some(succession) = &mut self.succession else {
            return;
        };
        let is_sealed = succession.handle_sealed(&by, round);
        let open = open.filter(|&covers| council.contains(&by) && succession.is_open_by(covers));
        let is_all = is_sealed && council.contains(&cx.me);
        if !is_all && open.is_none() {
            return;
        }
        succession.open(round, open.unwrap_or(own), cx.now);
        let highest = succession.highest();
        if let Some(strict) = &mut self.strict {
            strict.handle_open(highest, cx);
        }
        if open.is_none() {
            let others: Vec<Peer> = self.view.present().map(|member| member.peer).collect();
            let body = self.sealed(cx.me);
            out.extend(others.into_iter().map(|to| self.council_word(to, body)));
        }
    }

    /// What this node says of itself, who grants nothing by a lower charter than its own.
    fn sealed(&self, me: NodeId) -> CouncilBody {
        let is_of_council = self.phase == Phase::Up && council_of(&self.charter).contains(&me);
        let promised = self.strict.as_ref().map_or(0, |strict| strict.highest());
        let (round, open) = match &self.succession {
            None => (0, Some(CharterId::default())),
            Some(succession) => {
                let covers = succession.covers();
                (succession.highest(), succession.opened().map(|_| covers))
            }
        };
        CouncilBody::Sealed {
            round: round.max(promised),
            open: open.filter(|_| is_of_council),
        }
    }

    fn council_word(&self, to: Peer, body: CouncilBody) -> GroupOutput {
        let former = self
            .succession
            .as_ref()
            .map(|succession| succession.former());
        let council = Council {
            charter: Arc::clone(&self.charter),
            former: former.unwrap_or_default(),
            body,
        };
        let body = GroupBody::Council(Box::new(council));
        GroupOutput::Send { to, body }
    }

    /// The council does not grant, or not yet; the highest round that this node promised as one of
    /// the council before.
    fn shut_council(&mut self, council: &[NodeId]) -> u64 {
        let strict = self.strict.as_mut();
        strict.map_or(0, |strict| strict.handle_council(council))
    }
}

fn normal_all(nodes: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = nodes.collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}
