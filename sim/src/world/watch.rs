//! Monitors: begun and ended at any node, and processes that end.

use archipelago_core::Pid;
use archipelago_core::wire::Exit;
use archipelago_router::watch::{MonitorRef, Target};
use archipelago_router::{Command, Refused};

use super::{NodeIx, World};

impl World {
    /// Has a running node watch a process or a node; the number under which it hears of the end.
    ///
    /// # Errors
    /// What the node answers.
    pub fn monitor(&mut self, node: NodeIx, target: Target) -> Result<MonitorRef, Refused> {
        let host = self.host_mut(node);
        host.app.monitors += 1;
        let monitor = MonitorRef(host.app.monitors);
        self.command(node, Command::Monitor { monitor, target })?;
        Ok(monitor)
    }

    /// As [`World::monitor`], of a node: with its home group, so that it is found from anywhere.
    ///
    /// # Errors
    /// What the node answers.
    pub fn monitor_node(&mut self, node: NodeIx, of: NodeIx) -> Result<MonitorRef, Refused> {
        let home = self.host(of).config.groups.first().map(|group| group.id());
        let target = Target::Node {
            node: self.id(of),
            home,
        };
        self.monitor(node, target)
    }

    /// Has a node watch no more.
    ///
    /// # Errors
    /// What the node answers.
    pub fn demonitor(&mut self, node: NodeIx, monitor: MonitorRef) -> Result<(), Refused> {
        self.command(node, Command::Demonitor(monitor))
    }

    /// Ends a mailbox, as if its worker had ended like this; of an earlier start, nothing happens.
    pub fn end_process(&mut self, pid: Pid, exit: Exit) {
        let node = self.node_of(&pid.node);
        if self.host(node).boot() != Some(pid.boot) {
            return;
        }
        self.with(node, |host, net| {
            host.end_mailbox(pid.local, exit, net);
            host.settle(net);
        });
        self.collect();
    }
}
