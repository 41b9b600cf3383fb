//! One state, one call, the whole list of outputs: the pair channel, handler by handler.

mod channel_support;

use std::time::Duration;

use archipelago_core::channel::{
    Ack, Channel, ChannelOutput, Encoded, Frame, FrameEncoder, FrameError, Part, Path, PathEvent,
    SendError,
};
use archipelago_core::{Boot, LocalId, Time};
use channel_support::message;
use channel_support::rig::{A, B, Rig, ack, acked, delivered, in_epoch, piece, resume, whole};

#[test]
fn a_message_waits_for_a_path_and_for_the_peers_resume() {
    let mut rig = Rig::new();
    rig.send(1, "a").unwrap();
    assert_eq!(rig.channel.poll_path(), None);
    rig.attach(A);
    assert_eq!(rig.transmit(A), [resume(0, 0)]);
    assert_eq!(rig.arrive(A, vec![resume(0, 0)]), Ok(vec![]));
    assert_eq!(rig.transmit(A), [ack(0, 0), whole(0, "a")]);
    assert_eq!(rig.arrive(A, vec![ack(1, 1)]), Ok(vec![]));
    assert!(rig.channel.is_at_rest());
}

#[test]
fn only_the_expected_is_delivered_and_once() {
    let mut rig = Rig::connected();
    let frames = vec![
        whole(1, "late"),
        whole(0, "a"),
        whole(0, "a"),
        whole(2, "?"),
    ];
    assert_eq!(rig.arrive(Path::Relay, frames), Ok(vec![delivered("a")]));
    // The duplicate is acknowledged at once.
    assert_eq!(rig.transmit(A), [ack(1, 1)]);
    assert_eq!(rig.channel.stats().duplicates, 1);
}

#[test]
fn an_epoch_begins_at_its_start_or_is_answered_reset() {
    let mut rig = Rig::connected();
    let frames = vec![acked(whole(3, "x")), acked(whole(4, "y"))];
    assert_eq!(rig.arrive(A, frames), Ok(vec![]));
    assert_eq!(rig.transmit(A), [Frame::Reset { epoch: 1 }]);

    // Its sender saw no acknowledgement: the frames before it are still to come.
    let frames = vec![whole(1, "b"), whole(0, "a"), acked(whole(1, "b"))];
    let out = vec![delivered("a"), delivered("b")];
    assert_eq!(rig.arrive(A, frames), Ok(out));
}

#[test]
fn an_older_epoch_is_ignored_and_a_newer_one_discards_what_is_half_received() {
    let mut rig = Rig::connected();
    let first = piece(0, 1, Part::First { len: 4 }, "ab");
    assert_eq!(rig.arrive(A, vec![first]), Ok(vec![]));
    assert_eq!(rig.channel.stats().held_bytes, 4 + 64);
    let out = vec![delivered("n")];
    assert_eq!(rig.arrive(A, vec![in_epoch(2, whole(0, "n"))]), Ok(out));
    let old = piece(1, 1, Part::Last, "cd");
    assert_eq!(rig.arrive(A, vec![old]), Ok(vec![]));
    assert_eq!(rig.channel.stats().held_bytes, 0);
}

#[test]
fn reset_fails_what_is_unacknowledged_and_goes_on_in_a_new_epoch() {
    let mut rig = Rig::connected();
    rig.config.chunk_bytes_max = 2;
    rig.send(1, "a").unwrap();
    rig.send(2, "long").unwrap();
    rig.send(1, "later").unwrap();
    rig.transmit(A);
    assert_eq!(rig.arrive(A, vec![Frame::Reset { epoch: 7 }]), Ok(vec![]));
    rig.send(1, "n").unwrap();
    let lost = vec![ChannelOutput::Reset {
        unacked: 3,
        boot: Boot(1),
    }];
    assert_eq!(rig.arrive(A, vec![Frame::Reset { epoch: 1 }]), Ok(lost));
    assert_eq!(rig.transmit(A), [in_epoch(2, whole(0, "n"))]);
}

