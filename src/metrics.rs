//! Counters of one node: each rises only, and is cheap to add to.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that any task may add to.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of a node since its start.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        impl Counters {
            pub(crate) fn read(&self) -> Metrics {
                Metrics {
                    $($name: self.$name.read(),)+
                }
            }
        }
    };
}

counters! {
    /// Messages accepted for other nodes.
    messages_sent,
    /// Messages from other nodes handed to mailboxes.
    messages_delivered,
    /// Times that messages from another node were too many for a full mailbox, and their senders
    /// were asked to pause.
    mailbox_pauses,
    /// Times that tasks of peers ran, for whatever reason: messages for each tell how many go
    /// together.
    peer_wakes,
    /// Times that a sender did the work of a peer's task, which was not woken for it: its message
    /// found nothing under way.
    peer_turns_saved,
    /// Messages between mailboxes of this node.
    messages_local,
    /// Words about groupcasts that were dropped: for want of room, of a way, or of sense. What they
    /// brought is sent again, or told as missed.
    groupcast_words_dropped,
    /// Messages to hosts of keyed workers that were none of theirs, or from who hosts no more.
    keyed_ignored,
    /// Calls that were dropped unread because their callers had stopped waiting.
    calls_expired,
    /// Replies that came after their call had ended.
    replies_late,
    /// Accepted messages that may not have been delivered; each also tells
    /// [`NodeEvent::Undelivered`](crate::NodeEvent::Undelivered).
    messages_undelivered,
    /// Letters of the control machine given to channels.
    letters_sent,
    /// Letters that came for the control machine.
    letters_received,
    /// Messages to the control machine that were no letters, or not from another one.
    letters_ignored,
    /// Streams of bytes opened to other nodes.
    streams_opened,
    /// Streams of bytes that other nodes opened.
    streams_accepted,
    /// Streams of bytes from other nodes that were refused: there were too many.
    streams_refused,
    /// Words and pieces of streams that made no sense.
    stream_words_ignored,
    /// Data streams that ended although their session went on, or was not known to have ended.
    data_streams_lost,
    /// Bytes of frames put on data streams.
    data_bytes_sent,
    /// Bytes of frames read from data streams.
    data_bytes_received,
    /// Bytes of frames sent by relay or detour.
    relay_bytes_sent,
    /// Bytes of frames that came by relay or detour.
    relay_bytes_received,
    /// Control messages put on sessions.
    control_sent,
    /// Control messages read from sessions.
    control_received,
    /// Bytes of control messages put on sessions.
    control_bytes_sent,
    /// Bytes of control messages read from sessions.
    control_bytes_received,
    /// Dials begun.
    dials,
    /// Dials that came to nothing.
    dials_failed,
    /// Sessions that came to be, in either direction.
    sessions_opened,
    /// Sessions that ended.
    sessions_closed,
    /// Connections refused by a limit.
    connections_refused,
    /// Connections whose handshake or control stream did not come in time.
    half_open_closed,
    /// Sessions closed because the peer's queue of control messages was full.
    slow_peers_closed,
    /// Sessions closed because the peer broke the protocol or its quota.
    abusive_peers_closed,
    /// Boots that could not be written beside the key file: a restart may take one again, until
    /// its group raises it.
    boots_unsaved,
    /// Splits of groups that keep themselves in size that this node began, as their keeper. Another
    /// keeper may end what one began.
    splits_begun,
    /// Splits that this node ended as keeper: who was to move has moved.
    splits_done,
    /// Splits that this node called off as keeper, since they were not made in time.
    splits_undone,
    /// Mergers of such groups into others that this node began, as keeper or by invitation.
    mergers_begun,
    /// Mergers that this node ended as keeper.
    mergers_done,
    /// Mergers that this node called off as keeper.
    mergers_undone,
    /// Times that this node moved from such a group to another one, with all that it said.
    moves_done,
    /// Times that this node entered another group to move there, and left it again since the change
    /// was called off.
    moves_undone,
    /// Control messages longer than a frame may be, which were dropped: a fault of this library.
    control_unencodable,
    /// Frames by relay or detour that were dropped because their peer's queue was full; the
    /// sender sends them again.
    relay_dropped,
}
