//! Singletons on real nodes: fail-over, and take-over on request with never two at once (U16).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::strict::council;
use crate::support::{shutdown, within};
use archipelago::{Bytes, Singleton, StrictError, TakeOverError, Turn};

/// The process group of the candidates.
const CANDIDATES: &str = "archipelago/singleton/teller";

/// What runs of a singleton did, in order: began or ended, where, and under which fence.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<(bool, usize, u64)>>>);

impl Diary {
    fn write(&self, has_begun: bool, node: usize, fence: u64) {
        self.0.lock().unwrap().push((has_begun, node, fence));
    }

    /// Counts from what it was handed, until it is to stop.
    async fn turn(self, node: usize, turn: Turn) -> Bytes {
        assert!(turn.is_held());
        self.write(true, node, turn.fence());
        turn.stopping().await;
        assert!(turn.is_held(), "the name went before the run");
        let count = turn.state().map_or(0, |state| state[0]) + 1;
        self.write(false, node, turn.fence());
        vec![count].into()
    }
}

/// U16: one candidate is the one; another takes over on request with the first one's state; when its
/// node is killed, a third follows. Fences rise, and no run begins before the last one ended.
#[tokio::test]
async fn u16_a_singleton_is_taken_over_and_fails_over() {
    let (nodes, _folder) = council("single").await;
    let diary = Diary::default();
    let mut candidates: Vec<Singleton> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let diary = diary.clone();
        let run = move |turn: Turn| diary.clone().turn(index, turn);
        let candidate = node.group("single").singleton("teller", run).await.unwrap();
        candidates.push(candidate);
        if index == 0 {
            within("an election", candidates[0].elected())
                .await
                .unwrap();
        }
    }
    // A candidate that is not known yet could not be told to stand back.
    for node in &nodes {
        let group = node.group("single");
        let known = async {
            while group.members_of_process_group(CANDIDATES).len() < nodes.len() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("all candidates to be known", known).await;
    }
    let first = candidates[0].fence().unwrap();
    let mut last = first;
    for index in [1, 0, 1] {
        let taken = candidates[index].take_over(Duration::from_secs(5));
        let fence = within("a take-over", taken).await.unwrap();
        assert!(fence > last);
        assert_eq!(candidates[index].fence(), Some(fence));
        last = fence;
    }
    let again = within("an answer", candidates[1].take_over(Duration::ZERO)).await;
    assert_eq!(again, Ok(last));
    // The run of the last one begins after its take-over is told.
    let written = async {
        while diary.0.lock().unwrap().len() < 7 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the last run", written).await;
    let lines = diary.0.lock().unwrap().clone();
    let wheres: Vec<(bool, usize)> = lines.iter().map(|line| (line.0, line.1)).collect();
    let (begun, ended) = (true, false);
    let expected = [
        (begun, 0),
        (ended, 0),
        (begun, 1),
        (ended, 1),
        (begun, 0),
        (ended, 0),
        (begun, 1),
    ];
    assert_eq!(wheres, expected);
    assert!(lines.windows(2).all(|pair| pair[0].2 <= pair[1].2));

    nodes[1].kill();
    let (one, two) = candidates.split_at_mut(2);
    let next = async {
        tokio::select! {
            fence = one[0].elected() => fence,
            fence = two[0].elected() => fence,
        }
    };
    let fence = within("fail-over", next).await.unwrap();
    assert!(fence > last);
    shutdown(nodes).await;
}

/// U9: without a majority nobody takes over, and the reason is typed.
#[tokio::test]
async fn u9_without_a_majority_nobody_takes_over() {
    let (nodes, _folder) = council("nosingle").await;
    let idle = |turn: Turn| async move {
        turn.stopping().await;
        Bytes::new()
    };
    let group = nodes[2].group("nosingle");
    let candidate = group.singleton("teller", idle).await.unwrap();
    nodes[0].kill();
    nodes[1].kill();
    let refused = candidate.take_over(Duration::from_secs(2));
    let refused = within("a refusal", refused).await.unwrap_err();
    let TakeOverError::Acquire(archipelago::AcquireError::Strict(error)) = refused else {
        panic!("{refused}");
    };
    assert_eq!(error, StrictError::NoQuorum);
    shutdown(nodes).await;
}
