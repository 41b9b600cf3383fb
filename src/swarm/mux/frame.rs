//! Frames of the multiplexer: a head of eight bytes, and of data its bytes.
//!
//! ```text
//! stream << 3 | kind: 4 · value: 4 (little-endian)
//!   kind  0 data, value bytes follow      1 the stream begins        2 value more bytes may be sent
//!         3 its sender sends no more      4 its sender forgot it
//! ```
//! The dialler's streams have odd numbers, the listener's even ones.

/// Bytes of a head.
pub(super) const HEAD_LEN: usize = 8;

/// Highest number of a stream.
pub(super) const STREAM_MAX: u32 = u32::MAX >> 3;

/// Bytes of data in a frame that is taken; what is sent is far shorter.
const DATA_LEN_MAX: u32 = 1 << 20;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// So many bytes follow.
    Data(u32),
    /// The stream begins.
    Open,
    /// So many more bytes may be sent.
    Credit(u32),
    /// No more bytes follow.
    Finish,
    /// Whoever had the other end is gone.
    Reset,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) stream: u32,
    pub(super) kind: Kind,
}

impl Head {
    pub(super) fn encode(self) -> [u8; HEAD_LEN] {
        let (kind, value) = match self.kind {
            Kind::Data(len) => (0, len),
            Kind::Open => (1, 0),
            Kind::Credit(bytes) => (2, bytes),
            Kind::Finish => (3, 0),
            Kind::Reset => (4, 0),
        };
        let mut head = [0; HEAD_LEN];
        let (first, second) = head.split_at_mut(4);
        first.copy_from_slice(&(self.stream << 3 | kind).to_le_bytes());
        second.copy_from_slice(&value.to_le_bytes());
        head
    }

    /// `None`: no head of this protocol.
    pub(super) fn decode(head: [u8; HEAD_LEN]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = head;
        let (first, value) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        let kind = match (first & 7, value) {
            (0, 1..=DATA_LEN_MAX) => Kind::Data(value),
            (1, 0) => Kind::Open,
            (2, 1..) => Kind::Credit(value),
            (3, 0) => Kind::Finish,
            (4, 0) => Kind::Reset,
            _ => return None,
        };
        let stream = first >> 3;
        Some(Self { stream, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_heads_come_back_and_others_are_refused() {
        let golden = [
            (7, Kind::Data(300), [56, 0, 0, 0, 44, 1, 0, 0]),
            (1, Kind::Open, [9, 0, 0, 0, 0, 0, 0, 0]),
            (2, Kind::Credit(1 << 18), [18, 0, 0, 0, 0, 0, 4, 0]),
            (3, Kind::Finish, [27, 0, 0, 0, 0, 0, 0, 0]),
            (STREAM_MAX, Kind::Reset, [252, 255, 255, 255, 0, 0, 0, 0]),
        ];
        for (stream, kind, bytes) in golden {
            let head = Head { stream, kind };
            assert_eq!(head.encode(), bytes);
            assert_eq!(Head::decode(bytes), Some(head));
        }
        let too_long = (1_u32 << 20) + 1;
        for (first, value) in [
            (0, 0),
            (0, too_long),
            (1, 1),
            (2, 0),
            (3, 9),
            (5, 0),
            (7, 7),
        ] {
            let mut bytes = [first, 0, 0, 0, 0, 0, 0, 0];
            bytes[4..].copy_from_slice(&u32::to_le_bytes(value));
            assert_eq!(Head::decode(bytes), None, "{first} {value}");
        }
    }
}
