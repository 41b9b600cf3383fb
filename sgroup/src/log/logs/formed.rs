//! The logs of a formed group: what members wrote is known to all, and acknowledged.

use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::wire::LogMark;
use archipelago_core::{Boot, Era, NodeId, Peer, Runs};

use super::Logs;
use crate::Timing;
use crate::log::acks::Sender;
use crate::log::digest::contribution;
use crate::log::peer::Replica;
use crate::log::{OwnLog, PeerLog};

/// What one member has written.
#[derive(Clone, Debug)]
pub(crate) struct FormedLog {
    written: Vec<(Bytes, Bytes)>,
    replica: Arc<Replica>,
}

impl FormedLog {
    /// These keys and values, each key once.
    pub(crate) fn new(written: Vec<(Bytes, Bytes)>) -> Self {
        Self {
            replica: Arc::new(Replica::formed(&written)),
            written,
        }
    }

    /// What the log adds to the hash over all logs, where `owner` is in its first era.
    pub(crate) fn contribution(&self, owner: NodeId, boot: Boot) -> u32 {
        contribution(&LogMark {
            owner,
            boot,
            era: Era(0),
            seq: u64::try_from(self.written.len()).unwrap_or(u64::MAX),
        })
    }

    /// The replica of another member's log.
    pub(crate) fn replica(&self, owner: Peer, boot: Boot, era: Era) -> PeerLog {
        PeerLog::formed(owner, boot, era, Arc::clone(&self.replica))
    }
}

impl Logs {
    /// The logs of the other members that wrote, in the order of their slots, those that did not, the
    /// own one, and the hash over all of them.
    ///
    /// # Panics
    /// When the own log exceeds the limits of `timing`.
    pub(crate) fn formed(
        (boot, era): (Boot, Era),
        timing: &Arc<Timing>,
        (peers, silent): (Vec<PeerLog>, Runs<(Boot, Era)>),
        own: Option<&FormedLog>,
        hash: u32,
    ) -> Self {
        let mut logs = Self::new(boot, era, Arc::clone(timing));
        logs.own = own.map(|own| {
            let mut log = OwnLog::new(boot, era);
            for (key, value) in &own.written {
                let put = log.put(key.clone(), value.clone(), &timing.log);
                put.expect("what is formed keeps to the limits of its group");
            }
            let written = peers.iter().map(PeerLog::owner);
            let receivers = written.chain(silent.iter().map(|(peer, _)| peer));
            Box::new(Sender::formed(log, receivers))
        });
        (logs.peers, logs.silent) = (peers, silent);
        logs.hash = hash;
        logs
    }
}
