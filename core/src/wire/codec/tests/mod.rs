//! Messages of every kind, and bytes of every kind.

mod generate;
mod golden;
mod heap;
mod hostile;

use proptest::prelude::*;

use super::*;
use generate::Generator;

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(seed: u64, list_len_max in 0..6_u64) {
        let message = Generator::new(seed, list_len_max).any();
        let mut bytes = vec![1, 2, 3];
        encode(&message, &mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes[3..]), Ok(message));
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(seed: u64, piece_len in 1..200_usize) {
        let mut generator = Generator::new(seed, 2);
        let messages: Vec<_> = (0..8).map(|_| generator.any()).collect();
        let mut bytes = Vec::new();
        for message in &messages {
            encode_frame(message, &mut bytes).unwrap();
        }
        let mut reader = FrameReader::new();
        let mut read = Vec::new();
        for mut piece in bytes.chunks(piece_len) {
            while let Some(message) = reader.read(&mut piece).unwrap() {
                read.push(message);
            }
            prop_assert!(piece.is_empty());
        }
        prop_assert_eq!(read, messages);
        prop_assert_eq!(reader.buffered_len(), 0);
    }
}
