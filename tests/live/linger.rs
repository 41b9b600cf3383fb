//! The first messages after an idle time: streams and tasks that just end are begun again at once.

use std::time::{Duration, Instant};

use crate::streams::limited;
use crate::support::{mailboxes, shutdown, within};
use archipelago::{Limits, Mailbox};

const LINGER: Duration = Duration::from_millis(20);

/// Calls at once after each pause.
const CALLS: usize = 64;

/// Pauses from a little shorter to a little longer than what streams and tasks live idle, so that
/// messages meet each step of their end. None is lost, and none waits for a clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_meet_the_end_of_an_idle_time_are_answered_at_once() {
    let limits = Limits {
        data_linger: LINGER,
        // Streams are opened anew for each round.
        streams_burst: u32::MAX,
        ..Limits::default()
    };
    let nodes = limited("linger", &limits).await;
    let [inbox, outbox] = mailboxes(&nodes).await.try_into().unwrap();
    let to = inbox.pid();
    let echo = tokio::spawn(answer(inbox));
    let rounds = std::env::var("ARCHIPELAGO_ROUNDS").map_or(150, |text| text.parse().unwrap());
    let mut slow = Vec::new();
    for round in 0..rounds {
        let pause = LINGER - Duration::from_millis(2) + Duration::from_micros(50) * (round % 150);
        // A sleep lasts whole milliseconds.
        let until = Instant::now() + pause;
        tokio::time::sleep(pause.saturating_sub(Duration::from_millis(2))).await;
        while Instant::now() < until {
            tokio::task::yield_now().await;
        }
        let asked = Instant::now();
        let calls = (0..CALLS).map(|_| outbox.call(to, "ping", Duration::from_secs(20)));
        let answers = within("answers", futures::future::join_all(calls)).await;
        for answer in answers {
            assert_eq!(answer.unwrap(), "ping");
        }
        let took = asked.elapsed();
        if took > Duration::from_millis(500) {
            slow.push((round, pause, took));
        }
    }
    // A machine that is busy may hold up one round; a clock that has to help holds up many.
    assert!(slow.len() <= 1, "{slow:?}");
    for node in &nodes {
        assert_eq!(node.metrics().data_streams_lost, 0);
    }
    echo.abort();
    drop(outbox);
    shutdown(nodes).await;
}

async fn answer(mut inbox: Mailbox) {
    while let Some(received) = inbox.recv().await {
        if let Some(reply) = received.reply {
            reply.send(received.payload).await.unwrap();
        }
    }
}
