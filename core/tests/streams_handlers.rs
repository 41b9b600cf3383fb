//! The machine of streams, input by input: whole lists of words and outputs.
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::channel::StreamId;
use archipelago_core::streams::{
    Abort, ReadEnd, Stop, Streams, StreamsConfig, StreamsOutput, Word, WriteEnd,
};
use archipelago_core::wire::ExitText;

const ID: StreamId = StreamId(300);
const OTHER: StreamId = StreamId(301);

struct Rig {
    streams: Streams,
    config: StreamsConfig,
    now: Time,
}

impl Rig {
    fn new() -> Self {
        let config = StreamsConfig {
            window_bytes: 100,
            len_max: 2,
            piece_bytes_max: 40,
            ..StreamsConfig::default()
        };
        Self {
            streams: Streams::default(),
            config,
            now: Time::START,
        }
    }

    /// A stream to the peer that may send `upto` bytes.
    fn writing(upto: u64) -> Self {
        let mut rig = Self::new();
        assert!(rig.streams.handle_opened(ID, &rig.config, rig.now));
        assert_eq!(rig.hear(Word::Grant { id: ID, upto }), []);
        rig
    }

    /// A stream from the peer, whose writer's end heard of it.
    fn reading() -> Self {
        let mut rig = Self::new();
        assert!(rig.streams.handle_open(ID, &rig.config, rig.now));
        assert_eq!(rig.said(), [Word::Grant { id: ID, upto: 100 }]);
        rig
    }

    fn hear(&mut self, word: Word) -> Vec<StreamsOutput> {
        let mut out = Vec::new();
        self.streams
            .handle_word(word, &self.config, self.now, &mut out);
        out
    }

    fn piece(&mut self, len: usize) -> (bool, Vec<StreamsOutput>) {
        let mut out = Vec::new();
        let is_taken = self.streams.handle_piece(ID, len, self.now, &mut out);
        (is_taken, out)
    }

    fn read(&mut self, total: u64) {
        self.streams.handle_read(ID, total, &self.config, self.now);
    }

    fn said(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        while let Some(word) = self.streams.poll_word() {
            words.push(word.clone());
            self.streams.handle_word_sent();
        }
        words
    }

    /// Sends what may be sent; the pieces.
    fn sent(&mut self) -> Vec<(StreamId, usize)> {
        let mut pieces = Vec::new();
        while let Some((id, len)) = self.streams.poll_piece(&self.config) {
            self.streams.handle_sent(id, len, self.now);
            pieces.push((id, len));
        }
        pieces
    }

    fn pass(&mut self, delay: Duration) -> Vec<StreamsOutput> {
        self.now = self.now.after(delay);
        let mut out = Vec::new();
        self.streams
            .handle_timeout(&self.config, self.now, &mut out);
        out
    }
}

const fn wrote(end: WriteEnd) -> StreamsOutput {
    StreamsOutput::Wrote { id: ID, end }
}

const fn read(end: ReadEnd) -> StreamsOutput {
    StreamsOutput::Read { id: ID, end }
}

#[test]
fn a_writer_sends_what_was_granted_in_pieces_and_says_the_length_once() {
    let mut rig = Rig::new();
    assert!(rig.streams.handle_opened(ID, &rig.config, rig.now));
    rig.streams.handle_written(ID, 90, rig.now);
    rig.streams.handle_finished(ID, rig.now);
    // Nothing before the reader's end is heard of.
    assert_eq!((rig.sent(), rig.said()), (vec![], vec![]));
    assert_eq!(rig.hear(Word::Grant { id: ID, upto: 50 }), []);
    assert_eq!(rig.sent(), [(ID, 40), (ID, 10)]);
    // A grant that was overtaken takes nothing back.
    assert_eq!(rig.hear(Word::Grant { id: ID, upto: 20 }), []);
    assert_eq!((rig.sent(), rig.said()), (vec![], vec![]));
    assert_eq!(rig.hear(Word::Grant { id: ID, upto: 150 }), []);
    assert_eq!(rig.sent(), [(ID, 40)]);
    assert_eq!(rig.said(), [Word::Finish { id: ID, len: 90 }]);
    assert_eq!(rig.hear(Word::Taken { id: ID }), [wrote(WriteEnd::Taken)]);
    assert!(rig.streams.is_empty());
}

