//! What messages are for, through the channel: it survives every way, ages where it waits, and what
//! nobody waits for any more is not sent (U6, U9).

mod channel_support;

use std::time::Duration;

use archipelago_core::channel::{
    CallId, ChannelConfig, ChannelOutput, Data, Frame, FrameError, Head, Kind, Message, Outcome,
    Part, Path,
};
use archipelago_core::{LocalId, Time};
use channel_support::message;
use channel_support::rig::{A, B, Rig, piece, resume, whole};

const ID: CallId = CallId(7);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn call(deadline: Time, payload: &'static str) -> Message {
    let kind = Kind::Call { id: ID, deadline };
    Message {
        kind,
        ..message(1, 9, payload)
    }
}

fn with(frame: Frame, head: Head) -> Frame {
    match frame {
        Frame::Data(data) => Frame::Data(Data { head, ..data }),
        other => other,
    }
}

fn asked(life: Duration) -> Head {
    Head::Call { id: ID, life }
}

fn send(rig: &mut Rig, message: Message) {
    let sent = rig.channel.send(message, &rig.config, rig.now);
    assert_eq!(sent, Ok(()));
}

#[test]
fn a_call_ages_in_the_queue_and_again_in_the_window() {
    let mut rig = Rig::relayed();
    let deadline = rig.now.after(ms(5_000));
    send(&mut rig, call(deadline, "hi"));
    rig.now = rig.now.after(ms(300));
    let first = with(whole(0, "hi"), asked(ms(4_700)));
    assert_eq!(rig.transmit(Path::Relay), [first]);

    assert_eq!(rig.fire(), "retransmission");
    assert_eq!(rig.now, Time::START.after(ms(1_300)));
    let again = with(whole(0, "hi"), asked(ms(3_700)));
    assert_eq!(rig.transmit(Path::Relay), [again]);
}

#[test]
fn a_call_that_nobody_waits_for_is_not_begun_but_what_is_begun_is_finished() {
    let mut rig = Rig::connected();
    let soon = rig.now.after(ms(10));
    send(&mut rig, call(soon, "late"));
    send(&mut rig, message(1, 9, "cast"));
    rig.now = soon;
    assert_eq!(rig.transmit(A), [whole(0, "cast")]);
    assert_eq!(rig.channel.stats().queued_bytes, 0);

    // Numbered, and so sent again on another path, with nothing left to wait.
    let soon = rig.now.after(ms(10));
    send(&mut rig, call(soon, "begun"));
    let first = with(whole(1, "begun"), asked(ms(10)));
    assert_eq!(rig.transmit(A), [first]);
    rig.now = rig.now.after(ms(50));
    rig.attach(B);
    rig.detach(A);
    assert_eq!(rig.transmit(B), [resume(0, 0)]);
    rig.arrive(B, vec![resume(1, 1)]).unwrap();
    let sent = rig.transmit(B);
    assert!(
        sent.iter().any(|frame| matches!(frame, Frame::Data(data)
            if data.seq == 1 && data.head == asked(Duration::ZERO))),
        "{sent:?}"
    );
}

#[test]
fn a_long_call_is_due_when_its_first_piece_said() {
    let mut rig = Rig::connected();
    let first = piece(0, 1, Part::First { len: 4 }, "ab");
    rig.arrive(A, vec![with(first, asked(ms(100)))]).unwrap();
    let deadline = rig.now.after(ms(100));
    rig.now = rig.now.after(ms(60));
    let out = rig.arrive(A, vec![piece(1, 1, Part::Last, "cd")]);
    assert_eq!(
        out,
        Ok(vec![ChannelOutput::Deliver(call(deadline, "abcd"))])
    );

    let twice = vec![
        piece(2, 1, Part::First { len: 4 }, "ab"),
        with(piece(3, 1, Part::Last, "cd"), asked(ms(100))),
    ];
    assert_eq!(rig.arrive(A, twice), Err(FrameError::Malformed));
}

#[test]
fn a_call_held_for_a_full_mailbox_keeps_its_deadline() {
    let mut rig = Rig::connected();
    rig.mailbox(9, true);
    let frame = with(whole(0, "hi"), asked(ms(100)));
    assert_eq!(rig.arrive(A, vec![frame]), Ok(vec![]));
    let deadline = rig.now.after(ms(100));
    rig.now = rig.now.after(ms(60));
    assert_eq!(
        rig.mailbox(9, false),
        [ChannelOutput::Deliver(call(deadline, "hi"))]
    );
}

#[test]
fn a_long_reply_says_once_what_it_answers() {
    let mut rig = Rig::connected();
    rig.config = ChannelConfig {
        chunk_bytes_max: 2,
        ..ChannelConfig::default()
    };
    let outcome = Outcome::Done;
    let kind = Kind::Reply { id: ID, outcome };
    let reply = Message {
        from: LocalId(1),
        to: LocalId(9),
        kind,
        payload: "abcd".into(),
    };
    send(&mut rig, reply);
    let head = Head::Reply { id: ID, outcome };
    let first = with(piece(0, 1, Part::First { len: 4 }, "ab"), head);
    // A full chunk that finds nothing under way is followed by a question.
    let last = piece(1, 1, Part::Last, "cd");
    assert_eq!(rig.transmit(A), [first, Frame::AckAsk, last]);
}
