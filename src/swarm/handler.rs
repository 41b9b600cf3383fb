//! One connection: opens and accepts its substreams, and hands them over.
//!
//! The dialler opens the control stream at once; data streams are opened when asked for. A peer
//! may open one control stream if it dialled, and data streams by a quota; whoever asks for more
//! is reported once, and then ignored.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Ready, ready};
use libp2p::StreamProtocol;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{InboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandlerEvent, SubstreamProtocol};
use libp2p::swarm::{ConnectionHandler, Stream};

use super::{CONTROL, DATA};
use crate::session::Quota;

/// The handler of one connection.
#[derive(Debug)]
pub(crate) struct Handler {
    /// Streams to ask the connection for.
    wanted: VecDeque<Class>,
    events: VecDeque<HandlerOut>,
    /// Whether the peer may still open the control stream.
    is_control_expected: bool,
    data_quota: Quota,
    is_abused: bool,
    upgrade_timeout: Duration,
}

/// What a substream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Control,
    Data,
}

/// For the handler.
#[derive(Debug)]
pub(crate) enum HandlerIn {
    /// Open a data stream.
    OpenData,
}

/// From the handler.
#[derive(Debug)]
pub(crate) enum HandlerOut {
    /// The control stream, whoever opened it.
    Control(Stream),
    /// A data stream that the peer opened.
    InboundData(Stream),
    /// The data stream that was asked for.
    OutboundData(Stream),
    /// A stream could not be opened: the connection is of no use.
    Failed,
    /// The peer opens streams that it must not, or too many.
    Abused,
}

impl Handler {
    pub(crate) fn new(is_dialler: bool, streams_burst: u32, upgrade_timeout: Duration) -> Self {
        let mut wanted = VecDeque::new();
        if is_dialler {
            wanted.push_back(Class::Control);
        }
        Self {
            wanted,
            events: VecDeque::new(),
            is_control_expected: !is_dialler,
            data_quota: Quota::new(streams_burst, 1),
            is_abused: false,
            upgrade_timeout,
        }
    }

    fn on_inbound(&mut self, class: Class, stream: Stream) {
        let is_allowed = match class {
            Class::Control => std::mem::take(&mut self.is_control_expected),
            Class::Data => self.data_quota.take(1),
        };
        let event = match class {
            _ if self.is_abused => return,
            _ if !is_allowed => HandlerOut::Abused,
            Class::Control => HandlerOut::Control(stream),
            Class::Data => HandlerOut::InboundData(stream),
        };
        self.is_abused = !is_allowed;
        self.events.push_back(event);
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = HandlerIn;
    type ToBehaviour = HandlerOut;
    type InboundProtocol = Accept;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Class;

    fn listen_protocol(&self) -> SubstreamProtocol<Accept> {
        SubstreamProtocol::new(Accept, ()).with_timeout(self.upgrade_timeout)
    }

    fn connection_keep_alive(&self) -> bool {
        // The node's machine closes what it does not want.
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Class, HandlerOut>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if let Some(class) = self.wanted.pop_front() {
            let upgrade = ReadyUpgrade::new(class.protocol());
            let protocol =
                SubstreamProtocol::new(upgrade, class).with_timeout(self.upgrade_timeout);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        // Both queues grow only in calls after which the connection polls again.
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, HandlerIn::OpenData: HandlerIn) {
        self.wanted.push_back(Class::Data);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Accept, Self::OutboundProtocol, (), Class>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(inbound) => {
                let (class, stream) = inbound.protocol;
                self.on_inbound(class, stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(outbound) => {
                let event = match outbound.info {
                    Class::Control => HandlerOut::Control(outbound.protocol),
                    Class::Data => HandlerOut::OutboundData(outbound.protocol),
                };
                self.events.push_back(event);
            }
            ConnectionEvent::DialUpgradeError(_) => self.events.push_back(HandlerOut::Failed),
            _ => {}
        }
    }
}

impl Class {
    const fn protocol(self) -> StreamProtocol {
        match self {
            Self::Control => CONTROL,
            Self::Data => DATA,
        }
    }
}

/// Accepts both protocols and tells which it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accept;

impl UpgradeInfo for Accept {
    type Info = StreamProtocol;
    type InfoIter = std::array::IntoIter<StreamProtocol, 2>;

    fn protocol_info(&self) -> Self::InfoIter {
        [CONTROL, DATA].into_iter()
    }
}

impl InboundUpgrade<Stream> for Accept {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        let class = if protocol == CONTROL {
            Class::Control
        } else {
            Class::Data
        };
        ready(Ok((class, stream)))
    }
}
