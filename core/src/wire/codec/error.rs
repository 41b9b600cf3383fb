//! What can be wrong with bytes, and with messages that are to become bytes.

/// A message that no peer would accept; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Longer than a frame may be.
    #[error("the message is longer than {max} bytes: send it in pages")]
    TooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// A text or byte string in it is beyond its limit, or a text has control characters.
    #[error("a text or byte string in the message is beyond its limit")]
    Limit,
}

impl From<postcard::Error> for EncodeError {
    fn from(error: postcard::Error) -> Self {
        match error {
            postcard::Error::SerializeBufferFull => Self::TooLong {
                max: super::CONTROL_BYTES_MAX,
            },
            _ => Self::Limit,
        }
    }
}

/// Bytes that are no message: close the session that brought them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame is, or says that it is, longer than a frame may be.
    #[error("a frame of {len} bytes, where at most {max} are allowed")]
    TooLong {
        /// What it says.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end within the message.
    #[error("the bytes end within the message")]
    Truncated,
    /// Bytes are left over after the message.
    #[error("{len} bytes are left over after the message")]
    Trailing {
        /// How many.
        len: usize,
    },
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A number, flag or option that is written wrongly.
    #[error("a number, flag or option is written wrongly")]
    Malformed,
    /// A kind of message that is not known, or a list, text or byte string that is beyond its
    /// limit, or a text with control characters.
    #[error("an unknown kind of message, or a list, text or byte string beyond its limit")]
    Unknown,
}

impl From<postcard::Error> for DecodeError {
    fn from(error: postcard::Error) -> Self {
        match error {
            postcard::Error::DeserializeUnexpectedEnd => Self::Truncated,
            postcard::Error::DeserializeBadUtf8 => Self::Text,
            postcard::Error::SerdeDeCustom => Self::Unknown,
            _ => Self::Malformed,
        }
    }
}
