//! A chat: rooms are groups, users have names, and words go within a room and across rooms.
//!
//! Two rooms with three users each, joined by a bridge. What is said in a room is groupcast to it,
//! also by somebody who is not in it; what is whispered goes to one user by room and name, over
//! whatever path there is. Nobody is connected to the other room but for a whisper's time.

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Groupcasted, Mailbox, Node, Subscription};

const PATIENCE: Duration = Duration::from_secs(10);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Somebody in a room.
struct User {
    name: &'static str,
    room: &'static str,
    node: Node,
    mailbox: Mailbox,
    heard: Subscription,
}

impl User {
    async fn enter(name: &'static str, room: &'static str, host: Option<&User>) -> Outcome<Self> {
        let mut group = GroupSpec::open(room);
        if let Some(host) = host {
            group = group.seed(host.node.addresses()[0].clone());
        }
        let node = Node::builder(name).group(group).start().await?;
        node.joined(room).await?;
        let mailbox = node.mailbox().await?;
        // The name is the room's, and is found from other rooms too.
        let group = node.group(room);
        group.register(name, mailbox.pid()).await?;
        let heard = group.subscribe("").await?;
        Ok(Self {
            name,
            room,
            node,
            mailbox,
            heard,
        })
    }

    /// Says something in a room, one's own or another.
    async fn say(&self, room: &str, words: &str) -> Outcome<()> {
        let line = format!("{}@{}: {words}", self.name, self.room);
        let began = Instant::now();
        while let Err(error) = self.mailbox.sender().groupcast(room, "", &line).await {
            patient(began, error.into()).await?;
        }
        Ok(())
    }

    /// Says something to one user of any room.
    async fn whisper(&self, room: &str, to: &str, words: &str) -> Outcome<()> {
        let line = format!("{}@{} whispers: {words}", self.name, self.room);
        let began = Instant::now();
        let group = self.node.group(room);
        while let Err(error) = group.send(&self.mailbox.sender(), to, line.clone()).await {
            patient(began, error.into()).await?;
        }
        Ok(())
    }

    async fn hear(&mut self) -> Outcome<String> {
        match tokio::time::timeout(PATIENCE, self.heard.recv()).await? {
            Some(Groupcasted::Message { payload, .. }) => Ok(String::from_utf8(payload.to_vec())?),
            other => Err(format!("{} heard {other:?}", self.name).into()),
        }
    }
}

/// A route between rooms takes a moment to be known.
async fn patient(began: Instant, error: Box<dyn std::error::Error>) -> Outcome<()> {
    if began.elapsed() > PATIENCE {
        return Err(error);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut users: Vec<User> = Vec::new();
    let mut bridge = Node::builder("bridge").reflector();
    for (room, names) in [
        ("kitchen", ["ada", "ben", "cy"]),
        ("garden", ["dot", "eve", "fay"]),
    ] {
        for name in names {
            let host = users.iter().find(|user| user.room == room);
            let user = User::enter(name, room, host).await?;
            users.push(user);
        }
        let seed = users[users.len() - 1].node.addresses()[0].clone();
        bridge = bridge.group(GroupSpec::open(room).seed(seed));
    }
    let bridge = bridge.start().await?;

    for (speaker, room, hearers) in [(0, "kitchen", 0..3), (1, "garden", 3..6)] {
        users[speaker].say(room, "dinner is ready").await?;
        for user in &mut users[hearers] {
            let words = user.hear().await?;
            println!("{} hears {words:?}", user.name);
        }
    }
    users[5].whisper("kitchen", "cy", "save me some").await?;
    let whispered = tokio::time::timeout(PATIENCE, users[2].mailbox.recv()).await?;
    let whispered = whispered.ok_or("the node is running")?;
    println!("cy alone hears {:?}", whispered.payload);
    assert_eq!(users[0].node.group("kitchen").names_count(), 3);
    for user in &users {
        user.node.shutdown().await;
    }
    bridge.shutdown().await;
    Ok(())
}
