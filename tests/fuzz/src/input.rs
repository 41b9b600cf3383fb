//! Choices out of an input's bytes; when they are used up, every choice is the first.

use archipelago_core::LocalId;

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        byte
    }

    /// Below `bound`, which is at least 1.
    pub(crate) fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number of any size: small ones take a byte, those near the ends of a type two.
    pub(crate) fn number(&mut self) -> u64 {
        let byte = self.byte();
        match byte {
            0..=223 => u64::from(byte),
            224..=239 => 1_u64 << (self.byte() % 64),
            240..=247 => u64::MAX >> (self.byte() % 64),
            _ => u64::from(self.byte()) << 8 | u64::from(self.byte()),
        }
    }

    /// One of a few mailboxes, seldom another one.
    pub(crate) fn mailbox(&mut self) -> LocalId {
        let byte = self.byte();
        LocalId(if byte < 240 {
            u64::from(byte % 3) + 2
        } else {
            u64::from(byte) << 8 | u64::from(self.byte())
        })
    }

    /// As many of the bytes that follow as there are, up to `len`.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}
