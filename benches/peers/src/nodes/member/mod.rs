//! One node of a cluster, as a process of its own: does what its standard input says, says what it
//! sees, and ends with its standard input.

mod kameo;
mod ours;
mod ractor;
mod zenoh;

use std::io::{BufRead, Write};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::kind::Kind;
use super::plan::Plan;
use crate::Failure;

/// Between two looks, unless told to rest: a look costs what would be measured.
const PAUSE: Duration = Duration::from_millis(10);
/// What is registered.
const NAME: &str = "archipelago/peers";

/// A node of one of the libraries.
trait Member: Sized {
    /// It listens, and knows nobody.
    async fn start(plan: &Plan, place: usize) -> Result<Self, Failure>;
    /// It asks to be let into the cluster.
    async fn join(&mut self) -> Result<(), Failure>;
    /// How much of the cluster it sees; [`Plan::wanted`] says of what.
    async fn sees(&mut self) -> usize;
    /// It registers the name.
    async fn register(&mut self) -> Result<(), Failure>;
    /// Whether it knows who has the name.
    async fn knows(&mut self) -> Result<bool, Failure>;
}

/// Runs one node; never returns but for a failure.
pub(super) async fn run(plan: &Plan, place: usize) -> Result<(), Failure> {
    let ran = match plan.kind {
        Kind::Archipelago | Kind::ArchipelagoMesh => attend::<ours::Ours>(plan, place).await,
        Kind::Ractor => attend::<ractor::Ractor>(plan, place).await,
        Kind::Kameo => attend::<kameo::Kameo>(plan, place).await,
        Kind::Zenoh => attend::<zenoh::Zenoh>(plan, place).await,
        Kind::Erlang | Kind::Nats => Err("it is no node of this program".into()),
    };
    if let Err(error) = &ran {
        say(&format!("failed {error}"));
    }
    ran
}

async fn attend<M: Member>(plan: &Plan, place: usize) -> Result<(), Failure> {
    let mut member = M::start(plan, place).await?;
    let mut orders = listen();
    let mut looks = tokio::time::interval(PAUSE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looking, mut seeking, mut seen) = (true, false, 0);
    say("up");
    loop {
        tokio::select! {
            order = orders.recv() => match order.as_deref() {
                Some("go") => member.join().await?,
                Some("rest") => looking = false,
                Some("look") => looking = true,
                Some("register") => member.register().await?,
                Some("find") => (looking, seeking) = (true, true),
                _ => {}
            },
            _ = looks.tick(), if looking => {
                let sees = member.sees().await;
                if std::mem::replace(&mut seen, sees) != sees {
                    say(&format!("sees {sees}"));
                }
                if seeking && member.knows().await? {
                    seeking = false;
                    say("found");
                }
            }
        }
    }
}

/// Lines of the standard input; at its end the process ends, whatever its library still does.
fn listen() -> mpsc::Receiver<String> {
    let (tell, orders) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    orders
}

/// Whoever listened may be gone; then the standard input ends, too.
fn say(word: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", word.replace('\n', " "));
    let _ = stdout.flush();
}