#[test]
fn a_higher_boot_of_the_peer_resets_both_directions() {
    let mut rig = Rig::connected();
    rig.send(1, "a").unwrap();
    rig.transmit(A);
    rig.send(1, "b").unwrap();
    assert_eq!(
        rig.arrive(A, vec![whole(0, "in")]),
        Ok(vec![delivered("in")])
    );
    let lost = vec![ChannelOutput::Reset {
        unacked: 2,
        boot: Boot(1),
    }];
    assert_eq!(rig.path(PathEvent::Attached(B), 2), lost);
    assert_eq!(rig.channel.peer_boot(), Boot(2));
    // Frames of the start before count no more, and its session carries nothing.
    assert_eq!(rig.arrive_from(1, A, vec![whole(1, "old")]), Ok(vec![]));
    rig.send(1, "n").unwrap();
    assert_eq!(rig.channel.poll_path(), Some(B));
    assert_eq!(rig.transmit(B), [resume(0, 0)]);
    assert_eq!(rig.arrive_from(2, B, vec![resume(0, 0)]), Ok(vec![]));
    assert_eq!(rig.transmit(B), [ack(0, 0), in_epoch(2, whole(0, "n"))]);
    let out = Ok(vec![delivered("new")]);
    assert_eq!(rig.arrive_from(2, B, vec![whole(0, "new")]), out);
}

#[test]
fn the_first_boot_heard_of_is_taken_without_a_reset() {
    let mut rig = Rig::new();
    rig.channel = Channel::new(Boot(0));
    rig.send(1, "a").unwrap();
    assert_eq!(rig.path(PathEvent::Attached(Path::Relay), 5), []);
    assert_eq!(rig.transmit(Path::Relay), [whole(0, "a")]);
}

#[test]
fn relay_goes_on_until_resume_and_then_the_direct_path_replays() {
    let mut rig = Rig::relayed();
    rig.send(1, "a").unwrap();
    assert_eq!(rig.transmit(Path::Relay), [whole(0, "a")]);
    rig.attach(A);
    assert_eq!(rig.transmit(A), [resume(0, 0)]);
    rig.send(1, "b").unwrap();
    assert_eq!(rig.transmit(Path::Relay), [whole(1, "b")]);
    // The peer has "a" by relay; "b" is sent again, and the relay no longer.
    assert_eq!(rig.arrive(A, vec![resume(1, 1)]), Ok(vec![]));
    rig.send(1, "c").unwrap();
    let frames = [ack(0, 0), acked(whole(1, "b")), acked(whole(2, "c"))];
    assert_eq!(rig.transmit(A), frames);
    assert_eq!(rig.channel.stats().retransmitted, 1);
    assert_eq!(rig.channel.poll_timeout(), None, "direct needs no timer");
}

#[test]
fn a_gap_on_a_direct_path_is_asked_for_once() {
    let mut rig = Rig::connected();
    let frames = vec![whole(0, "a"), whole(2, "c"), whole(3, "d")];
    assert_eq!(rig.arrive(A, frames), Ok(vec![delivered("a")]));
    assert_eq!(rig.transmit(A), [resume(1, 1)]);
    assert_eq!(rig.arrive(A, vec![whole(4, "e")]), Ok(vec![]));
    assert_eq!(rig.transmit(A), []);

    // The other end sends again from there.
    let mut sender = Rig::connected();
    sender.send(1, "a").unwrap();
    sender.send(1, "b").unwrap();
    sender.transmit(A);
    assert_eq!(sender.arrive(A, vec![resume(1, 1)]), Ok(vec![]));
    assert_eq!(sender.transmit(A), [ack(0, 0), acked(whole(1, "b"))]);
}

/// F5: one end left a direct path and comes back to it; the other one never did.
#[test]
fn f5_whoever_comes_back_to_a_direct_path_hears_that_the_other_end_is_there() {
    let mut stayed = Rig::connected();
    let mut left = Rig::connected();
    left.detach(A);
    left.send(1, "a").unwrap();
    left.attach(A);
    assert_eq!(left.transmit(A), [resume(0, 0)], "no data before a word");
    assert_eq!(stayed.arrive(A, vec![resume(0, 0)]), Ok(vec![]));
    assert_eq!(stayed.transmit(A), [ack(0, 0)]);
    assert_eq!(left.arrive(A, vec![ack(0, 0)]), Ok(vec![]));
    assert_eq!(left.transmit(A), [whole(0, "a")]);
    assert_eq!(
        stayed.transmit(A),
        [],
        "and an acknowledgement is not answered"
    );
}

