//! Outboxes on loopback: nothing that was acknowledged is lost, and nothing comes twice to a
//! receiver that keeps its marks (U13, F12).

use std::sync::mpsc;
use std::time::Duration;

use archipelago::{
    Change, Disk, Entry, GroupSpec, Intake, Mark, Node, OutboxConfig, OutboxError, OutboxRefused,
    Store, StoreError, Taken, WhenFull,
};
use bytes::Bytes;

use crate::support::{Folder, group_of, shutdown, within};

async fn take(intake: &mut Intake) -> Taken {
    within("a record", intake.recv()).await.unwrap()
}

fn number(taken: &Taken) -> u32 {
    std::str::from_utf8(&taken.payload)
        .unwrap()
        .parse()
        .unwrap()
}

async fn send(outbox: &archipelago::Outbox, group: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let sent = outbox.send(group, "recorder", number.to_string());
        within("being safe", sent).await.unwrap();
    }
}

/// U13: records for a name that nobody holds wait on disk, over a restart of the sender's outbox,
/// and arrive once and in order when somebody comes; so do those after its crash, elsewhere.
#[tokio::test]
async fn u13_records_wait_for_a_recorder_that_comes_back_elsewhere() {
    let folder = Folder::new("outbox-waits");
    let nodes = group_of("waits", 3).await;
    let open = || nodes[0].outbox(folder.file("outbox"), OutboxConfig::default());
    let outbox = open().await.unwrap();
    send(&outbox, "waits", 0..20).await;
    assert_eq!(outbox.stats().records, 20);
    outbox.close().await;
    let outbox = open().await.unwrap();
    assert_eq!(outbox.stats().records, 20);

    let mut intake = nodes[1].intake_with([]).await.unwrap();
    let group = nodes[1].group("waits");
    group.register("recorder", intake.pid()).await.unwrap();
    let mut marks: Vec<Mark> = Vec::new();
    for expected in 0..10 {
        let taken = take(&mut intake).await;
        assert_eq!(number(&taken), expected);
        intake.done(&taken).await.unwrap();
        marks.push(taken.mark());
    }
    nodes[1].kill();
    send(&outbox, "waits", 20..40).await;

    let mut intake = nodes[2].intake_with(marks).await.unwrap();
    let group = nodes[2].group("waits");
    let registering = async {
        while group.register("recorder", intake.pid()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("the name being free", registering).await;
    for expected in 10..40 {
        let taken = take(&mut intake).await;
        assert_eq!(number(&taken), expected);
        intake.done(&taken).await.unwrap();
    }
    within("the outbox being empty", outbox.emptied())
        .await
        .unwrap();
    assert_eq!(outbox.stats().counters.delivered, 40);
    shutdown(nodes).await;
}

/// What was taken and not done comes again after a crash; what was done does not, by the marks in
/// a file of the intake's.
#[tokio::test]
async fn f12_marks_in_a_file_outlive_the_receiver() {
    let folder = Folder::new("outbox-marks");
    let nodes = group_of("marks", 2).await;
    let config = OutboxConfig {
        answer_timeout: Duration::from_millis(500),
        ..OutboxConfig::default()
    };
    let outbox = nodes[0]
        .outbox(folder.file("outbox"), config)
        .await
        .unwrap();
    send(&outbox, "marks", 0..10).await;
    let group = nodes[1].group("marks");
    for round in 0..3 {
        let mut intake = nodes[1].intake(folder.file("marks")).await.unwrap();
        group.reregister("recorder", intake.pid()).await.unwrap();
        for expected in round * 3..round * 3 + 3 {
            let taken = take(&mut intake).await;
            assert_eq!(number(&taken), expected);
            intake.done(&taken).await.unwrap();
        }
        // One more is taken, and the intake ends with it in hand.
        assert_eq!(number(&take(&mut intake).await), round * 3 + 3);
    }
    let mut intake = nodes[1].intake(folder.file("marks")).await.unwrap();
    group.reregister("recorder", intake.pid()).await.unwrap();
    let last = take(&mut intake).await;
    intake.give_back(&last).await;
    assert_eq!(take(&mut intake).await, last);
    intake.done(&last).await.unwrap();
    within("the outbox being empty", outbox.emptied())
        .await
        .unwrap();
    shutdown(nodes).await;
}

/// Several names, each with its order; a full outbox says so, or drops the oldest and counts them.
#[tokio::test]
async fn a_full_outbox_says_so() {
    let folder = Folder::new("outbox-full");
    let node = Node::builder("full").group(GroupSpec::open("full"));
    let node = node.start().await.unwrap();
    let config = OutboxConfig {
        records_max: 4,
        ..OutboxConfig::default()
    };
    let outbox = node.outbox(folder.file("refuse"), config.clone());
    let outbox = outbox.await.unwrap();
    send(&outbox, "full", 0..4).await;
    let full = outbox.send("full", "recorder", "4").await;
    let full = matches!(
        full,
        Err(OutboxError::Refused(OutboxRefused::Full { records: 4, .. }))
    );
    assert!(full);
    let locked = node.outbox(folder.file("refuse"), config.clone()).await;
    assert!(matches!(locked, Err(OutboxError::Store(_))));

    let config = OutboxConfig {
        when_full: WhenFull::DropOldest,
        ..config
    };
    let dropping = node.outbox(folder.file("drop"), config).await.unwrap();
    send(&dropping, "full", 0..6).await;
    assert_eq!(dropping.stats().counters.dropped, 2);
    let mut intake = node.intake_with([]).await.unwrap();
    node.group("full")
        .register("recorder", intake.pid())
        .await
        .unwrap();
    outbox.close().await;
    for expected in 2..6 {
        let taken = loop {
            let taken = take(&mut intake).await;
            intake.done(&taken).await.unwrap();
            if number(&taken) == expected {
                break taken;
            }
        };
        assert_eq!(taken.from, node.id());
    }
    shutdown(vec![node]).await;
}

/// A disk that is in the middle of a read until it is told to go on.
struct Slow {
    disk: Disk,
    is_reading: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Store for Slow {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.disk.commit(changes)
    }

    fn read(&mut self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        // The test may be over: then nobody listens and nobody holds it up.
        let _ = self.is_reading.send(());
        let _ = self.go_on.recv();
        self.disk.read(key)
    }

    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        self.disk.scan(prefix)
    }
}

/// A closed outbox's file is free, even if it was closed in the middle of a read.
#[tokio::test]
async fn closing_waits_for_a_read_that_has_begun() {
    let folder = Folder::new("outbox-slow");
    let nodes = group_of("slow", 1).await;
    let (is_reading, reading) = mpsc::channel();
    let (go_on, told) = mpsc::channel();
    let slow = Slow {
        disk: Disk::open(folder.file("outbox")).unwrap(),
        is_reading,
        go_on: told,
    };
    let outbox = nodes[0].outbox_in(slow, OutboxConfig::default());
    let outbox = outbox.await.unwrap();
    send(&outbox, "slow", 0..1).await;
    let begun = tokio::task::spawn_blocking(move || reading.recv());
    within("a read", begun).await.unwrap().unwrap();

    let mut closing = Box::pin(outbox.close());
    let early = tokio::time::timeout(Duration::from_millis(200), &mut closing).await;
    assert!(early.is_err(), "closed in the middle of a read");
    drop(go_on);
    within("the end of the read", closing).await;
    let anew = nodes[0].outbox(folder.file("outbox"), OutboxConfig::default());
    assert_eq!(anew.await.unwrap().stats().records, 1);
    shutdown(nodes).await;
}