#[test]
fn streams_take_turns() {
    let mut rig = Rig::writing(1_000);
    assert!(rig.streams.handle_opened(OTHER, &rig.config, rig.now));
    rig.hear(Word::Grant {
        id: OTHER,
        upto: 1_000,
    });
    rig.streams.handle_written(ID, 100, rig.now);
    rig.streams.handle_written(OTHER, 100, rig.now);
    let turns = [
        (ID, 40),
        (OTHER, 40),
        (ID, 40),
        (OTHER, 40),
        (ID, 20),
        (OTHER, 20),
    ];
    assert_eq!(rig.sent(), turns);
}

#[test]
fn a_reader_grants_as_it_reads_and_tells_when_it_has_read_all() {
    let mut rig = Rig::reading();
    assert_eq!(rig.piece(60), (true, vec![]));
    assert_eq!(rig.streams.unread_bytes(), 60);
    rig.read(49);
    assert_eq!(rig.said(), []);
    rig.read(50);
    assert_eq!(rig.said(), [Word::Grant { id: ID, upto: 150 }]);
    assert_eq!(rig.hear(Word::Finish { id: ID, len: 80 }), []);
    let whole = [read(ReadEnd::Whole)];
    assert_eq!(rig.piece(20), (true, whole.into()));
    rig.read(79);
    assert_eq!(rig.said(), []);
    rig.read(80);
    assert_eq!(rig.said(), [Word::Taken { id: ID }]);
    assert!(rig.streams.is_empty());
}

#[test]
fn an_empty_stream_is_whole_at_once() {
    let mut rig = Rig::writing(100);
    rig.streams.handle_finished(ID, rig.now);
    assert_eq!(rig.said(), [Word::Finish { id: ID, len: 0 }]);
    let mut rig = Rig::reading();
    let whole = [read(ReadEnd::Whole)];
    assert_eq!(rig.hear(Word::Finish { id: ID, len: 0 }), whole);
    assert_eq!(rig.said(), [Word::Taken { id: ID }]);
}

/// A word that tells of slow reading goes in time, so that the writer does not take it for idle.
#[test]
fn slow_reading_is_told_before_it_looks_like_none() {
    let mut rig = Rig::reading();
    assert_eq!(rig.piece(60), (true, vec![]));
    rig.read(1);
    assert_eq!(rig.said(), []);
    let (at, reason) = rig.streams.poll_timeout(&rig.config).unwrap();
    assert_eq!(reason, "what a reader took");
    assert_eq!(rig.pass(at.since(rig.now)), []);
    assert_eq!(rig.said(), [Word::Grant { id: ID, upto: 101 }]);
}

#[test]
fn more_than_was_granted_or_announced_breaks_the_stream_and_no_other() {
    let stopped = [Word::Stop {
        id: ID,
        why: Stop::Broken,
    }];
    let broken = vec![read(ReadEnd::Broken)];
    let mut rig = Rig::reading();
    assert!(rig.streams.handle_open(OTHER, &rig.config, rig.now));
    assert_eq!(rig.said().len(), 1);
    assert_eq!(rig.piece(101), (false, broken.clone()));
    assert_eq!(rig.said(), stopped);
    // Whoever goes on all the same is told again, once.
    assert_eq!(rig.piece(1), (false, vec![]));
    assert_eq!(rig.piece(1), (false, vec![]));
    let why = Stop::Lost;
    assert_eq!(rig.said(), [Word::Stop { id: ID, why }]);
    assert!(rig.streams.is_reading(OTHER));

    let mut rig = Rig::reading();
    assert_eq!(rig.hear(Word::Finish { id: ID, len: 10 }), []);
    assert_eq!(rig.piece(11), (false, broken.clone()));
    assert_eq!(rig.said(), stopped);

    let mut rig = Rig::reading();
    assert_eq!(rig.piece(11), (true, vec![]));
    assert_eq!(rig.hear(Word::Finish { id: ID, len: 10 }), broken);
    assert_eq!(rig.said(), stopped);

    // All read, although nothing was finished.
    let mut rig = Rig::writing(100);
    let broken = [wrote(WriteEnd::Stopped(Stop::Broken))];
    assert_eq!(rig.hear(Word::Taken { id: ID }), broken);
}