#[test]
fn of_two_direct_paths_the_newest_usable_carries_and_the_other_takes_over() {
    let mut rig = Rig::connected();
    rig.attach(B);
    assert_eq!(rig.transmit(B), [resume(0, 0)]);
    rig.send(1, "a").unwrap();
    assert_eq!(rig.transmit(A), [whole(0, "a")]);
    assert_eq!(rig.arrive(B, vec![resume(0, 0)]), Ok(vec![]));
    assert_eq!(rig.transmit(B), [ack(0, 0), whole(0, "a")]);
    rig.detach(B);
    assert_eq!(rig.transmit(A), [whole(0, "a")]);
    // Without any path it waits, and is replayed on the next.
    rig.detach(A);
    assert_eq!(rig.channel.poll_path(), None);
    rig.attach(Path::Detour);
    assert_eq!(rig.transmit(Path::Detour), [whole(0, "a")]);
}

#[test]
fn when_a_path_is_lost_the_acknowledgement_is_said_again() {
    let mut rig = Rig::connected();
    rig.attach(B);
    rig.transmit(B);
    rig.arrive(B, vec![resume(0, 0), whole(0, "a"), whole(0, "a")])
        .unwrap();
    assert_eq!(rig.transmit(B), [ack(1, 1)]);
    rig.detach(B);
    assert_eq!(rig.transmit(A), [ack(1, 1)]);
    assert!(rig.channel.is_at_rest());
}

#[test]
fn acknowledgements_wait_for_data_or_time_or_half_a_window() {
    let mut rig = Rig::connected();
    rig.arrive(A, vec![whole(0, "a")]).unwrap();
    assert_eq!(rig.channel.poll_path(), None);
    rig.send(1, "b").unwrap();
    assert_eq!(rig.transmit(A), [ack(1, 1), whole(0, "b")]);

    rig.arrive(A, vec![whole(1, "c")]).unwrap();
    let at = rig.now.after(Duration::from_secs(1));
    assert_eq!(rig.channel.poll_timeout(), Some((at, "acknowledgement")));
    assert_eq!(rig.fire(), "acknowledgement");
    assert_eq!(rig.transmit(A), [ack(1, 2)]);

    let half = (2..10).map(|seq| piece(seq, 1, Part::Whole, vec![0; 16 * 1024]));
    rig.arrive(A, half.collect()).unwrap();
    assert_eq!(rig.transmit(A), [ack(1, 10)]);
}

#[test]
fn relay_acknowledges_sooner_and_sends_again_ever_later() {
    let mut rig = Rig::relayed();
    rig.arrive(Path::Relay, vec![whole(0, "a")]).unwrap();
    let at = Time::from_micros(100_000);
    assert_eq!(rig.channel.poll_timeout(), Some((at, "acknowledgement")));
    assert_eq!(rig.fire(), "acknowledgement");
    assert_eq!(rig.transmit(Path::Relay), [ack(1, 1)]);

    rig.send(1, "b").unwrap();
    rig.send(1, "c").unwrap();
    let window = [whole(0, "b"), whole(1, "c")];
    for seconds in [1, 1, 2, 4, 8, 16, 16] {
        assert_eq!(rig.transmit(Path::Relay), window);
        let at = rig.now.after(Duration::from_secs(seconds));
        assert_eq!(rig.channel.poll_timeout(), Some((at, "retransmission")));
        assert_eq!(rig.fire(), "retransmission");
    }
    // Progress ends the doubling.
    rig.transmit(Path::Relay);
    assert_eq!(rig.arrive(Path::Relay, vec![ack(1, 1)]), Ok(vec![]));
    let at = rig.now.after(Duration::from_secs(1));
    assert_eq!(rig.channel.poll_timeout(), Some((at, "retransmission")));
}

/// U7: a long message yields to a short one after each chunk.
#[test]
fn a_long_message_delays_a_short_one_by_a_chunk() {
    let mut rig = Rig::connected();
    rig.send(1, vec![0; 200_000]).unwrap();
    let (frames, _) = rig.burst(A, 1);
    assert!(matches!(&frames[..], [Frame::Data(data)] if data.payload.len() == 16 * 1024));
    // It found nothing under way: its round trip is taken.
    assert_eq!(rig.burst(A, 1).0, [Frame::AckAsk]);
    rig.send(2, "short").unwrap();
    assert_eq!(rig.burst(A, 1).0, [piece(1, 2, Part::Whole, "short")]);
    let (frames, _) = rig.burst(A, 1);
    assert!(matches!(&frames[..], [Frame::Data(data)] if data.part == Part::Middle));
}

