//! Typed messages as bytes: a tag of the protocol, and the value by postcard.
//!
//! The tag is a hash (FNV-1a, 32 bits) of the protocol's name: enough to tell protocols apart that
//! were mixed up, and nothing against an enemy, whose bytes the decoder checks anyhow.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Protocol;
use crate::SendError;

pub(super) const TAG_LEN: usize = 4;

pub(super) fn encode<M: Protocol>(message: &M) -> Result<Vec<u8>, SendError> {
    let tag = tag(M::NAME).to_le_bytes().to_vec();
    postcard::to_extend(message, tag).map_err(|error| SendError::Encode(error.to_string()))
}

pub(super) fn decode<M: Protocol>(bytes: &[u8]) -> Result<M, String> {
    let (found, value) = bytes
        .split_first_chunk::<TAG_LEN>()
        .ok_or("too short for a tag")?;
    if *found != tag(M::NAME).to_le_bytes() {
        return Err(format!("not of the protocol {:?}", M::NAME));
    }
    decode_reply(value)
}

pub(super) fn encode_reply<R: Serialize>(reply: &R) -> Result<Vec<u8>, SendError> {
    postcard::to_stdvec(reply).map_err(|error| SendError::Encode(error.to_string()))
}

pub(super) fn decode_reply<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, String> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes too many", rest.len()))
    }
}

const fn tag(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    let mut index = 0;
    while index < bytes.len() {
        hash ^= bytes[index] as u32;
        hash = hash.wrapping_mul(0x0100_0193);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Add(u32);

    impl Protocol for Add {
        const NAME: &'static str = "add/1";
        type Reply = u32;
    }

    #[derive(serde::Serialize, serde::Deserialize, Debug)]
    struct Other(u32);

    impl Protocol for Other {
        const NAME: &'static str = "other/1";
        type Reply = ();
    }

    #[test]
    fn golden_bytes_and_what_is_of_another_protocol() {
        let bytes = encode(&Add(300)).unwrap();
        assert_eq!(bytes.get(4..), Some(&[0xac, 2][..]));
        assert_eq!(tag(""), 0x811c_9dc5);
        assert_eq!(tag("foobar"), 0xbf9c_f968, "as its authors publish it");
        assert_eq!(decode::<Add>(&bytes), Ok(Add(300)));
        assert!(decode::<Other>(&bytes).is_err());
        assert!(decode::<Add>(&bytes[..3]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        assert!(decode::<Add>(&longer).is_err());
    }
}
