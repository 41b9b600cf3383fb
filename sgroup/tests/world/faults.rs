//! The verbs: crash, restart, pause, block, partition, heal.

use super::*;

impl World {
    /// Ends the process: its kernel closes what was open.
    pub(crate) fn kill(&mut self, node: usize) {
        for other in 0..self.nodes.len() {
            let key = (node.min(other), node.max(other));
            if let Some(session) = self.sessions.get(&key) {
                let generation = session.generation;
                self.transmit_close(node, other, generation);
                self.sessions.remove(&key);
            }
        }
        let state = &mut self.nodes[node];
        state.is_alive = false;
        state.missed.clear();
        state.paused_until = None;
    }

    /// Starts it again as a later boot, knowing nothing.
    pub(crate) fn restart(&mut self, node: usize, boot: Boot) {
        let config = self.nodes[node].config.clone();
        let wakes = std::mem::take(&mut self.nodes[node].wakes);
        // What it told before is another watcher's word.
        self.told.retain(|told| told.1 != node);
        self.nodes[node] = self.fresh(node, boot, config);
        self.nodes[node].wakes = wakes;
        self.start(node);
    }

    /// Stops the process for a while; its sessions stay open.
    pub(crate) fn pause(&mut self, node: usize, span: Duration) {
        let until = self.now.after(span);
        self.nodes[node].paused_until = Some(until);
        self.push(until, node, Event::Wake);
    }

    /// Nothing gets from one to the other any more. A session is noticed to be broken, and closed
    /// at both ends, only after a while.
    pub(crate) fn block(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
        let key = (from.min(to), from.max(to));
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(&key) {
            session.cut_at = session.cut_at.or(Some(now));
        }
    }

    /// Closes sessions that have been cut for 8 s. Called between steps by [`Self::run_cut`].
    fn reap(&mut self) {
        let now = self.now;
        let broken: Vec<(usize, usize)> = self
            .sessions
            .iter()
            .filter(|(_, session)| {
                let age = session.cut_at.map(|at| now.since(at));
                age.is_some_and(|age| age >= SECOND * 8)
            })
            .map(|(&key, _)| key)
            .collect();
        for key in broken {
            let generation = self.sessions[&key].generation;
            self.sessions.remove(&key);
            self.push(now, key.0, Event::Closed(key.1, generation));
            self.push(now, key.1, Event::Closed(key.0, generation));
        }
    }

    pub(crate) fn run_cut(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now < end {
            self.run_for(ms(500).min(end.since(self.now)));
            self.reap();
        }
    }

    /// Cuts the world into parts: part `of(node)`.
    pub(crate) fn partition(&mut self, of: impl Fn(usize) -> usize) {
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                if of(a) != of(b) {
                    self.block(a, b);
                }
            }
        }
    }

    /// All paths work again; what was held arrives, where its session still lives.
    pub(crate) fn heal(&mut self) {
        self.blocked.clear();
        let mut released = Vec::new();
        for session in self.sessions.values_mut() {
            session.cut_at = None;
            released.append(&mut session.held);
        }
        for (from, to, event) in released {
            self.transmit(from, to, event);
        }
    }
}