#[test]
fn many_short_messages_leave_at_once_and_control_goes_first() {
    let mut rig = Rig::connected();
    for _ in 0..3 {
        rig.send(1, "m").unwrap();
    }
    rig.channel.handle_no_mailbox(LocalId(5), LocalId(6));
    let (from, to) = (LocalId(5), LocalId(6));
    let (frames, _) = rig.burst(A, 64 * 1024);
    let first = Frame::NoMailbox { from, to };
    assert_eq!(frames, [first, whole(0, "m"), whole(1, "m"), whole(2, "m")]);
}

/// I13: what lies below the lanes is bounded.
#[test]
fn the_window_bounds_what_is_unacknowledged() {
    let mut rig = Rig::connected();
    rig.send(1, vec![7; 1_000_000]).unwrap();
    rig.transmit(A);
    let unacked = rig.channel.stats().unacked_bytes;
    assert!(unacked <= 256 * 1024 && unacked > 224 * 1024, "{unacked}");
    assert_eq!(rig.arrive(A, vec![ack(1, 4)]), Ok(vec![]));
    assert_eq!(rig.transmit(A).len(), 4);
}

#[test]
fn a_full_queue_refuses_and_says_when_it_is_writable() {
    let mut rig = Rig::connected();
    rig.config.queue_bytes_max = 1_000;
    rig.send(1, vec![0; 2_000]).unwrap();
    assert_eq!(rig.send(1, "a"), Err(SendError::Full));
    let (_, out) = rig.burst(A, usize::MAX);
    assert_eq!(out, [ChannelOutput::Writable]);
    let (len, max) = (16 * 1024 * 1024 + 1, 16 * 1024 * 1024);
    assert_eq!(
        rig.send(1, vec![0; len]),
        Err(SendError::TooLong { len, max })
    );
}

/// F14 in spirit: a full mailbox stops its own flows and no others.
#[test]
fn a_full_mailbox_pauses_its_flows_only() {
    let mut rig = Rig::connected();
    let to = LocalId(9);
    let said = rig.arrive(A, vec![Frame::FlowPause { to }, Frame::FlowPause { to }]);
    assert_eq!(said, Ok(vec![ChannelOutput::Paused { to }]), "once");
    rig.send(1, "paused").unwrap();
    rig.channel
        .send(message(1, 8, "other"), &rig.config, rig.now)
        .unwrap();
    let frames = rig.transmit(A);
    assert!(matches!(&frames[..], [Frame::Data(data)] if data.to == LocalId(8)));
    // A lost FlowResume is asked for.
    assert_eq!(rig.fire(), "question for room");
    assert_eq!(rig.transmit(A), [Frame::FlowAsk { to: LocalId(9) }]);
    let said = rig.arrive(A, vec![Frame::FlowResume { to }]);
    assert_eq!(said, Ok(vec![ChannelOutput::Resumed { to }]));
    assert_eq!(rig.transmit(A), [piece(1, 1, Part::Whole, "paused")]);
}

/// F14: what waits for a full mailbox has its own room, and leaves that of the others to them.
#[test]
fn f14_what_waits_for_a_full_mailbox_takes_no_room_from_others() {
    let mut rig = Rig::connected();
    (rig.config.queue_bytes_max, rig.config.paused_bytes_max) = (1_000, 3_000);
    let other = |rig: &mut Rig, len: usize| {
        let message = message(1, 8, vec![1; len]);
        rig.channel.send(message, &rig.config, rig.now)
    };
    // Queued before the mailbox was known to be full: given back to the others when it is.
    rig.send(1, vec![0; 900]).unwrap();
    assert_eq!(other(&mut rig, 900), Err(SendError::Full));
    let to = LocalId(9);
    let out = rig.arrive(A, vec![Frame::FlowPause { to }]).unwrap();
    let paused = [ChannelOutput::Paused { to }, ChannelOutput::Writable];
    assert_eq!(out, paused, "there is room for the others");
    assert_eq!(other(&mut rig, 900), Ok(()));
    assert_eq!(rig.send(1, vec![0; 1_900]), Ok(()));
    assert_eq!(rig.send(1, vec![0; 900]), Err(SendError::Full));
    let (frames, out) = rig.burst(A, usize::MAX);
    assert!(matches!(&frames[..], [Frame::Data(data)] if data.to == LocalId(8)));
    assert_eq!(out, [], "there is none for more of the paused");
    let out = rig.arrive(A, vec![Frame::FlowResume { to }]).unwrap();
    assert_eq!(
        out,
        [ChannelOutput::Resumed { to }, ChannelOutput::Writable]
    );
    assert_eq!(rig.burst(A, usize::MAX).0.len(), 2);
    assert_eq!(rig.channel.stats().queued_bytes, 0);
}

