//! What carries a session: TCP with either Noise or TLS, or QUIC; and nodes that have nothing in common.
use std::time::Duration;

use crate::support::{mailboxes, shutdown, within};
use archipelago::{Builder, GroupSpec, Node, Security};

const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A node of the group `carried`, as `configure` has it.
async fn start(seeds: &[&Node], configure: fn(Builder) -> Builder) -> Node {
    let addresses = seeds.iter().flat_map(|node| node.addresses());
    let group = addresses.fold(GroupSpec::open("carried"), GroupSpec::seed);
    let node = Node::builder(&format!("carried-{}", seeds.len())).group(group);
    configure(node).start().await.unwrap()
}

fn both(node: Builder) -> Builder {
    node.listen(QUIC).listen("/ip4/127.0.0.1/tcp/0")
}

/// Every node answers every other, with messages of one chunk and of many.
async fn all_answer_all(nodes: Vec<Node>) {
    for node in &nodes {
        let all = node.wait_members("carried", nodes.len());
        within("joining", all).await.unwrap();
    }
    let boxes = mailboxes(&nodes).await;
    let pids: Vec<_> = boxes.iter().map(archipelago::Mailbox::pid).collect();
    let tasks = boxes.into_iter().map(|mut mailbox| {
        let pids = pids.clone();
        tokio::spawn(async move {
            let me = mailbox.pid();
            let others: Vec<_> = pids.into_iter().filter(|&pid| pid != me).collect();
            for &to in &others {
                for len in [0_usize, 64, 300_000] {
                    mailbox.send(to, vec![len as u8; len]).await.unwrap();
                }
            }
            let mut lens = Vec::new();
            for _ in 0..3 * others.len() {
                let received = within("a message", mailbox.recv()).await.unwrap();
                let len = received.payload.len();
                assert!(received.payload.iter().all(|&byte| byte == len as u8));
                lens.push(len);
            }
            lens.sort_unstable();
            let expected = [0, 64, 300_000].map(|len| vec![len; others.len()]);
            assert_eq!(lens, expected.concat());
            mailbox
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    shutdown(nodes).await;
}

/// All pairs of what two nodes may like best, and what they fall back to.
#[tokio::test]
async fn noise_with_aes_carries_what_libp2ps_does_and_gives_way_to_it() {
    use Security::{Noise, NoiseAes};
    let one = start(&[], |node| node.security([NoiseAes])).await;
    let two = start(&[&one], |node| node.security([NoiseAes, Noise])).await;
    let three = start(&[&one, &two], |node| node.security([Noise, NoiseAes])).await;
    all_answer_all(vec![one, two, three]).await;
    let one = start(&[], |node| node.security([Noise])).await;
    let two = start(&[&one], |node| node.security([NoiseAes, Noise])).await;
    all_answer_all(vec![one, two]).await;
}

#[tokio::test]
async fn tls_carries_what_noise_does() {
    let one = start(&[], |node| node.security([Security::Tls])).await;
    let two = start(&[&one], |node| node.security([Security::Tls])).await;
    all_answer_all(vec![one, two]).await;
}

/// Each dials with what it likes best, which is not what the other likes best.
#[tokio::test]
async fn either_order_of_two_methods_meets() {
    let one = start(&[], |node| node.security([Security::Tls, Security::Noise])).await;
    let two = start(&[&one], |node| {
        node.security([Security::Noise, Security::Tls])
    })
    .await;
    let three = start(&[&one, &two], |node| node.security([Security::Tls])).await;
    all_answer_all(vec![one, two, three]).await;
}

#[tokio::test]
async fn quic_carries_what_tcp_does() {
    let one = start(&[], |node| node.listen(QUIC)).await;
    let two = start(&[&one], |node| node.listen(QUIC)).await;
    let address = one.addresses()[0].0.to_string();
    assert!(address.ends_with("/quic-v1"), "{address}");
    all_answer_all(vec![one, two]).await;
}

/// One listens by QUIC only, one by TCP only, one by both: any of them may dial any other.
#[tokio::test]
async fn quic_and_tcp_meet_in_one_group() {
    let one = start(&[], |node| node.listen(QUIC)).await;
    let two = start(&[&one], |node| node).await;
    let three = start(&[&one, &two], both).await;
    assert_eq!(three.addresses().len(), 2);
    all_answer_all(vec![one, two, three]).await;
}

/// Who has nothing in common is not reached; the dial fails, is counted, and harms nothing.
#[tokio::test]
async fn noise_alone_and_tls_alone_never_meet() {
    let one = start(&[], |node| node.security([Security::Noise])).await;
    let two = start(&[&one], |node| node.security([Security::Tls])).await;
    let refused = async {
        while two.metrics().dials_failed == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("a failed dial", refused).await;
    assert_eq!(one.members("carried").unwrap().len(), 1);
    let three = start(&[&one], |node| node.security([Security::Noise])).await;
    within("another", one.wait_members("carried", 2))
        .await
        .unwrap();
    shutdown(vec![one, two, three]).await;
}
