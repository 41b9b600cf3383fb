//! Letters of the control machine on their way into channels and out of them, as in the live
//! runtime: a bounded queue for each peer before its channel, and a word when any may be lost.

use std::collections::VecDeque;

use archipelago_core::channel::{Kind, Message};
use archipelago_core::wire::Letter;
use archipelago_core::{Boot, GroupId, LocalId, NodeId};
use archipelago_router::{Command, LETTERS_BYTES_MAX, LETTERS_LEN_MAX, Unreachable};
use bytes::Bytes;

use super::Host;
use crate::names;
use crate::net::Net;

/// Letters to one peer that its channel does not have yet.
#[derive(Debug, Default)]
pub(super) struct Letters {
    waiting: VecDeque<(Option<LocalId>, Bytes)>,
    bytes: usize,
    /// Whether any was given to the channel since the last loss.
    has_sent: bool,
}

/// Something for the control machine, which is not entered while its outputs are done.
#[derive(Debug)]
pub(super) enum Post {
    /// A letter came from the start of a node.
    Letter(NodeId, Boot, Letter),
    /// Letters to a node may be lost.
    Lost(NodeId, Option<Unreachable>),
    /// A process is not there.
    Nobody(LocalId),
}

impl Host {
    /// The control machine writes a letter.
    pub(super) fn post(
        &mut self,
        to: NodeId,
        home: Option<GroupId>,
        after: Option<LocalId>,
        letter: &Letter,
        net: &mut Net,
    ) {
        let payload = letter.to_bytes().expect("machines write what can be read");
        let peer = names::node_of(&to);
        self.channel(peer, Boot(0), net);
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        data.home = home.or(data.home);
        let letters = data.letters.get_or_insert_default();
        let is_full = letters.waiting.len() >= LETTERS_LEN_MAX
            || letters.bytes.saturating_add(payload.len()) > LETTERS_BYTES_MAX;
        if is_full {
            let lost = Post::Lost(to, Some(Unreachable::Overloaded));
            return self.letters.push_back(lost);
        }
        letters.bytes += payload.len();
        letters.waiting.push_back((after, payload));
        self.dirty.insert(peer);
    }

    /// Gives the channel the letters that it takes, each after what must go before it.
    pub(super) fn feed_letters(&mut self, peer: u32, net: &Net) {
        let Some(data) = self.peers.get_mut(&peer) else {
            return;
        };
        let (Some(letters), channel) = (&mut data.letters, &mut data.channel) else {
            return;
        };
        // What was acknowledged cannot be lost any more.
        letters.has_sent &= !channel.is_at_rest();
        let mut held = VecDeque::new();
        while let Some((after, payload)) = letters.waiting.pop_front() {
            let message = Message {
                from: LocalId::NODE,
                to: LocalId::NODE,
                kind: Kind::Cast,
                payload: payload.clone(),
            };
            let must_wait = after.is_some_and(|local| channel.holds_from(local));
            if must_wait || channel.send(message, &net.shared.channel, net.now).is_err() {
                held.push_back((after, payload));
            } else {
                letters.bytes -= payload.len();
                letters.has_sent = true;
            }
        }
        letters.waiting = held;
    }

    /// The control machine wants to hear of a mailbox's end.
    pub(super) fn observe_process(&mut self, local: LocalId) {
        // Every end is told.
        if !self.app.has_mailbox(local) {
            self.letters.push_back(Post::Nobody(local));
        }
    }

    /// A message for the control machine: only another one writes such.
    pub(super) fn on_letter(&mut self, peer: u32, message: &Message, net: &Net) {
        let boot = self.boot_of(peer).unwrap_or_default();
        let from = names::node_id(net.shared.seed, peer);
        match Letter::from_bytes(&message.payload) {
            Ok(letter) if message.from == LocalId::NODE => {
                self.letters.push_back(Post::Letter(from, boot, letter));
            }
            _ => self.app.letters_ignored += 1,
        }
    }

    /// What was written to a peer may be lost: the control machine hears of it, once.
    pub(super) fn lose_letters(&mut self, peer: u32, reason: Option<Unreachable>, net: &Net) {
        let Some(letters) = self
            .peers
            .get_mut(&peer)
            .and_then(|data| data.letters.as_mut())
        else {
            return;
        };
        let has_lost_waiting = reason.is_some() && !letters.waiting.is_empty();
        if has_lost_waiting {
            letters.waiting.clear();
            letters.bytes = 0;
        }
        if std::mem::take(&mut letters.has_sent) || has_lost_waiting {
            let to = names::node_id(net.shared.seed, peer);
            self.letters.push_back(Post::Lost(to, reason));
        }
    }

    /// Gives the control machine what came for it.
    pub(super) fn read_letters(&mut self, net: &mut Net) {
        while let Some(post) = self.letters.pop_front() {
            match post {
                Post::Letter(from, boot, letter) => self.drive(net, |node, now, out| {
                    node.handle_letter(from, boot, letter, now, out);
                }),
                Post::Nobody(local) => {
                    let exit = None;
                    // Who is shutting down has told its watchers.
                    let _refused = self.command(Command::ProcessEnded { local, exit }, net);
                }
                Post::Lost(to, reason) => {
                    // Who is shutting down needs no letters.
                    let _refused = self.command(Command::LetterLost { to, reason }, net);
                }
            }
        }
    }
}
