//! The verbs: what can happen to nodes and links.
//!
//! start, crash, power_off, restart, stop, resume · partition, cut, cut_pair, hold, release, heal.
//! All act at once, at the world's instant.

use archipelago_core::Boot;
use archipelago_router::ConfigError;

use super::{NodeIx, World};
use crate::host::ProcessState;
use crate::link::{LinkProfile, LinkState};
use crate::observe::Observation;
use crate::underlay::Underlay;

impl World {
    /// Starts a node's process, which joins its configured groups; a machine without power gets it
    /// first.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that cannot work; the node stays down.
    pub fn start(&mut self, node: NodeIx) -> Result<(), ConfigError> {
        if self.engine.shared_mut().links.lighten(node.0) {
            self.release_held();
        }
        let result = self.with(node, |host, net| {
            let result = host.start(net);
            host.settle(net);
            result
        });
        self.note(node, Observation::Started);
        result
    }

    /// Kills a node's process without a word, as by kill -9. Its kernel lives on: it resets the
    /// sessions that the process had, and refuses whoever dials, so that peers know after a
    /// latency.
    pub fn crash(&mut self, node: NodeIx) {
        self.end(node, false);
    }

    /// Cuts a node's power, kernel and all: nobody answers any more. Its sessions stay open and
    /// silent at the other ends until a member misses its heartbeats or the transport its
    /// acknowledgements, and a dial to it hangs until it times out. Power comes back with
    /// [`World::restart`]; what peers still send on old sessions is reset then.
    pub fn power_off(&mut self, node: NodeIx) {
        if self.host(node).state == ProcessState::Down {
            return;
        }
        self.engine.shared_mut().links.darken(node.0);
        let ends = self.host(node).sessions.iter();
        let remotes: Vec<_> = ends
            .filter_map(|(_, end)| Some((NodeIx(end.peer), end.remote()?)))
            .collect();
        for (peer, session) in remotes {
            self.with(peer, |host, net| host.on_peer_dark(session, net));
        }
        self.end(node, true);
    }

    /// Starts a node that is down again, with a later boot.
    ///
    /// # Errors
    /// As [`World::start`].
    pub fn restart(&mut self, node: NodeIx) -> Result<(), ConfigError> {
        let clock = self.clock();
        self.configure(node, |config| {
            config.boot = Boot(config.boot.0 + 1).max(clock);
        });
        self.start(node)
    }

    /// Stops a node's process as by SIGSTOP: nothing is read, no timer fires, sessions stay open.
    pub fn stop(&mut self, node: NodeIx) {
        let host = self.host_mut(node);
        if host.state == ProcessState::Running {
            host.state = ProcessState::Stopped;
            self.note(node, Observation::Paused);
        }
    }

    /// Lets a stopped process go on.
    pub fn resume(&mut self, node: NodeIx) {
        self.note(node, Observation::Resumed);
        self.with(node, |host, net| host.resume(net));
        self.collect();
    }

    /// Cuts every link between nodes of different sides. Replaces an earlier partition; nodes on
    /// no side reach all.
    pub fn partition(&mut self, sides: &[Vec<NodeIx>]) {
        let sides: Vec<Vec<u32>> = sides
            .iter()
            .map(|side| side.iter().map(|node| node.0).collect())
            .collect();
        self.engine.shared_mut().links.set_sides(&sides);
    }

    /// Cuts the direction from `from` to `to` only.
    pub fn cut(&mut self, from: NodeIx, to: NodeIx) {
        self.engine
            .shared_mut()
            .links
            .set_state(from.0, to.0, LinkState::Cut);
    }

    /// Cuts a link both ways.
    pub fn cut_pair(&mut self, a: NodeIx, b: NodeIx) {
        self.cut(a, b);
        self.cut(b, a);
    }

    /// What `from` sends to `to` waits, and no session notices.
    pub fn hold(&mut self, from: NodeIx, to: NodeIx) {
        self.engine
            .shared_mut()
            .links
            .set_state(from.0, to.0, LinkState::Held);
    }

    /// Lets what was held or cut between two nodes go on, both ways.
    pub fn release(&mut self, a: NodeIx, b: NodeIx) {
        self.engine
            .shared_mut()
            .links
            .set_state(a.0, b.0, LinkState::Up);
        self.engine
            .shared_mut()
            .links
            .set_state(b.0, a.0, LinkState::Up);
        self.release_held();
    }

    /// Every link is up again.
    pub fn heal(&mut self) {
        self.engine.shared_mut().links.heal();
        self.release_held();
    }

    /// Puts every link that has no profile of its own on another underlay.
    pub fn set_underlay(&mut self, underlay: Underlay) {
        self.engine.shared_mut().links.set_underlay(underlay);
    }

    /// Changes every link that has no profile of its own; an underlay is gone.
    pub fn set_links(&mut self, profile: LinkProfile) {
        self.engine.shared_mut().links.set_default(profile);
    }

    /// Gives one link a profile of its own.
    pub fn set_link(&mut self, a: NodeIx, b: NodeIx, profile: LinkProfile) {
        self.engine
            .shared_mut()
            .links
            .set_profile(a.0, b.0, profile);
    }

    fn release_held(&mut self) {
        let now = self.now();
        self.engine.shared_mut().mended = Some(now);
        for node in self.nodes() {
            self.with(node, |host, net| host.release_held(net));
        }
    }

    fn end(&mut self, node: NodeIx, is_power_lost: bool) {
        if self.host(node).state == ProcessState::Down {
            return;
        }
        self.note(node, Observation::Ended);
        self.with(node, |host, net| host.crash(is_power_lost, net));
    }
}
