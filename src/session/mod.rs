//! Control streams.
