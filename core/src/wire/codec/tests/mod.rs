//! Messages of every kind, and bytes of every kind.

use super::*;

#[test]
fn a_frame_read_byte_by_byte_is_the_message() {
    let mut bytes = Vec::new();
    encode_frame(&Control::Ping(7), &mut bytes).unwrap();
    encode_frame(&Control::IdleAgree, &mut bytes).unwrap();
    let mut reader = FrameReader::new();
    let mut read = Vec::new();
    for byte in &bytes {
        read.extend(reader.read(&mut &[*byte][..]).unwrap());
    }
    assert_eq!(read, [Control::Ping(7), Control::IdleAgree]);
    assert_eq!(reader.buffered_len(), 0);
}
