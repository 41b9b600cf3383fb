//! One s-group as a hidden node uses it: a client, attached to a few of its members.
//!
//! ```text
//!  seeds ──► Join(Client) ──► Welcome{a few members} ──► the two that are drawn for this client
//!  session gone · no answer · Leave ──► the next of them, at once; none left: seeds, with back-off
//! ```
//! A client is outside the view: no member counts it, it watches nobody and votes on nothing, and it
//! costs the members that it is not attached to one entry of a log. Who attaches where is drawn by
//! rendezvous, so that any number of clients spreads evenly and moves little when members come and
//! go. Both ends prove the cookie as members do, in a role of its own: a client's proof lets nobody
//! into the view. A rotated cookie is handed to clients too.
//!
//! It never holds more than [`HOSTS`] sessions for longer than a move takes.
//! Cost: a session, a `Join` and a `Welcome` in [`RENEWAL`] for each host.

mod seek;

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{GroupBody, Join, JoinRole, SealedSecret, Welcome};
use archipelago_core::{Context, Era, GroupId, Incarnation, Peer, Time};

use crate::admission::{Admission, Encounter, ProofRole, Secret};
use crate::view::keep_record;
use crate::{Cookies, DialTarget, GroupConfig, GroupEvent, GroupOutput, GroupOutputs, Origin};

/// Members that a client is attached to: one may be lost while the other serves.
pub const HOSTS: usize = 2;
/// Members that a client remembers, best first.
pub const REMEMBERED: usize = 4;
/// Between two proofs to a host, which also show that it lives and bring the members as they are.
pub const RENEWAL: Duration = Duration::from_secs(15);
/// A proof or a dial without an answer counts as failed after this.
const ANSWER: Duration = Duration::from_secs(3);

/// One group at one hidden node.
#[derive(Debug)]
pub struct Client {
    id: GroupId,
    config: Arc<GroupConfig>,
    admission: Admission,
    hosts: Vec<Host>,
    tries: Vec<Try>,
    /// Told by hosts, best first.
    members: Vec<Peer>,
    /// Seeds asked since the last host was found.
    turn: usize,
    wait: Duration,
    /// Nobody is tried before.
    next_at: Time,
    /// From then on the previous cookie counts no more.
    window_ends: Time,
}

/// A member that serves this client.
#[derive(Clone, Copy, Debug)]
struct Host {
    peer: Peer,
    /// When to prove again, or by when the answer must be here.
    due: Time,
    is_asked: bool,
}

/// One that may.
#[derive(Clone, Copy, Debug)]
struct Try {
    target: DialTarget,
    /// Its session is there, and it was asked.
    peer: Option<Peer>,
    until: Time,
}

impl Client {
    /// As configured: cookies, seeds and times count, the rest is for members.
    pub fn new(config: Arc<GroupConfig>) -> Self {
        let id = config.id();
        Self {
            id,
            admission: Admission::new(id, config.cookies.clone()),
            hosts: Vec::new(),
            tries: Vec::new(),
            members: Vec::new(),
            turn: 0,
            wait: Duration::ZERO,
            next_at: Time::START,
            window_ends: Time::NEVER,
            config,
        }
    }

    /// How the group was configured.
    pub fn config(&self) -> &Arc<GroupConfig> {
        &self.config
    }

    /// Whether the peer is a member that serves this client.
    pub fn is_attached(&self, peer: Peer) -> bool {
        self.hosts.iter().any(|host| host.peer == peer)
    }

    /// The members that serve this client, in the order in which they came.
    pub fn hosts(&self) -> impl Iterator<Item = Peer> {
        self.hosts.iter().map(|host| host.peer)
    }

    /// Whether the peer was asked to serve this client, and has not answered.
    pub fn asks(&self, peer: Peer) -> bool {
        self.tries.iter().any(|one| one.peer == Some(peer))
    }

