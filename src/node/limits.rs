//! What one node grants to all and to each: on by default, and what happens at each limit.

use std::time::Duration;

use archipelago_core::streams::StreamsConfig;
use archipelago_router::watch::WatchConfig;

/// Limits of one node's sockets and queues.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections being accepted and not yet authenticated. Default 256: several hundred may
    /// knock at one seed. Beyond it a connection is closed unanswered; the dialler tries again.
    pub pending_inbound_max: u32,
    /// Dials under way. Default 256; beyond it a dial fails at once.
    pub pending_outbound_max: u32,
    /// Connections at once, in both directions. Default 4,096; beyond it new ones are closed.
    pub connections_max: u32,
    /// Connections with one node. Default 4: two nodes may dial each other at the same time,
    /// and again before the old ones are seen to be dead.
    pub connections_per_peer_max: u32,
    /// Time for a handshake, and again for the control stream to open. Default 5 s.
    pub handshake_timeout: Duration,
    /// Data streams that a peer may open on one session in a burst; one more is granted per
    /// second. Default 64; beyond it the session is closed.
    pub streams_burst: u32,
    /// Control messages that a peer may send on one session in a burst. Default 32,768; beyond it
    /// the session is closed.
    pub control_burst: u32,
    /// Control messages per second that a peer may send on one session for ever. Default 8,192.
    pub control_rate: u32,
    /// Bytes of control messages waiting for a slow peer. Default 1 MiB; beyond it its session is
    /// closed.
    pub control_queue_bytes_max: usize,
    /// Bytes of messages waiting to enter the channel of one peer, counted apart for short ones (up
    /// to 16 KiB) and long ones. Default 256 KiB; beyond it `send` waits and `try_send` says
    /// `Full`.
    pub send_queue_bytes_max: usize,
    /// How long a data stream of a session stays open without use, and what belongs to a peer's
    /// traffic without any. Default 5 s; the next message opens them again unnoticed.
    pub data_linger: Duration,
    /// Streams from this node to one other. Default 32; beyond it one is refused. From another node
    /// half as many more are taken.
    pub streams_per_peer_max: usize,
    /// Bytes of one stream that wait at its writer, beside one write. Default 128 KiB; beyond it
    /// the writer waits.
    pub stream_buffer_bytes: usize,
    /// Bytes of one stream that wait at its reader. Default 256 KiB; beyond it the writer waits.
    pub stream_window_bytes: usize,
    /// A stream to or from another node in which nothing is written, arrives or is read for so
    /// long ends. Default 60 s.
    pub stream_idle_max: Duration,
    /// Messages waiting in one mailbox. Default 1,024; beyond it its senders wait, nobody else.
    pub mailbox_len_max: usize,
    /// Mailboxes of the node. Default 1,048,576.
    pub mailboxes_max: usize,
    /// Workers that run here for other nodes, which started them by a factory's name, and states of
    /// such that wait for their successors. Default 4,096; beyond it a start is refused.
    pub workers_for_others_max: usize,
    /// Calls of the node that are not answered yet. Default 65,536; beyond it a call fails at once.
    pub calls_max: usize,
    /// Peers with traffic at once. Default 4,096; beyond it a send to another fails.
    pub busy_peers_max: usize,
    /// Monitors of the node at once. Default 65,536; beyond it they are refused.
    pub monitors_max: usize,
    /// Mailboxes of the node that one other node may watch at once. Default 1,024; beyond it that
    /// node's monitors say [`EndReason::Refused`](crate::EndReason::Refused).
    pub watches_per_peer_max: usize,
    /// Members of its groups whose end this node, as a reflector, tells one other node of. Default
    /// 1,024; beyond it that node asks another reflector.
    pub guards_per_peer_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_inbound_max: 256,
            pending_outbound_max: 256,
            connections_max: 4_096,
            connections_per_peer_max: 4,
            handshake_timeout: Duration::from_secs(5),
            streams_burst: 64,
            control_burst: 32_768,
            control_rate: 8_192,
            control_queue_bytes_max: 1024 * 1024,
            send_queue_bytes_max: 256 * 1024,
            data_linger: Duration::from_secs(5),
            streams_per_peer_max: 32,
            stream_buffer_bytes: 128 * 1024,
            stream_window_bytes: 256 * 1024,
            stream_idle_max: Duration::from_secs(60),
            mailbox_len_max: 1_024,
            mailboxes_max: 1_048_576,
            workers_for_others_max: 4_096,
            calls_max: 65_536,
            busy_peers_max: 4_096,
            monitors_max: 65_536,
            watches_per_peer_max: 1_024,
            guards_per_peer_max: 1_024,
        }
    }
}

impl Limits {
    /// Those of streams.
    pub(crate) fn streams(&self) -> StreamsConfig {
        StreamsConfig {
            window_bytes: self.stream_window_bytes as u64,
            len_max: self.streams_per_peer_max,
            idle_max: self.stream_idle_max,
            ..StreamsConfig::default()
        }
    }

    /// Those of monitors.
    pub(crate) fn watch(&self) -> WatchConfig {
        WatchConfig {
            monitors_max: self.monitors_max,
            watches_per_peer_max: self.watches_per_peer_max,
            guards_per_peer_max: self.guards_per_peer_max,
            ..WatchConfig::default()
        }
    }
}
