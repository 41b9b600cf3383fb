//! The names of the group, as part of it.

use archipelago_core::{Context, LocalId, Peer, Peers};
use bytes::Bytes;

use super::{Group, GroupOutput, GroupOutputs, around};
use crate::detector::Surroundings;
use crate::join::Phase;
use crate::log::{LogChange, keys};
use crate::names::{Around, NameAct, NameError, NameInfo, NameOutput, Names, name_of};

impl Group {
    /// Claims, withdraws or settles a name of a process of this node; answered under `request` by
    /// [`NameOutput::Done`], at once or when the members have confirmed.
    ///
    /// Whether the process exists, the caller has looked, and says when it ends
    /// ([`Group::handle_process_ended`]).
    pub fn handle_name(
        &mut self,
        request: u64,
        act: NameAct,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if self.phase != Phase::Up {
            let result = Err(NameError::NotUp);
            out.push(GroupOutput::Name(NameOutput::Done { request, result }));
            return;
        }
        self.names_or_new();
        self.with_names(cx, out, |names, around| {
            names.handle_act(request, act, around);
        });
        self.settle(Vec::new(), cx, out);
    }

    /// A process of this node has ended: its claims are withdrawn, and all that was said of it.
    pub fn handle_process_ended(
        &mut self,
        local: LocalId,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.with_names(cx, out, |names, around| {
            names.handle_process_ended(local, around);
        });
        self.on_process_ended(local, cx, out);
        self.release_strict(Some(local), cx, out);
        self.settle(Vec::new(), cx, out);
    }

    /// Who holds a name: the best claim of all members. O(log n).
    pub fn whereis(&self, name: &[u8], peers: &Peers) -> Option<NameInfo> {
        let union = self.names.as_ref()?.union(&self.logs);
        union.holder(name, peers, self.id_of_me())
    }

    /// Every name of the group that is held, in order.
    pub fn names(&self) -> Vec<Bytes> {
        let others = self.names.iter().flat_map(|names| names.keys());
        let own = self.logs.own().into_iter();
        let own = own.flat_map(|log| log.range(&[keys::NAME]));
        let keys = others.chain(own.map(|(key, _)| key));
        let mut names: Vec<Bytes> = keys.filter_map(name_of).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// This node's own claims in the group.
    pub fn claims_count(&self) -> usize {
        self.names.as_ref().map_or(0, |names| names.claims_count())
    }

    pub(super) fn on_names_changed(
        &mut self,
        owner: Peer,
        changes: &[LogChange],
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let is_name = |change: &LogChange| change.key.first() == Some(&keys::NAME);
        if !changes.iter().any(is_name) {
            return;
        }
        self.names_or_new();
        self.with_names(cx, out, |names, around| {
            names.handle_changes(owner, changes, around);
        });
    }

    /// Confirms what can be confirmed.
    pub(super) fn settle_names(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let Some(mut names) = self.names.take() else {
            return;
        };
        let mut said = Vec::new();
        let mut around = Around {
            logs: &mut self.logs,
            cx,
            out: &mut said,
        };
        let silent = names.settle(&self.view, &mut around);
        self.names = Some(names);
        out.extend(said.into_iter().map(GroupOutput::Name));
        for peer in silent {
            self.detector.on_used(peer, &around!(self), cx);
        }
    }

    fn names_or_new(&mut self) {
        if self.names.is_none() {
            let names = Names::new(self.id, self.config.timing.names.clone());
            self.names = Some(Box::new(names));
        }
    }

    pub(super) fn with_names(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        act: impl FnOnce(&mut Names, &mut Around<'_, '_>),
    ) {
        let Some(mut names) = self.names.take() else {
            return;
        };
        let mut said = Vec::new();
        let mut around = Around {
            logs: &mut self.logs,
            cx,
            out: &mut said,
        };
        act(&mut names, &mut around);
        self.names = Some(names);
        out.extend(said.into_iter().map(GroupOutput::Name));
    }
}
