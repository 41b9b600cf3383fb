//! A node's part in a generated start: its machine made, its peers as their sessions leave them.

use std::sync::Arc;

use archipelago_core::{FormedPeer, Rng, SignedRecord};
use archipelago_router::up::FormedTiers;
use archipelago_router::{ConfigError, Node};
use archipelago_sgroup::{Formed, GroupConfig};

use super::{Host, ProcessState};
use crate::net::Net;
use crate::world::generate;

impl Host {
    /// The process runs, and its machine was not told to begin; returns its record. It is in these
    /// groups too, until it restarts.
    pub(crate) fn prepare(
        &mut self,
        joined: &[Arc<GroupConfig>],
        net: &mut Net,
    ) -> Result<Arc<SignedRecord>, ConfigError> {
        assert!(self.state == ProcessState::Down, "the process runs already");
        let seed = Rng::from_u64(net.shared.seed)
            .split(u64::from(self.ix))
            .split(u64::from(self.starts));
        let mut config = Arc::clone(&self.config);
        if !joined.is_empty() {
            Arc::make_mut(&mut config).groups.extend_from_slice(joined);
        }
        let node = Node::new(config, Arc::clone(&self.crypto), seed)?;
        let record = Arc::clone(node.record());
        self.node = Some(Box::new(node));
        self.state = ProcessState::Running;
        self.starts += 1;
        Ok(record)
    }

    /// Everybody with whom a session was opened.
    pub(crate) fn formed_peers(
        &mut self,
        records: &[Option<Arc<SignedRecord>>],
        seed: u64,
        net: &Net,
    ) -> Vec<FormedPeer> {
        self.sessions.shrink();
        let links = &net.shared.links;
        let mut peers = Vec::with_capacity(self.config.groups.len() * 16);
        for (session, end) in self.sessions.iter() {
            let Some(record) = records.get(end.peer as usize).cloned().flatten() else {
                continue;
            };
            let there = links.delay(self.ix, end.peer, net.now, &mut self.random);
            let back = links.delay(end.peer, self.ix, net.now, &mut self.random);
            // While a group forms, the lower id dials.
            let is_ours = self.id < record.record.node;
            let pair = generate::pair(seed, self.ix, end.peer);
            let peer = generate::peer(record, (session, is_ours), pair, there + back, net.now);
            peers.push(peer);
        }
        peers
    }

    /// The machine goes on as one that has joined.
    pub(crate) fn form(
        &mut self,
        peers: Vec<FormedPeer>,
        groups: (&[&Formed], &FormedTiers),
        net: &mut Net,
    ) {
        self.drive(net, |node, now, out| node.form(peers, groups, now, out));
        self.settle(net);
    }
}
