//! Names local to a node, reached as (node, name) on loopback (U28).

use std::time::Duration;

use crate::support::{DEADLINE, group_of, mailboxes, shutdown, within};
use archipelago::{
    Boot, CallError, GroupSpec, LocalNameError, Mailbox, Node, NodeEvent, Pid, Protocol, SendError,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Twice(u32);

impl Protocol for Twice {
    const NAME: &'static str = "test/twice/1";
    type Reply = u32;
}

async fn echo(mut mailbox: Mailbox) -> Mailbox {
    let received = within("a call", mailbox.recv()).await.unwrap();
    received
        .reply
        .unwrap()
        .send(received.payload)
        .await
        .unwrap();
    mailbox
}

/// U28: a name of a node is called and sent to from the node and from others, by bytes and by
/// values, with no question to anybody; nobody having it is a typed error on both.
#[tokio::test]
async fn u28_names_of_a_node_are_reached_from_afar() {
    let nodes = group_of("localnames", 2).await;
    let [server, near, far] = {
        let mut boxes = mailboxes(&nodes).await;
        boxes.insert(0, nodes[0].mailbox().await.unwrap());
        boxes.try_into().unwrap()
    };
    let to = Pid::named(nodes[0].id(), None, "echo");
    for client in [&near, &far] {
        let unknown = within("an error", client.call(to, "?", DEADLINE)).await;
        assert_eq!(unknown, Err(CallError::NotSent(SendError::NoMailbox)));
    }
    nodes[0].register_local("echo", server.pid()).unwrap();
    assert_eq!(nodes[0].whereis_local("echo"), Some(server.pid()));
    let again = nodes[0].register_local("echo", near.pid());
    assert_eq!(again, Err(LocalNameError::Taken));
    let foreign = nodes[0].register_local("other", far.pid());
    assert_eq!(foreign, Err(LocalNameError::NoProcess));
    let mut server = server;
    for client in [&near, &far] {
        let serving = tokio::spawn(echo(server));
        let answer = within("an answer", client.call(to, "hello", DEADLINE)).await;
        assert_eq!(answer.unwrap(), "hello");
        server = serving.await.unwrap();
        client.send(to, "a word").await.unwrap();
        let word = within("a word", server.recv()).await.unwrap();
        assert_eq!(
            (word.from, &word.payload[..]),
            (client.pid(), &b"a word"[..])
        );
    }
    // The name goes with the process, and is told to nobody.
    let mut events = nodes[1].events();
    drop(server);
    assert_eq!(nodes[0].local_names(), Vec::<archipelago::Bytes>::new());
    let gone = within("an error", far.call(to, "?", DEADLINE)).await;
    assert_eq!(gone, Err(CallError::NotSent(SendError::NoMailbox)));
    far.send(to, "lost").await.unwrap();
    let lost = async {
        loop {
            if let Some(NodeEvent::Undelivered { peer, .. }) = events.next().await {
                return peer;
            }
        }
    };
    assert_eq!(within("an event", lost).await, nodes[0].id());

    let mut inbox = nodes[0].inbox::<Twice>().await.unwrap();
    nodes[0].register_local("twice", inbox.pid()).unwrap();
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let delivery = inbox.recv().await.unwrap();
            let twice = delivery.message.0 * 2;
            delivery.reply.unwrap().send(twice).await.unwrap();
        }
    });
    let to = Pid::named(nodes[0].id(), None, "twice");
    for client in [&near, &far] {
        let twice = client.sender().recipient::<Twice>(to);
        let answer = within("an answer", twice.call(Twice(21), DEADLINE)).await;
        assert_eq!(answer, Ok(42));
    }
    serving.await.unwrap();
    shutdown(nodes).await;
}

/// U28: the same address leads to whoever has the name after a restart of the node.
#[tokio::test]
async fn u28_a_name_of_a_node_survives_its_restart() {
    let key = std::env::temp_dir().join(format!("archipelago-local-{}.key", std::process::id()));
    let nodes = group_of("localagain", 1).await;
    let [client] = mailboxes(&nodes).await.try_into().unwrap();
    let seed = nodes[0].addresses()[0].clone();
    let mut to = None;
    for word in ["before", "after"] {
        let group = GroupSpec::open("localagain").seed(seed.clone());
        let node = Node::builder("again").key_file(&key).group(group);
        let node = node.start().await.unwrap();
        within("joining", node.wait_members("localagain", 2))
            .await
            .unwrap();
        let server = node.mailbox().await.unwrap();
        node.register_local("echo", server.pid()).unwrap();
        let to = *to.get_or_insert(Pid::named(node.id(), None, "echo"));
        let serving = tokio::spawn(echo(server));
        // Until the first node has noticed, the old start may still stand in its books.
        let answer = async {
            loop {
                match client.call(to, word, Duration::from_secs(2)).await {
                    Ok(answer) => return answer,
                    Err(error) => assert!(!matches!(error, CallError::WrongType), "{error}"),
                }
            }
        };
        assert_eq!(within("an answer", answer).await, word);
        drop(serving.await.unwrap());
        node.kill();
        within("its end", node.stopped()).await;
    }
    let _ = std::fs::remove_file(&key);
    shutdown(nodes).await;
}

/// D2: a call to a start of a node that is known before the session to the one before it is gone
/// waits for that start; what is for the one that is alive passes it.
#[tokio::test]
async fn d2_what_is_for_a_start_that_comes_waits_for_it() {
    let key = std::env::temp_dir().join(format!("archipelago-ahead-{}.key", std::process::id()));
    let nodes = group_of("ahead", 1).await;
    let [client] = mailboxes(&nodes).await.try_into().unwrap();
    let group = GroupSpec::open("ahead").seed(nodes[0].addresses()[0].clone());
    let builder = Node::builder("again").key_file(&key);
    let first = builder.clone().start().await.unwrap();
    first.join(group.clone()).await.unwrap();
    within("joining", first.wait_members("ahead", 2))
        .await
        .unwrap();
    let server = first.mailbox().await.unwrap();
    let alive = server.pid();
    let serving = tokio::spawn(echo(server));

    // The next start takes the number after the one that the file holds.
    let last = Boot(first.boot().0 + 1_000_000_000);
    std::fs::write(key.with_extension("key.boot"), last.0.to_string()).unwrap();
    let coming = Pid {
        boot: Boot(last.0 + 1),
        ..Pid::named(first.id(), None, "echo")
    };
    let early = client.sender();
    let early = tokio::spawn(async move { early.call(coming, "early", DEADLINE).await });
    let passing = within("an answer", client.call(alive, "passing", DEADLINE)).await;
    assert_eq!(passing.unwrap(), "passing");
    drop(serving.await.unwrap());
    assert!(!early.is_finished());

    // The session to the old start stays until the new one comes, which is named before that.
    let second = builder.start().await.unwrap();
    assert_eq!(second.boot(), coming.boot);
    let server = second.mailbox().await.unwrap();
    second.register_local("echo", server.pid()).unwrap();
    let serving = tokio::spawn(echo(server));
    second.join(group).await.unwrap();
    assert_eq!(within("an answer", early).await.unwrap().unwrap(), "early");
    drop(serving.await.unwrap());
    for file in ["key", "key.boot"] {
        let _ = std::fs::remove_file(key.with_extension(file));
    }
    first.kill();
    shutdown(vec![second]).await;
    shutdown(nodes).await;
}
