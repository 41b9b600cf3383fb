//! Workers and typed messages on loopback: ends with their reasons, values without codec, and
//! heartbeats on time while every thread computes (U5, U27, U28).
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, group_of, mailboxes, shutdown, within};
use archipelago::{
    CallError, Inbox, NodeEvent, Protocol, RecvError, SendError, WorkerContext, WorkerEnd,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What [`Counted`] counts: how often any value of it met a codec.
static ENCODED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Default, PartialEq, Eq)]
struct Counted(u32);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ENCODED.fetch_add(1, Ordering::Relaxed);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Double(Counted);

impl Protocol for Double {
    const NAME: &'static str = "test/double/1";
    type Reply = Counted;
}

#[derive(Debug, Serialize, Deserialize)]
struct Other(String);

impl Protocol for Other {
    const NAME: &'static str = "test/other/1";
    type Reply = ();
}

async fn double(mut inbox: Inbox<Double>) {
    loop {
        match inbox.recv().await {
            Ok(delivery) => {
                let answer = Counted(delivery.message.0.0 * 2);
                delivery.reply.unwrap().send(answer).await.unwrap();
            }
            Err(RecvError::Decode { .. }) => {}
            Err(_) => return,
        }
    }
}

/// U28: a value and its answer cross a node as they are; between nodes they are written once each.
/// Another protocol is told, on both ways.
#[tokio::test]
async fn u28_typed_calls_take_no_codec_on_one_node() {
    let nodes = group_of("values", 2).await;
    let inbox = within("an inbox", nodes[0].inbox::<Double>())
        .await
        .unwrap();
    let to = inbox.pid();
    tokio::spawn(double(inbox));
    let [here, afar] = mailboxes(&nodes).await.try_into().unwrap();

    let near = here.sender().recipient::<Double>(to);
    let answer = within("an answer", near.call(Double(Counted(21)), DEADLINE)).await;
    assert_eq!(answer, Ok(Counted(42)));
    assert_eq!(ENCODED.load(Ordering::Relaxed), 0);

    let far = afar.sender().recipient::<Double>(to);
    let answer = within("an answer", far.call(Double(Counted(4)), DEADLINE)).await;
    assert_eq!(answer, Ok(Counted(8)));
    assert_eq!(ENCODED.load(Ordering::Relaxed), 2);

    for sender in [here.sender(), afar.sender()] {
        let wrong = sender.recipient::<Other>(to);
        let call = within("an error", wrong.call(Other("?".into()), DEADLINE)).await;
        assert_eq!(call, Err(CallError::WrongType));
    }
    let wrong = here.sender().recipient::<Other>(to);
    let cast = wrong.cast(Other("?".into())).await;
    assert_eq!(cast, Err(SendError::WrongType));
    shutdown(nodes).await;
}

/// U5: a worker is called by its pid from another node, and its end is seen, with its reason.
#[tokio::test]
async fn u5_workers_answer_and_end_with_a_reason() {
    let nodes = group_of("workers", 2).await;
    let [_, client] = mailboxes(&nodes).await.try_into().unwrap();
    let work = |mut context: WorkerContext| async move {
        while let Some(received) = context.mailbox.recv().await {
            match &received.payload[..] {
                b"return" => return Ok(()),
                b"fail" => return Err("as it was told"),
                b"panic" => panic!("as it was told"),
                _ => {}
            }
            if let Some(reply) = received.reply {
                reply.send(received.payload).await.unwrap();
            }
        }
        Ok(())
    };
    let expected = [
        ("return", WorkerEnd::Returned),
        ("fail", WorkerEnd::Failed("as it was told".into())),
        ("panic", WorkerEnd::Panicked("as it was told".into())),
        ("kill", WorkerEnd::Killed),
    ];
    for (word, end) in expected {
        let mut worker = nodes[0].spawn(word, work).await.unwrap();
        let answer = client.call(worker.pid(), "hello", DEADLINE);
        assert_eq!(within("an answer", answer).await.unwrap(), "hello");
        assert_eq!(worker.end(), None);
        let last = client.call(worker.pid(), word, DEADLINE);
        if word == "kill" {
            within("an answer", last).await.unwrap();
            worker.kill();
        } else {
            let ended = within("the end of a call", last).await;
            assert_eq!(ended, Err(CallError::NoReply));
        }
        assert_eq!(within("its end", worker.ended()).await, end);
        let after = within("an error", client.call(worker.pid(), "?", DEADLINE)).await;
        assert_eq!(after, Err(CallError::NotSent(SendError::NoMailbox)));
    }
    // A worker ends with its node.
    let mut worker = nodes[0].spawn("last", work).await.unwrap();
    nodes[0].kill();
    let end = within("its end", worker.ended()).await;
    assert!(
        matches!(end, WorkerEnd::Killed | WorkerEnd::Returned),
        "{end:?}"
    );
    shutdown(nodes).await;
}

/// U27: workers that compute on every thread of the user's runtime for longer than the failure
/// detector waits: nobody is suspected.
#[test]
fn u27_workers_that_compute_delay_no_heartbeat() {
    const LONG: Duration = Duration::from_secs(6);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (nodes, mut events) = runtime.block_on(async {
        let nodes = group_of("busy", 3).await;
        let events = nodes[1].events();
        (nodes, events)
    });
    let until = Instant::now() + LONG;
    let is_wrong = Arc::new(AtomicBool::new(false));
    for number in 0..4 {
        runtime.block_on(async {
            let work = move |_context| async move {
                while Instant::now() < until {
                    std::hint::spin_loop();
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok::<(), String>(())
            };
            let name = format!("busy-{number}");
            nodes[0].spawn(&name, work).await.unwrap();
        });
    }
    // This thread is not the runtime's: its workers have both threads for themselves.
    let wrong = is_wrong.clone();
    let watching = std::thread::spawn(move || {
        futures::executor::block_on(async {
            while let Some(event) = events.next().await {
                match event {
                    NodeEvent::MemberSuspect { .. } => wrong.store(true, Ordering::Relaxed),
                    NodeEvent::MemberDown {
                        reason: archipelago::DownReason::Dead,
                        ..
                    } => wrong.store(true, Ordering::Relaxed),
                    NodeEvent::Stopped => break,
                    _ => {}
                }
            }
        });
    });
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(nodes[1].members("busy").unwrap().len(), 3);
    runtime.block_on(shutdown(nodes));
    watching.join().unwrap();
    assert!(
        !is_wrong.load(Ordering::Relaxed),
        "a busy node was suspected"
    );
}
