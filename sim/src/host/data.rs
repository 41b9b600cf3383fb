//! The data plane of one node: a channel for each peer that it talks to, made when first needed.
//!
//! Channels are pulled: what a path may carry now is asked for, sent, and asked for again when the
//! socket has room. Data that arrive on a session are read once the control machine attached it.

use std::time::Duration;

use archipelago_core::channel::{Channel, ChannelOutput, Frame, Message, Path, PathEvent};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, GroupId, LocalId, Time};
use archipelago_router::{Command, Unreachable};
use bytes::Bytes;

use super::Host;
use super::letters::Letters;
use super::outputs::direct;
use crate::event::{Body, Event};
use crate::frames;
use crate::link::occupancy;
use crate::names;
use crate::net::Net;
use crate::observe::Observation;

/// Most bytes given to a socket at once, and most that wait in one below the lanes.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Most encoded bytes of one forwarded batch.
const FORWARD_BYTES_MAX: usize = 20 * 1024;
/// The machine hears of traffic on a session at most so often.
const ACTIVITY_PERIOD: Duration = Duration::from_secs(1);

/// Pause before a way is looked for again, while accepted messages wait for one.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How long accepted messages wait for a way before they are given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// The channel to one peer, and what the driver remembers about it.
#[derive(Debug)]
pub(super) struct PeerData {
    pub(super) channel: Channel,
    /// What the control machine attached.
    paths: Vec<Path>,
    seeking: Seeking,
    pub(super) home: Option<GroupId>,
    /// The deadline that a timer is armed for.
    armed: Option<Time>,
    /// Letters on their way into the channel, from the first one on.
    pub(super) letters: Option<Box<Letters>>,
}

/// Whether a way to a peer is being looked for; as in the live runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seeking {
    /// A path is attached, or none is needed.
    No,
    /// The control machine was asked; without a path since then.
    Asked { since: Time },
    /// It found none; it is asked again at `at`.
    Pausing { since: Time, at: Time },
}

impl Host {
    /// Accepts a message for a mailbox elsewhere; whether there was room for it.
    pub(super) fn send_message(
        &mut self,
        peer: u32,
        boot: Boot,
        home: Option<GroupId>,
        message: Message,
        net: &mut Net,
    ) -> bool {
        self.channel(peer, boot, net);
        let Some(data) = self.peers.get_mut(&peer) else {
            return false;
        };
        data.home = home.or(data.home);
        let is_accepted = data
            .channel
            .send(message, &net.shared.channel, net.now)
            .is_ok();
        self.dirty.insert(peer);
        is_accepted
    }

    /// The start that the channel to a peer is with.
    pub(super) fn boot_of(&self, peer: u32) -> Option<Boot> {
        self.peers.get(&peer).map(|data| data.channel.peer_boot())
    }

    /// The control machine attaches a path.
    pub(super) fn attach(&mut self, peer: u32, boot: Boot, path: Path, net: &mut Net) {
        let mut unread = std::collections::VecDeque::new();
        if let Some(end) = direct(path).and_then(|session| self.sessions.get_mut(session)) {
            end.attach(Some(boot));
        }
        if let Some(session) = direct(path).filter(|&id| self.sessions.extra(id).is_some())
            && let Some(extra) = self.sessions.extra_mut(session)
        {
            unread = std::mem::take(&mut extra.unread);
        }
        if direct(path).is_none() {
            self.channel(peer, boot, net);
        }
        if let Some(data) = self.peers.get_mut(&peer) {
            data.seeking = Seeking::No;
            if !data.paths.contains(&path) {
                data.paths.push(path);
            }
            self.change_path(peer, PathEvent::Attached(path), boot, net);
        }
        for frames in unread {
            self.on_arrived(peer, boot, path, frames, net);
        }
    }

    /// The control machine detaches a path.
    pub(super) fn detach(&mut self, peer: u32, path: Path, net: &mut Net) {
        if let Some(end) = direct(path).and_then(|session| self.sessions.get_mut(session)) {
            end.attach(None);
        }
        if let Some(data) = self.peers.get_mut(&peer) {
            data.paths.retain(|&other| other != path);
            let boot = data.channel.peer_boot();
            self.change_path(peer, PathEvent::Detached(path), boot, net);
        }
    }