#[test]
fn beyond_the_limit_a_stream_is_refused_and_the_others_go_on() {
    let mut rig = Rig::reading();
    let (third, fourth) = (StreamId(302), StreamId(303));
    for id in [OTHER, third] {
        assert!(rig.streams.handle_open(id, &rig.config, rig.now));
    }
    assert_eq!(rig.said().len(), 2);
    assert!(!rig.streams.handle_open(fourth, &rig.config, rig.now));
    let why = Stop::TooMany;
    assert_eq!(rig.said(), [Word::Stop { id: fourth, why }]);
    assert_eq!(rig.streams.len(), (0, 3));
    rig.streams.handle_stopped(ID, Stop::Dropped);
    assert!(rig.streams.handle_open(fourth, &rig.config, rig.now));

    let mut rig = Rig::writing(100);
    assert!(rig.streams.handle_opened(OTHER, &rig.config, rig.now));
    assert!(!rig.streams.handle_opened(third, &rig.config, rig.now));
    let stopped = [wrote(WriteEnd::Stopped(why))];
    assert_eq!(rig.hear(Word::Stop { id: ID, why }), stopped);
    assert!(rig.streams.handle_opened(third, &rig.config, rig.now));
}

#[test]
fn each_side_gives_up_with_its_reason() {
    let why = Abort::Said(ExitText::new("enough"));
    let mut rig = Rig::writing(100);
    rig.streams.handle_aborted(ID, why.clone());
    let aborted = Word::Abort { id: ID, why };
    assert_eq!(rig.said(), std::slice::from_ref(&aborted));
    assert!(rig.streams.is_empty());

    let mut rig = Rig::reading();
    let ended = rig.hear(aborted.clone());
    let Word::Abort { why, .. } = aborted.clone() else {
        panic!("it is one");
    };
    assert_eq!(ended, [read(ReadEnd::Aborted(why.clone()))]);
    assert_eq!(rig.said(), []);

    // Before the peer heard of the stream its word would be about none.
    let mut rig = Rig::new();
    assert!(rig.streams.handle_opened(ID, &rig.config, rig.now));
    rig.streams.handle_aborted(ID, why);
    assert_eq!(rig.said(), []);
    assert_eq!(rig.hear(Word::Grant { id: ID, upto: 100 }), []);
    assert_eq!(rig.said(), [aborted]);
    assert!(rig.streams.is_empty());
}

#[test]
fn nothing_moves_for_too_long_and_both_ends_are_over() {
    let mut rig = Rig::writing(100);
    let idle = rig.config.idle_max;
    assert_eq!(rig.pass(idle - Duration::from_millis(1)), []);
    assert_eq!(rig.pass(Duration::from_millis(1)), [wrote(WriteEnd::Idle)]);
    let why = Abort::Idle;
    assert_eq!(rig.said(), [Word::Abort { id: ID, why }]);

    let mut rig = Rig::reading();
    assert_eq!(rig.pass(idle), [read(ReadEnd::Idle)]);
    let why = Stop::Idle;
    assert_eq!(rig.said(), [Word::Stop { id: ID, why }]);

    // Of one that nobody has taken the peer is told when it does.
    let mut rig = Rig::new();
    assert!(rig.streams.handle_opened(ID, &rig.config, rig.now));
    assert_eq!(rig.pass(idle), [wrote(WriteEnd::Idle)]);
    assert!(rig.streams.is_empty());
    assert_eq!(rig.hear(Word::Grant { id: ID, upto: 100 }), []);
    let why = Abort::Dropped;
    assert_eq!(rig.said(), [Word::Abort { id: ID, why }]);
}

#[test]
fn a_lost_epoch_ends_all_and_tells_the_peer_but_keeps_what_is_whole() {
    let mut rig = Rig::writing(100);
    assert!(rig.streams.handle_open(ID, &rig.config, rig.now));
    assert!(rig.streams.handle_open(OTHER, &rig.config, rig.now));
    rig.hear(Word::Finish { id: OTHER, len: 0 });
    let mut out = Vec::new();
    rig.streams.handle_reset(&mut out);
    assert_eq!(out, [wrote(WriteEnd::Lost), read(ReadEnd::Lost)]);
    let (abort, why) = (Abort::Lost, Stop::Lost);
    let told = [
        Word::Abort { id: ID, why: abort },
        Word::Stop { id: ID, why },
    ];
    assert_eq!(rig.said(), told);
    assert!(rig.streams.is_empty());

    let mut rig = Rig::writing(100);
    let mut out = Vec::new();
    rig.streams.handle_unreachable(&mut out);
    assert_eq!(out, [wrote(WriteEnd::Lost)]);
    assert_eq!(rig.said(), []);
}
