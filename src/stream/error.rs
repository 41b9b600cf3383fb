//! Why a stream ended before its time.

use archipelago_core::streams::{Abort, ReadEnd, Stop, WriteEnd};
use archipelago_router::Unreachable;

use crate::SendError;

/// Why a stream ended before all of it was written and read; it stays so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// For the reader: the writer gave up, and says why.
    #[error("the writer gave up: {0}")]
    Aborted(String),
    /// For the reader: the writer was dropped before it was finished.
    #[error("the writer was dropped before it was finished")]
    WriterDropped,
    /// For the writer: the reader was dropped before it had read all, or nobody took it from the
    /// mailbox.
    #[error("the reader was dropped before it had read all")]
    ReaderDropped,
    /// For the writer: there is no such mailbox.
    #[error("there is no such mailbox: ask its owner for the new pid")]
    NoMailbox,
    /// For the writer: the other node has as many streams from this one as it takes.
    #[error("the other node takes no more streams from this one: try again when others ended")]
    TooMany,
    /// Nothing was written, arrived or was read for too long.
    #[error(
        "nothing moved in the stream for too long: write and read on, or raise `stream_idle_max`"
    )]
    Idle,
    /// What was under way between the nodes is lost: the other one started anew, or forgot.
    #[error("what was under way between the nodes is lost: send it again")]
    Lost,
    /// The other node cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The other node broke the protocol.
    #[error("the other node sent more than it may, or than it announced")]
    Broken,
    /// It was finished or aborted before.
    #[error("the stream was finished or aborted before")]
    Finished,
    /// This node was shut down or killed.
    #[error("this node has stopped: start another")]
    Stopped,
}

impl From<StreamError> for std::io::Error {
    fn from(error: StreamError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            StreamError::Idle => ErrorKind::TimedOut,
            StreamError::ReaderDropped | StreamError::Finished => ErrorKind::BrokenPipe,
            StreamError::Aborted(_) | StreamError::WriterDropped => ErrorKind::ConnectionAborted,
            StreamError::Lost => ErrorKind::ConnectionReset,
            StreamError::TooMany | StreamError::NoMailbox => ErrorKind::ConnectionRefused,
            StreamError::Unreachable(_) => ErrorKind::HostUnreachable,
            StreamError::Broken => ErrorKind::InvalidData,
            StreamError::Stopped => ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}

impl From<&SendError> for StreamError {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::NoMailbox => Self::NoMailbox,
            SendError::Unreachable(reason) => Self::Unreachable(*reason),
            SendError::Stopped => Self::Stopped,
            _ => Self::Lost,
        }
    }
}

impl From<Abort> for StreamError {
    fn from(why: Abort) -> Self {
        match why {
            Abort::Dropped => Self::WriterDropped,
            Abort::Said(text) => Self::Aborted(text.as_str().to_owned()),
            Abort::Idle => Self::Idle,
            _ => Self::Lost,
        }
    }
}

impl From<Stop> for StreamError {
    fn from(why: Stop) -> Self {
        match why {
            Stop::TooMany => Self::TooMany,
            Stop::NoMailbox => Self::NoMailbox,
            Stop::Dropped => Self::ReaderDropped,
            Stop::Idle => Self::Idle,
            Stop::Broken => Self::Broken,
            _ => Self::Lost,
        }
    }
}

/// As the writer hears of it.
pub(crate) fn written(end: WriteEnd) -> Result<(), StreamError> {
    match end {
        WriteEnd::Taken => Ok(()),
        WriteEnd::Stopped(why) => Err(why.into()),
        WriteEnd::Idle => Err(StreamError::Idle),
        WriteEnd::Lost => Err(StreamError::Lost),
    }
}

/// As the reader hears of it.
pub(crate) fn read(end: ReadEnd) -> Result<(), StreamError> {
    match end {
        ReadEnd::Whole => Ok(()),
        ReadEnd::Aborted(why) => Err(why.into()),
        ReadEnd::Idle => Err(StreamError::Idle),
        ReadEnd::Lost => Err(StreamError::Lost),
        ReadEnd::Broken => Err(StreamError::Broken),
    }
}