#[test]
fn what_arrives_for_a_full_mailbox_waits_and_others_pass() {
    let mut rig = Rig::connected();
    let to = LocalId(9);
    assert_eq!(rig.mailbox(9, true), []);
    assert_eq!(rig.transmit(A), [Frame::FlowPause { to }]);
    assert_eq!(
        rig.arrive(A, vec![whole(0, "a"), whole(1, "b")]),
        Ok(vec![])
    );
    assert_eq!(rig.channel.stats().held_bytes, 2 * (1 + 64));
    assert_eq!(rig.transmit(A), [Frame::FlowPause { to }], "said again");
    rig.arrive(A, vec![Frame::FlowAsk { to }]).unwrap();
    assert_eq!(rig.transmit(A), [Frame::FlowPause { to }]);
    assert_eq!(rig.mailbox(9, false), [delivered("a"), delivered("b")]);
    assert_eq!(rig.transmit(A), [Frame::FlowResume { to }]);
    assert_eq!(rig.channel.stats().held_bytes, 0);
}

#[test]
fn a_long_message_is_put_together() {
    let mut rig = Rig::connected();
    let frames = vec![
        piece(0, 1, Part::First { len: 6 }, "ab"),
        piece(1, 2, Part::Whole, "x"),
        piece(2, 1, Part::Middle, "cd"),
        piece(3, 1, Part::Last, "ef"),
    ];
    let short = ChannelOutput::Deliver(message(2, 9, "x"));
    assert_eq!(rig.arrive(A, frames), Ok(vec![short, delivered("abcdef")]));
}