    /// Data arrived on a session.
    pub(super) fn on_frames(&mut self, session: SessionId, frames: Vec<Frame>, net: &mut Net) {
        let Some(end) = self.sessions.get(session) else {
            return;
        };
        let peer = end.peer;
        let Some(boot) = end.attached() else {
            if let Some(extra) = self.sessions.extra_mut(session) {
                extra.unread.push_back(frames);
            }
            return;
        };
        self.report_activity(session, net);
        self.on_arrived(peer, boot, Path::Direct(session), frames, net);
    }

    /// Data arrived by relay or detour.
    pub(super) fn on_forwarded(
        &mut self,
        peer: u32,
        boot: Boot,
        path: Path,
        encoded: &Bytes,
        net: &mut Net,
    ) {
        self.on_arrived(
            peer,
            boot,
            path,
            frames::decode(encoded, &net.shared.channel),
            net,
        );
    }

    /// The channel's timer, or its socket has room again.
    pub(super) fn on_channel_wake(&mut self, peer: u32, net: &mut Net) {
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        if data.armed.is_some_and(|armed| armed <= net.now) {
            data.armed = None;
        }
        let is_due = data
            .channel
            .poll_timeout()
            .is_some_and(|(time, _)| time <= net.now);
        if is_due {
            let mut out = net.local.channel_outputs.pop().unwrap_or_default();
            data.channel
                .handle_timeout(&net.shared.channel, net.now, &mut out);
            self.apply_channel(peer, out, net);
        }
        self.dirty.insert(peer);
    }

    /// A contact failed. What was accepted waits for a while, since the peer may be back soon; who
    /// is asked for in vain for longer fails what waits. A channel that holds nothing which was
    /// ever on its way fails at once, as the live runtime's queue before the channel does.
    pub(super) fn on_unreachable(&mut self, peer: u32, reason: Unreachable, net: &mut Net) {
        let now = net.now;
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        let Seeking::Asked { since } = data.seeking else {
            return;
        };
        if data.channel.stats().unacked_bytes == 0 || now.since(since) >= GIVE_UP_AFTER {
            data.seeking = Seeking::No;
            // A hint that led nowhere says nothing about who is written to next.
            data.home = None;
            return self.fail_channel(peer, reason, net);
        }
        let at = now.after(RETRY_PAUSE);
        data.seeking = Seeking::Pausing { since, at };
        self.push(at, self.ix, Event::ChannelWake { peer }, net);
    }

    /// Sends what the channel to `peer` has for its paths now.
    pub(super) fn pump(&mut self, peer: u32, net: &mut Net) {
        self.feed_letters(peer, net);
        while let Some(path) = self
            .peers
            .get(&peer)
            .and_then(|data| data.channel.poll_path())
        {
            let is_sent = match path {
                Path::Direct(session) => self.pump_direct(peer, session, net),
                Path::Relay | Path::Detour => self.pump_forward(peer, path, net),
            };
            if !is_sent {
                break;
            }
        }
        self.contact(peer, net);
        self.arm_channel(peer, net);
    }

    /// All channels are gone with their process.
    pub(super) fn lose_channels(&mut self) {
        self.peers.clear();
        self.dirty.clear();
    }

    fn pump_direct(&mut self, peer: u32, session: SessionId, net: &mut Net) -> bool {
        if let Some(room_at) = self.socket_room(session, net) {
            self.push(room_at, self.ix, Event::ChannelWake { peer }, net);
            return false;
        }
        let path = Path::Direct(session);
        let Some((frames, bytes)) = self.transmit_from(peer, path, WRITE_BYTES_MAX, net) else {
            return false;
        };
        self.transmit_frames(session, frames, bytes as u64, net);
        self.report_activity(session, net);
        true
    }