    /// Whatever open group was asked for is the one of this name.
    pub fn handle_name(&mut self, name: Arc<str>) {
        let config = Arc::make_mut(&mut self.config);
        config.name = name;
        self.id = config.id();
        self.admission = Admission::new(self.id, None);
    }

    /// Whether the client refers to the peer's slot in any way.
    pub fn knows(&self, peer: Peer) -> bool {
        self.is_attached(peer)
            || self.members.contains(&peer)
            || self.tries.iter().any(|one| one.is(peer))
    }

    /// Begins, or does what has come due.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.on_silence(cx, out);
        self.renew(cx, out);
        if self.window_ends <= cx.now {
            self.window_ends = Time::NEVER;
            self.drop_previous(out);
        }
        self.seek(cx, out);
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let hosts = self.hosts.iter().map(|host| host.due);
        let tries = self.tries.iter().map(|one| one.until);
        let all = hosts.chain(tries).chain([self.window_ends]);
        let next = if self.is_seeking() {
            self.next_at
        } else {
            Time::NEVER
        };
        let due = all.chain([next]).min().unwrap_or(Time::NEVER);
        (due < Time::NEVER).then_some((due, "client of a group"))
    }

    /// A session with the peer is ready; `dialled` if this client asked for it.
    pub fn handle_session_ready(
        &mut self,
        peer: Peer,
        dialled: Option<DialTarget>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let until = cx.now.after(ANSWER);
        let meant =
            |one: &&mut Try| dialled == Some(one.target) || one.target == DialTarget::Peer(peer);
        let Some(one) = self.tries.iter_mut().find(meant) else {
            return;
        };
        (one.peer, one.until) = (Some(peer), until);
        self.say_join(peer, cx, out);
    }

    /// The last session with the peer closed.
    pub fn handle_session_closed(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.lose(peer, cx, out);
        self.fail(|one| one.peer == Some(peer), cx);
        self.seek(cx, out);
    }

    /// A dial that this client asked for failed.
    pub fn handle_dial_failed(
        &mut self,
        target: DialTarget,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.fail(|one| one.target == target, cx);
        self.seek(cx, out);
    }

    /// A message of the group arrived. Only what this client asked for is answered or believed.
    pub fn handle_message(
        &mut self,
        from: Origin,
        body: GroupBody,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        match body {
            GroupBody::Welcome(welcome) => self.on_welcome(from, &welcome, cx, out),
            GroupBody::Refused(reason) => {
                let was_host = self.lose(from.peer, cx, out);
                if self.fail(|one| one.peer == Some(from.peer), cx) || was_host {
                    out.push(GroupOutput::Event(GroupEvent::Refused(reason)));
                }
            }
            GroupBody::Leave => {
                self.lose(from.peer, cx, out);
            }
            GroupBody::Secret(sealed) if self.is_attached(from.peer) => {
                self.on_secret(from.peer, &sealed, cx, out);
            }
            _ => {}
        }
        self.seek(cx, out);
    }

    /// Lets go of all hosts.
    pub fn handle_leave(&mut self, out: &mut GroupOutputs) {
        for host in std::mem::take(&mut self.hosts) {
            release(host.peer, out);
        }
        self.tries.clear();
        self.next_at = Time::NEVER;
    }

    /// Other cookies count from now on.
    pub fn handle_cookies(&mut self, cookies: Cookies, cx: &mut Context<'_>) {
        self.admission.set_cookies(Some(cookies));
        for host in &mut self.hosts {
            (host.due, host.is_asked) = (cx.now, false);
        }
    }

    fn say_join(&self, peer: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        let Some(state) = cx.peers.get(peer) else {
            return;
        };
        let encounter = Encounter {
            transcript: state.transcript,
            prover: cx.me,
            verifier: state.id(),
            role: ProofRole::Client,
        };
        let join = Join {
            role: JoinRole::Client,
            proof: self.admission.prove(&encounter, cx.crypto),
            charter: archipelago_core::wire::CharterId::default(),
            boot: archipelago_core::Boot(0),
            era: Era(0),
            incarnation: Incarnation(0),
            log_seq: 0,
        };
        let body = GroupBody::Join(Box::new(join));
        out.push(GroupOutput::Send { to: peer, body });
    }

    fn on_welcome(
        &mut self,
        from: Origin,
        welcome: &Welcome,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let peer = from.peer;
        let is_asked = self.asks(peer);
        let is_host = self.is_attached(peer);
        if !is_asked && !is_host {
            return;
        }
        let way = (peer, from.transcript);
        let checked = self
            .admission
            .check_from(way, ProofRole::Welcome, &welcome.proof, cx);
        if let Err(error) = checked {
            self.lose(peer, cx, out);
            self.fail(|one| one.peer == Some(peer), cx);
            return out.push(GroupOutput::Event(GroupEvent::Refused(error.reason())));
        }
        self.learn(peer, welcome, cx);
        self.tries.retain(|one| one.peer != Some(peer));
        self.attach(peer, cx, out);
        self.trim(cx, out);
    }

    /// The members that the host names, and itself, best first.
    fn learn(&mut self, host: Peer, welcome: &Welcome, cx: &mut Context<'_>) {
        let mut told = vec![host];
        for entry in welcome.view.iter().take(REMEMBERED) {
            if entry.node == cx.me {
                continue;
            }
            if let Ok(peer) = cx.peers.intern(entry.node) {
                keep_record(entry, cx);
                told.push(peer);
            }
        }
        told.sort_unstable();
        told.dedup();
        told.sort_by_key(|&peer| std::cmp::Reverse(seek::draw(peer, cx)));
        told.truncate(REMEMBERED + 1);
        self.members = told;
    }

    fn attach(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let due = cx.now.after(cx.rng.jitter(RENEWAL));
        if let Some(host) = self.hosts.iter_mut().find(|host| host.peer == peer) {
            (host.due, host.is_asked) = (due, false);
        } else {
            let is_asked = false;
            self.hosts.push(Host {
                peer,
                due,
                is_asked,
            });
            let to = cx.peers.id(peer);
            out.push(GroupOutput::Admitted { peer });
            out.push(GroupOutput::Event(GroupEvent::Attached { to }));
        }
        (self.wait, self.turn, self.next_at) = (Duration::ZERO, 0, cx.now);
    }

    fn on_secret(
        &mut self,
        from: Peer,
        sealed: &SealedSecret,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let Some(secret) = Secret::open_from(from, sealed, self.id, cx) else {
            return;
        };
        let rank = secret.rank(&self.id, cx.crypto);
        if self.admission.rank(cx.crypto).is_none_or(|own| own >= rank) {
            return;
        }
        self.admission.take(&secret);
        self.window_ends = cx.now.after(secret.window);
        self.tell_cookies(out);
        for host in &mut self.hosts {
            (host.due, host.is_asked) = (cx.now, false);
        }
        self.renew(cx, out);
    }

    fn drop_previous(&mut self, out: &mut GroupOutputs) {
        let cookies = self.admission.cookies().map(|cookies| Cookies {
            current: cookies.current.clone(),
            previous: None,
        });
        self.admission.set_cookies(cookies);
        self.tell_cookies(out);
    }

    fn tell_cookies(&self, out: &mut GroupOutputs) {
        let cookies = self.admission.cookies().cloned();
        out.push(GroupOutput::Cookies(cookies));
    }
}

impl Try {
    fn is(&self, peer: Peer) -> bool {
        self.peer == Some(peer) || self.target == DialTarget::Peer(peer)
    }
}

/// Says so, and keeps no session for the group's sake.
fn release(peer: Peer, out: &mut GroupOutputs) {
    let (to, body) = (peer, GroupBody::Leave);
    out.push(GroupOutput::Send { to, body });
    out.push(GroupOutput::Released { peer });
}

#[cfg(test)]
mod tests;
