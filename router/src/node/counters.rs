//! What was closed, refused or lost, so that nothing is silent.

/// Counted since the start; saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounters {
    /// Sessions closed for breaking the protocol: the first word was no Hello, a record was
    /// forged, or too many messages fitted nowhere.
    pub protocol: u64,
    /// Sessions closed for too many messages a second.
    pub overloaded: u64,
    /// Sessions refused for a foreign realm, a wrong introduction, or no common group.
    pub not_admitted: u64,
    /// Sessions with no common wire version.
    pub version: u64,
    /// Sessions whose Hello did not come in time.
    pub hello_timeouts: u64,
    /// Sessions closed after long silence.
    pub silent: u64,
    /// Second connections of a pair, closed.
    pub duplicates: u64,
    /// Messages of groups that this node is not in.
    pub unknown_group: u64,
    /// Group messages to peers with neither session nor detour; groups repair them.
    pub group_lost: u64,
    /// Sessions that carried nothing while their peers lived: a detour was taken beside them.
    pub bypassed: u64,
    /// Ways of relays and detours that were left, since nothing came back by them.
    pub rerouted: u64,
    /// Letters beyond the quota of who wrote them, ignored.
    pub letters_over_quota: u64,
    /// Frames on relay or detour that could not be sent or taken; channels repeat them.
    pub frames_lost: u64,
}

impl NodeCounters {
    /// Counts a close by this end.
    pub(super) const fn count(&mut self, reason: super::CloseReason) {
        use archipelago_core::wire::ByeReason;

        use super::CloseReason;
        let counter = match reason {
            CloseReason::Bye(ByeReason::Protocol) => &mut self.protocol,
            CloseReason::Bye(ByeReason::Overloaded) => &mut self.overloaded,
            CloseReason::Bye(ByeReason::NotAdmitted) => &mut self.not_admitted,
            CloseReason::Bye(ByeReason::Version) => &mut self.version,
            CloseReason::Bye(ByeReason::Duplicate) => &mut self.duplicates,
            CloseReason::HelloTimeout => &mut self.hello_timeouts,
            CloseReason::Silent => &mut self.silent,
            CloseReason::Bye(_) => return,
        };
        *counter = counter.saturating_add(1);
    }
}
