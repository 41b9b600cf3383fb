//! What can happen to a node of the world.
//!
//! Packets are typed: the codec sits at the edge of the live runtime, and the world passes messages
//! through it only where [`WorldConfig::codec`](crate::WorldConfig::codec) says so.

use archipelago_core::channel::Frame;
use archipelago_core::wire::{Control, SessionId};
use archipelago_router::DialId;

use crate::parcel::Parcel;

/// Something that happens to one node.
#[derive(Debug)]
pub(crate) enum Event {
    /// The control machine's timer.
    Wake,
    /// The timer of the channel to this node, or its socket has room again.
    ChannelWake {
        /// The other node.
        peer: u32,
    },
    /// Somebody dials.
    Syn {
        /// The dialler's end.
        session: SessionId,
    },
    /// A dial found nobody.
    Refused {
        /// The dialler's end.
        session: SessionId,
    },
    /// A dial took too long.
    DialTimeout {
        /// The dialler's end.
        session: SessionId,
    },
    /// No address of a dial led anywhere.
    DialEnded {
        /// Which.
        dial: DialId,
        /// Why, at the last address.
        reason: &'static str,
    },
    /// Something arrived on a session.
    Packet {
        /// The sender's end.
        from: SessionId,
        /// The receiver's end.
        to: SessionId,
        /// What.
        body: Body,
    },
    /// The processor is done with a packet that had waited for it.
    Worked,
    /// The transport's time-out for what could not be sent.
    Abort {
        /// The sender's end.
        session: SessionId,
    },
    /// The transport tries again to send what a cut held.
    Retransmit {
        /// The sender's end.
        session: SessionId,
    },
    /// The socket of a session that this end closed is gone.
    Gone {
        /// This end.
        session: SessionId,
    },
    /// A timer of the user's own protocol.
    Timer,
    /// A deadline of a call.
    CallTimeout,
    /// The application's turn.
    Flow {
        /// Which of its flows.
        flow: u32,
    },
}

/// What a session carries.
#[derive(Debug)]
pub(crate) enum Body {
    /// The dialled end answers.
    Accepted,
    /// The dialling end confirms.
    Established,
    /// Control stream.
    Control(Parcel<Control>),
    /// Data stream.
    Frames(Parcel<Vec<Frame>>),
    /// An orderly end: nothing follows.
    Fin,
    /// There is no such session, or its process died.
    Reset,
}