    /// Sends frames of so many bytes. Each message with a body is a packet of its own, which arrives
    /// when the last byte of that body has.
    fn transmit_frames(
        &mut self,
        session: SessionId,
        mut frames: Vec<Frame>,
        bytes: u64,
        net: &mut Net,
    ) {
        let count = frames.len().max(1) as u64;
        while let Some(last) = self.app.first_with_body(&frames) {
            let rest = frames.split_off(last + 1);
            let packet = std::mem::replace(&mut frames, rest);
            let share = bytes * packet.len() as u64 / count;
            let bytes = share.saturating_add(self.app.body_bytes(&packet));
            let parcel = net.local.frames.wrap(packet);
            self.transmit(session, Body::Frames(parcel), bytes, net);
        }
        if !frames.is_empty() {
            let share = bytes * frames.len() as u64 / count;
            let parcel = net.local.frames.wrap(frames);
            self.transmit(session, Body::Frames(parcel), share, net);
        }
    }

    fn pump_forward(&mut self, peer: u32, path: Path, net: &mut Net) -> bool {
        let Some((batch, bytes)) = self.transmit_from(peer, path, FORWARD_BYTES_MAX, net) else {
            return false;
        };
        let id = names::node_id(net.shared.seed, peer);
        let forward = Command::Forward {
            peer: id,
            path,
            frames: frames::encode(&batch),
        };
        let messages = frames::messages(&batch);
        let bytes = (bytes as u64).saturating_add(self.app.body_bytes(&batch));
        let is_taken = self.command(forward, net).is_ok();
        if path == Path::Relay && messages > 0 {
            let bytes = bytes.saturating_sub(frames::letter_bytes(&batch) as u64);
            let demand = Command::Demand {
                peer: id,
                messages,
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            };
            // A refusal means that it is asked again with the next message.
            let _refused = self.command(demand, net);
        }
        is_taken
    }

    /// When the session's socket has room, if it has none now.
    fn socket_room(&self, session: SessionId, net: &Net) -> Option<Time> {
        let end = self.sessions.get(session)?;
        let pair = net
            .shared
            .links
            .bandwidth(self.ix, end.peer)
            .and_then(|rate| {
                let busy_until = self.sessions.extra(session)?.line.busy_until();
                room_from(busy_until, rate, net.now)
            });
        let uplink = net.shared.links.uplink(self.ix);
        let shared = uplink.and_then(|rate| {
            let busy_until = self.uplink.as_ref()?.busy_until();
            room_from(busy_until, rate, net.now)
        });
        pair.max(shared)
    }

    fn transmit_from(
        &mut self,
        peer: u32,
        path: Path,
        bytes_max: usize,
        net: &mut Net,
    ) -> Option<(Vec<Frame>, usize)> {
        let data = self.peers.get_mut(&peer)?;
        let mut out = net.local.channel_outputs.pop().unwrap_or_default();
        let (mut batch, channel) = (Vec::new(), &mut data.channel);
        let bytes = channel.poll_transmit(
            path,
            bytes_max,
            &net.shared.channel,
            net.now,
            &mut batch,
            &mut out,
        );
        self.apply_channel(peer, out, net);
        (!batch.is_empty()).then_some((batch, bytes))
    }

    /// Asks for a path where something waits and there is none.
    fn contact(&mut self, peer: u32, net: &mut Net) {
        let now = net.now;
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        if !data.paths.is_empty() || data.channel.is_at_rest() {
            return;
        }
        let since = match data.seeking {
            Seeking::No => now,
            Seeking::Pausing { since, at } if at <= now => since,
            Seeking::Asked { .. } | Seeking::Pausing { .. } => return,
        };
        data.seeking = Seeking::Asked { since };
        let contact = Command::Contact {
            peer: names::node_id(net.shared.seed, peer),
            home: data.home,
        };
        if self.command(contact, net).is_err() {
            self.on_unreachable(peer, Unreachable::Gone, net);
        }
    }

    fn on_arrived(
        &mut self,
        peer: u32,
        boot: Boot,
        path: Path,
        mut frames: Vec<Frame>,
        net: &mut Net,
    ) {
        let mut out = net.local.channel_outputs.pop().unwrap_or_default();
        let channel = self.channel(peer, boot, net);
        let result = channel.handle_frames(
            path,
            boot,
            &mut frames,
            &net.shared.channel,
            net.now,
            &mut out,
        );
        self.apply_channel(peer, out, net);
        if let (Err(_), Some(session)) = (result, direct(path)) {
            self.reset(session, net);
            self.push(net.now, self.ix, Event::Gone { session }, net);
        }
    }

