//! Whom a client tries next, and what becomes of hosts that are silent, gone or no longer drawn.

use archipelago_core::{Context, Peer};

use super::{ANSWER, Client, HOSTS, Host, Try, release};
use crate::join::back_off;
use crate::view::rendezvous;
use crate::{DialTarget, GroupEvent, GroupOutput, GroupOutputs};

impl Client {
    /// Tries members until enough serve this client, best first; seeds where it knows none.
    pub(super) fn seek(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        while self.next_at <= cx.now {
            let Some(target) = self.choose(cx) else {
                return;
            };
            let until = cx.now.after(ANSWER);
            let peer = None;
            self.tries.push(Try {
                target,
                peer,
                until,
            });
            out.push(GroupOutput::Dial { target });
        }
    }

    /// Whether `choose` would find somebody, but for the seeds.
    pub(super) fn is_seeking(&self) -> bool {
        self.next_member().is_some() || (self.hosts.is_empty() && self.tries.is_empty())
    }

    fn choose(&mut self, cx: &Context<'_>) -> Option<DialTarget> {
        if let Some(peer) = self.next_member() {
            return Some(DialTarget::Peer(peer));
        }
        let is_alone = self.hosts.is_empty() && self.tries.is_empty();
        let seeds = self.config.seeds.len();
        if !is_alone || seeds == 0 {
            return None;
        }
        let first = usize::try_from(cx.me.prefix() >> 1).unwrap_or(0) % seeds;
        let index = (first + self.turn) % seeds;
        self.turn = self.turn.wrapping_add(1) % seeds;
        Some(DialTarget::Seed(index))
    }

    /// A member to attach to: any while there are too few, else one that is drawn before a host.
    fn next_member(&self) -> Option<Peer> {
        let busy = self.hosts.len() + self.tries.len();
        let choices = match busy {
            0..HOSTS => self.members.len(),
            HOSTS if self.tries.is_empty() => HOSTS,
            _ => 0,
        };
        let mut drawn = self.members.iter().take(choices).copied();
        let is_idle =
            |peer: &Peer| !self.is_attached(*peer) && !self.tries.iter().any(|one| one.is(*peer));
        drawn.find(is_idle)
    }

    /// More serve than are needed: those that are drawn last are let go.
    pub(super) fn trim(&mut self, cx: &Context<'_>, out: &mut GroupOutputs) {
        while self.hosts.len() > HOSTS {
            let last = self.hosts.iter().min_by_key(|host| draw(host.peer, cx));
            let Some(peer) = last.map(|host| host.peer) else {
                return;
            };
            self.hosts.retain(|host| host.peer != peer);
            release(peer, out);
        }
    }

    /// Proves anew to hosts whose turn has come.
    pub(super) fn renew(&mut self, cx: &Context<'_>, out: &mut GroupOutputs) {
        let is_due = |host: &&mut Host| host.due <= cx.now && !host.is_asked;
        let mut asked = Vec::new();
        for host in self.hosts.iter_mut().filter(is_due) {
            (host.due, host.is_asked) = (cx.now.after(ANSWER), true);
            asked.push(host.peer);
        }
        for peer in asked {
            self.say_join(peer, cx, out);
        }
    }

    /// Who did not answer serves no more.
    pub(super) fn on_silence(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let silent = self
            .hosts
            .iter()
            .filter(|host| host.is_asked && host.due <= cx.now);
        let silent: Vec<Peer> = silent.map(|host| host.peer).collect();
        for peer in silent {
            self.lose(peer, cx, out);
            out.push(GroupOutput::Released { peer });
        }
        let now = cx.now;
        self.fail(|one| one.until <= now, cx);
    }

    /// A host is gone; whether it was one. The next one is tried at once.
    pub(super) fn lose(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        let before = self.hosts.len();
        self.hosts.retain(|host| host.peer != peer);
        if self.hosts.len() == before {
            return false;
        }
        self.members.retain(|&member| member != peer);
        self.next_at = self.next_at.min(cx.now);
        let from = cx.peers.id(peer);
        out.push(GroupOutput::Event(GroupEvent::Detached { from }));
        true
    }

    /// Tries came to nothing; whether there were any. Whoever was meant is left out until a host
    /// names it again.
    pub(super) fn fail(&mut self, is_meant: impl Fn(&Try) -> bool, cx: &mut Context<'_>) -> bool {
        let failed: Vec<Try> = self.tries.extract_if(.., |one| is_meant(one)).collect();
        for one in &failed {
            self.members.retain(|&member| !one.is(member));
        }
        if failed.is_empty() {
            return false;
        }
        let (wait, jittered) = back_off(self.wait, self.config.timing.redial, cx.rng);
        self.wait = wait;
        self.next_at = if self.next_member().is_some() {
            cx.now
        } else {
            cx.now.after(jittered)
        };
        true
    }
}

/// How much the member is drawn to serve this client.
pub(super) fn draw(member: Peer, cx: &Context<'_>) -> (u64, Peer) {
    let prefix = cx.peers.id(member).prefix();
    (rendezvous(cx.me.prefix(), prefix), member)
}
