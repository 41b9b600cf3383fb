//! A user's own protocol on the nodes of a world.

use archipelago_core::Pid;

use super::{NodeIx, World};
use crate::host::{Protocol, Turn};

impl World {
    /// Puts a protocol of the user's on a running node; its mailbox, or `None` where no process
    /// runs. It is gone when the process ends.
    pub fn install(&mut self, node: NodeIx, protocol: impl Protocol) -> Option<Pid> {
        self.host_mut(node).install(Box::new(protocol))
    }

    /// The protocol of a node, if it has one of this type.
    pub fn protocol<P: Protocol>(&self, node: NodeIx) -> Option<&P> {
        let installed = self.host(node).app.installed.as_ref()?;
        installed.protocol()
    }

    /// Gives the protocol of a node an input from outside, as its user would.
    ///
    /// # Panics
    /// When the node has no protocol of this type.
    pub fn prompt<P: Protocol>(&mut self, node: NodeIx, call: impl FnOnce(&mut P, &mut Turn<'_>)) {
        let result = self.with(node, |host, net| {
            let result = host.turn(net, |protocol, turn| {
                let protocol: &mut dyn std::any::Any = protocol;
                let protocol = protocol.downcast_mut::<P>();
                call(protocol.expect("the protocol is of this type"), turn);
            });
            host.settle(net);
            result
        });
        result.expect("a protocol was installed here");
        self.collect();
    }
}