#[test]
fn frames_that_contradict_those_before_are_refused() {
    let first = |len| piece(0, 1, Part::First { len }, "ab");
    let cases = [
        (vec![piece(0, 1, Part::Last, "x")], FrameError::Malformed),
        (vec![first(2)], FrameError::Malformed),
        (vec![first(4), whole(1, "x")], FrameError::Malformed),
        (
            vec![first(4), piece(1, 1, Part::Middle, "cd")],
            FrameError::Malformed,
        ),
        (
            vec![first(4), piece(1, 1, Part::Last, "c")],
            FrameError::Malformed,
        ),
        (vec![first(17 << 20)], FrameError::TooLong),
        (
            vec![piece(0, 1, Part::Whole, vec![0; 20_000])],
            FrameError::TooLong,
        ),
        (
            (0..3)
                .map(|flow| piece(flow, flow, Part::First { len: 15 << 20 }, "ab"))
                .collect(),
            FrameError::OverCredit,
        ),
        (vec![ack(0, 0), resume(0, 0)], FrameError::Malformed),
    ];
    for (frames, error) in cases.into_iter().take(8) {
        let mut rig = Rig::connected();
        assert_eq!(rig.arrive(A, frames.clone()), Err(error), "{frames:?}");
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_refused() {
    let mut rig = Rig::connected();
    rig.send(1, "a").unwrap();
    rig.transmit(A);
    let result = rig.arrive(A, vec![ack(1, 2)]);
    assert_eq!(result, Err(FrameError::Malformed));
}

/// Of messages that together exceed the receiver's memory, the later ones wait.
#[test]
fn a_message_begins_only_with_credit_for_all_of_it() {
    let mut rig = Rig::connected();
    rig.config.message_bytes_max = 500;
    rig.config.reassembly_bytes_max = 1_000;
    rig.config.chunk_bytes_max = 100;
    for from in 1..=3 {
        rig.send(from, vec![0; 400]).unwrap();
    }
    rig.send(4, "short").unwrap();
    let begun = |frames: &[Frame]| -> Vec<u64> {
        let data = frames.iter().filter_map(|frame| match frame {
            Frame::Data(data) if matches!(data.part, Part::First { .. } | Part::Whole) => {
                Some(data.from.0)
            }
            _ => None,
        });
        data.collect()
    };
    // Until it is told, a sender takes one message of the longest length as granted: 564 bytes.
    assert_eq!(begun(&rig.transmit(A)), [1, 4]);
    let granted = |expected| {
        Frame::Ack(Ack {
            epoch: 1,
            expected,
            credit: 900,
        })
    };
    // A long one is charged 464 bytes when it begins.
    for (expected, messages) in [(1, vec![2]), (5, vec![]), (9, vec![3])] {
        rig.arrive(A, vec![granted(expected)]).unwrap();
        assert_eq!(begun(&rig.transmit(A)), messages);
    }
}

#[test]
fn a_sender_without_credit_asks_until_it_has_some() {
    let mut rig = Rig::connected();
    let none = Frame::Ack(Ack {
        epoch: 1,
        expected: 1,
        credit: 0,
    });
    rig.send(1, "a").unwrap();
    rig.transmit(A);
    rig.arrive(A, vec![none]).unwrap();
    rig.send(1, "b").unwrap();
    assert_eq!(rig.transmit(A), []);
    assert_eq!(rig.fire(), "question for room");
    assert_eq!(rig.transmit(A), [Frame::AckAsk]);
    rig.arrive(A, vec![ack(1, 1)]).unwrap();
    assert_eq!(rig.transmit(A), [acked(whole(1, "b"))]);
}

#[test]
fn who_is_given_up_fails_what_waits() {
    let mut rig = Rig::relayed();
    rig.send(1, "a").unwrap();
    rig.transmit(Path::Relay);
    rig.send(1, "b").unwrap();
    let mut out = Vec::new();
    rig.channel
        .handle_unreachable(&rig.config, rig.now, &mut out);
    assert_eq!(
        out,
        [ChannelOutput::Reset {
            unacked: 2,
            boot: Boot(1)
        }]
    );
    assert_eq!(rig.transmit(Path::Relay), [Frame::Epoch { epoch: 2 }]);
    assert!(rig.channel.is_at_rest());
}

/// D6: watermarks outlive rest, so a late frame of a relay is not delivered again.
#[test]
fn watermarks_survive_rest() {
    let mut rig = Rig::connected();
    rig.arrive(A, vec![whole(0, "a"), whole(0, "a")]).unwrap();
    rig.transmit(A);
    rig.detach(A);
    assert!(rig.channel.is_at_rest());
    assert!(!rig.channel.has_path());
    assert_eq!(rig.arrive(Path::Relay, vec![whole(0, "a")]), Ok(vec![]));
    rig.attach(B);
    assert_eq!(rig.transmit(B)[0], resume(1, 1));
}

#[test]
fn a_channel_at_rest_is_small() {
    assert_eq!(size_of::<Channel>(), 72);
}

#[test]
fn frames_written_as_they_are_pulled_are_the_frames_encoded() {
    let mut rig = Rig::connected();
    rig.config.chunk_bytes_max = 2;
    for payload in ["a", "long one", ""] {
        rig.send(1, payload).unwrap();
    }
    let mut twin = rig.channel.clone();
    let (frames, _) = rig.burst(A, usize::MAX);
    let (mut expected, mut encoder) = (Vec::new(), FrameEncoder::new());
    for frame in &frames {
        encoder.encode(frame, &mut expected);
    }
    let (mut bytes, mut encoder) = (Vec::new(), FrameEncoder::new());
    let mut burst = Encoded {
        encoder: &mut encoder,
        bytes: &mut bytes,
    };
    let (config, out) = (&rig.config, &mut Vec::new());
    let taken = twin.poll_transmit(A, usize::MAX, config, rig.now, &mut burst, out);
    assert!(frames.len() > 3 && taken >= bytes.len());
    assert_eq!(bytes, expected);
    assert_eq!(twin, rig.channel);
}

#[test]
fn what_is_admitted_is_accepted_and_what_is_not_can_be_kept() {
    let mut rig = Rig::connected();
    rig.config.queue_bytes_max = 40;
    rig.config.message_bytes_max = 100;
    let (kept, long) = (message(1, 9, "kept"), message(1, 9, vec![0; 101]));
    assert_eq!(rig.channel.admit(&kept, &rig.config), Ok(()));
    rig.channel
        .send(kept.clone(), &rig.config, rig.now)
        .unwrap();
    assert_eq!(rig.channel.admit(&kept, &rig.config), Err(SendError::Full));
    let too_long = SendError::TooLong { len: 101, max: 100 };
    assert_eq!(rig.channel.admit(&long, &rig.config), Err(too_long));
    // It was asked for: the room is told of.
    let (_, out) = rig.burst(A, usize::MAX);
    assert_eq!(out, [ChannelOutput::Writable]);
}
