//! How the machines inside a node are called: a context is lent, and what they say is queued as
//! work.

use std::sync::Arc;

use archipelago_core::{Context, Crypto, GroupId, NodeId, Peers, Rng, Time};
use archipelago_sgroup::{Group, GroupOutputs};

use super::Node;
use super::limits::LIMITS;
use super::work::Work;
use crate::forward::{Forward, ForwardOutputs};
use crate::lookup::{LookupOutputs, Lookups};
use crate::on_demand::{OnDemand, OnDemandOutputs};
use crate::reflect::{Reflect, ReflectOutputs};
use crate::routes::Routes;
use crate::sessions::{DetourOutput, Detours, SessionOutputs, Sessions};
use crate::up::{Atlas, Up, UpOutputs};

/// What every machine inside is lent.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Base {
    pub(super) peers: Peers,
    pub(super) crypto: Arc<dyn Crypto>,
    pub(super) me: NodeId,
    pub(super) rng: Rng,
}

impl Base {
    pub(super) fn context(&mut self, now: Time) -> Context<'_> {
        Context {
            now,
            me: self.me,
            rng: &mut self.rng,
            crypto: &*self.crypto,
            peers: &mut self.peers,
        }
    }
}

/// How the machines inside are called: with a context lent, their words queued as work.
impl Node {
    pub(super) fn with_sessions(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Sessions, &mut Context<'_>, &mut SessionOutputs),
    ) {
        self.stir();
        let mut said = SessionOutputs::new();
        let mut cx = self.base.context(now);
        call(&mut self.sessions, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::Session));
    }

    pub(super) fn with_group(
        &mut self,
        id: GroupId,
        now: Time,
        call: impl FnOnce(&mut Group, &mut Context<'_>, &mut GroupOutputs),
    ) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let mut said = GroupOutputs::new();
        let mut cx = self.base.context(now);
        call(group, &mut cx, &mut said);
        if !said.is_empty() {
            let said = said.into_iter().map(|output| Work::Group(id, output));
            self.work.extend(said);
        }
    }

    pub(super) fn with_groups(
        &mut self,
        now: Time,
        mut call: impl FnMut(&mut Group, &mut Context<'_>, &mut GroupOutputs),
    ) {
        self.with_each_group(now, |_, group, cx, said| call(group, cx, said));
    }

    pub(super) fn with_each_group(
        &mut self,
        now: Time,
        mut call: impl FnMut(GroupId, &mut Group, &mut Context<'_>, &mut GroupOutputs),
    ) {
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in ids {
            self.with_group(id, now, |group, cx, said| call(id, group, cx, said));
        }
    }

    pub(super) fn with_on_demand(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut OnDemand, &mut Context<'_>, &mut OnDemandOutputs),
    ) {
        self.stir();
        let mut said = OnDemandOutputs::new();
        let mut cx = self.base.context(now);
        call(&mut self.on_demand, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::OnDemand));
    }

    pub(super) fn with_reflect(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Reflect, &mut Context<'_>, &mut ReflectOutputs),
    ) {
        self.stir();
        let mut said = ReflectOutputs::new();
        let mut cx = self.base.context(now);
        call(&mut self.reflect, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::Reflect));
    }

    pub(super) fn with_up(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Up, &dyn Routes, &mut Context<'_>, &mut UpOutputs),
    ) {
        self.stir();
        let mut said = UpOutputs::new();
        let mut cx = self.base.context(now);
        call(&mut self.up, &self.reflect, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::Up));
    }

    /// Look-ups read the map that reflection and the hierarchy keep.
    pub(super) fn with_lookups(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Lookups, &dyn Routes, &mut Context<'_>, &mut LookupOutputs),
    ) {
        self.stir();
        let mut said = LookupOutputs::new();
        let mut cx = self.base.context(now);
        let (reflect, up, clients) = (&self.reflect, &self.up, self.clients.as_deref());
        let atlas = Atlas {
            reflect,
            up,
            clients,
        };
        let lookups = self.lookups.get_or_insert_with(|| {
            let lookups = Lookups::new(Arc::clone(&LIMITS.lookup), self.record.clone());
            Box::new(lookups)
        });
        call(lookups, &atlas, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::Lookup));
    }

    /// Envelopes go where that map leads.
    pub(super) fn with_forward(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Forward, &dyn Routes, &mut Context<'_>, &mut ForwardOutputs),
    ) {
        let mut said = ForwardOutputs::new();
        let mut cx = self.base.context(now);
        let (reflect, up, clients) = (&self.reflect, &self.up, self.clients.as_deref());
        let atlas = Atlas {
            reflect,
            up,
            clients,
        };
        let forward = self.forward.get_or_insert_with(|| {
            let limits = Arc::clone(&LIMITS.forward);
            Box::new(Forward::new(limits, self.record.clone(), self.salt))
        });
        call(forward, &atlas, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::Forward));
    }

    /// What a member cannot reach, for the choice of detours.
    pub(super) fn note_paths(
        &mut self,
        group: GroupId,
        member: NodeId,
        broken: &[NodeId],
        now: Time,
    ) {
        // Nothing broken is what a fresh one takes for granted.
        if self.forward.is_some() || !broken.is_empty() {
            self.with_forward(now, |forward, _, _, _| {
                forward.handle_paths(group, member, broken);
            });
        }
    }

    pub(super) fn with_detours(
        &mut self,
        now: Time,
        call: impl FnOnce(&mut Detours, &mut Context<'_>, &mut Vec<DetourOutput>),
    ) {
        self.stir();
        let mut said = Vec::new();
        let mut cx = self.base.context(now);
        call(&mut self.detours, &mut cx, &mut said);
        self.work.extend(said.into_iter().map(Work::Detour));
    }
}