    fn change_path(&mut self, peer: u32, event: PathEvent, boot: Boot, net: &mut Net) {
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        let mut out = net.local.channel_outputs.pop().unwrap_or_default();
        data.channel
            .handle_path(event, boot, &net.shared.channel, net.now, &mut out);
        self.apply_channel(peer, out, net);
    }

    /// The channel to `peer`, made and given its paths if it is not there yet.
    pub(super) fn channel(&mut self, peer: u32, boot: Boot, net: &mut Net) -> &mut Channel {
        if !self.peers.contains_key(&peer) {
            self.open_channel(peer, boot, net);
        }
        let data = self.peers.get_mut(&peer);
        &mut data.expect("it was just made").channel
    }

    fn open_channel(&mut self, peer: u32, boot: Boot, net: &mut Net) {
        let data = PeerData {
            channel: Channel::new(boot),
            paths: Vec::new(),
            seeking: Seeking::No,
            home: None,
            armed: None,
            letters: None,
        };
        self.peers.insert(peer, data);
        if let Some((session, boot)) = self.sessions.attached_to(peer) {
            self.attach(peer, boot, Path::Direct(session), net);
        }
    }

    fn apply_channel(&mut self, peer: u32, mut out: Vec<ChannelOutput>, net: &mut Net) {
        self.dirty.insert(peer);
        for output in out.drain(..) {
            match output {
                ChannelOutput::Deliver(message) => {
                    let (from, to) = (message.from, message.to);
                    if to == LocalId::NODE {
                        self.on_letter(peer, &message, net);
                    } else if !self.on_deliver(peer, message, net)
                        && let Some(data) = self.peers.get_mut(&peer)
                    {
                        data.channel.handle_no_mailbox(from, to);
                    }
                }
                ChannelOutput::NoMailbox { from, to } => self.on_no_mailbox(peer, from, to),
                ChannelOutput::Reset { unacked, boot } => {
                    self.on_channel_reset(peer, boot, unacked, net);
                }
                ChannelOutput::Writable => self.on_writable(peer, net),
                _ => {}
            }
        }
        net.local.channel_outputs.push(out);
    }

    fn on_channel_reset(&mut self, peer: u32, boot: Boot, unacked: usize, net: &mut Net) {
        let id = names::node_id(net.shared.seed, peer);
        self.observe(Observation::ChannelReset { peer: id, unacked }, net);
        self.app.on_lost(peer, unacked as u64);
        self.on_calls_reset((peer, boot), net);
        self.lose_letters(peer, None, net);
    }

    /// Tells the senders that what waits for `peer` will not arrive. The channel keeps its marks: a
    /// peer that comes back with the same start goes on in a new epoch.
    fn fail_channel(&mut self, peer: u32, reason: Unreachable, net: &mut Net) {
        self.lose_letters(peer, Some(reason), net);
        let now = net.now;
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        let boot = data.channel.peer_boot();
        let unacked = data.channel.abandon(&net.shared.channel, now);
        self.on_channel_reset(peer, boot, unacked, net);
        self.on_writable(peer, net);
    }

    fn arm_channel(&mut self, peer: u32, net: &mut Net) {
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        let Some((deadline, _)) = data.channel.poll_timeout() else {
            return;
        };
        if deadline == Time::NEVER || data.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        let slack = self.random.duration(Duration::ZERO, net.shared.timer_slack);
        let time = deadline.max(net.now).after(slack);
        data.armed = Some(deadline);
        self.push(time, self.ix, Event::ChannelWake { peer }, net);
    }

    fn report_activity(&mut self, session: SessionId, net: &mut Net) {
        let Some(extra) = self.sessions.extra_mut(session) else {
            return;
        };
        let is_fresh = extra
            .reported
            .is_some_and(|last| net.now.since(last) < ACTIVITY_PERIOD);
        if !is_fresh {
            extra.reported = Some(net.now);
            self.activities.push(session);
        }
    }
}

/// When a line of so many bytes per second that is busy until then has room for a write, if it has
/// none now.
fn room_from(busy_until: Time, rate: u64, now: Time) -> Option<Time> {
    let backlog = busy_until.since(now);
    let room = occupancy(WRITE_BYTES_MAX, rate);
    (backlog > room).then(|| now.after(backlog - room))
}
