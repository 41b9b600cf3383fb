//! A candidate at work: asks for the name, runs the service while it holds it, hands over.

use std::time::Duration;

use archipelago_sgroup::strict::StrictError;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::word::{ASIDE_MS_MAX, Word};
use super::{Make, TakeOverError, Turn, candidates};
use crate::group::AcquireError;
use crate::{Deadline, Group, Mailbox, Received, Reply, Tenure};

/// For how long one request for the name goes on; another one follows.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the name is asked for again, after an error or a run that returned by itself.
const PAUSE: Duration = Duration::from_secs(1);
/// What a run has to return when its candidate is dropped.
const GRACE: Duration = Duration::from_secs(5);
/// What is left to have the name once the holder has let it go.
const MARGIN: Duration = Duration::from_secs(5);

/// A take-over that the user wants.
pub(super) struct Order {
    pub(super) within: Duration,
    pub(super) reply: oneshot::Sender<Result<u64, TakeOverError>>,
}

pub(super) struct Candidate {
    group: Group,
    name: Bytes,
    mailbox: Mailbox,
    make: Make,
    on: Handle,
    shown: watch::Sender<Option<u64>>,
    /// Until when the name is left to another.
    aside: Instant,
    /// What the last one handed over, for the next turn.
    state: Option<Bytes>,
}

/// Why a time without the name ended.
enum Waited {
    Held(Tenure),
    Ended,
}

/// Why a turn ended.
enum TurnEnd {
    /// The run is to stop, and its state is for whoever asks.
    HandOver(Reply, Duration),
    /// The run returned, or the name was lost.
    Over,
    Ended,
}

impl Candidate {
    pub(super) fn new(
        group: Group,
        name: Bytes,
        mailbox: Mailbox,
        (make, on): (Make, Handle),
        shown: watch::Sender<Option<u64>>,
    ) -> Self {
        Self {
            group,
            name,
            mailbox,
            make,
            on,
            shown,
            aside: Instant::now(),
            state: None,
        }
    }

    /// Until the handle is dropped, or the node ends.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            match self.wait(&mut orders).await {
                Waited::Held(tenure) => {
                    if self.hold(tenure, &mut orders).await {
                        return;
                    }
                }
                Waited::Ended => return,
            }
        }
    }

    /// Without the name: asks for it, unless it is another's turn.
    async fn wait(&mut self, orders: &mut mpsc::Receiver<Order>) -> Waited {
        loop {
            let (group, name, pid) = (self.group.clone(), self.name.clone(), self.mailbox.pid());
            let aside = self.aside;
            let asking = async {
                sleep_until(aside).await;
                group.acquire(name, pid, PATIENCE).await
            };
            tokio::select! {
                asked = asking => match asked {
                    Ok(tenure) => return Waited::Held(tenure),
                    Err(AcquireError::Stopped | AcquireError::NoProcess) => return Waited::Ended,
                    // Somebody else is the one: asked for again, at once.
                    Err(AcquireError::Strict(StrictError::Held(_))) => {}
                    Err(_) => self.aside = Instant::now() + PAUSE,
                },
                received = self.mailbox.recv() => match received {
                    Some(received) => self.on_word(received),
                    None => return Waited::Ended,
                },
                order = orders.recv() => match order {
                    Some(order) => if let Some(tenure) = self.take_over(order).await {
                        return Waited::Held(tenure);
                    },
                    None => return Waited::Ended,
                },
            }
        }
    }

    /// A word to one that is not the one.
    fn on_word(&mut self, received: Received) {
        if let Some(Word::StandBack { aside_ms }) = Word::decode(&received.payload) {
            self.stand_back(aside_ms);
        }
        // It has nothing to hand over: who asked looks again.
        if let Some(reply) = received.reply {
            reply.refuse();
        }
    }

    fn stand_back(&mut self, aside_ms: u32) {
        let aside = Duration::from_millis(aside_ms.min(ASIDE_MS_MAX).into());
        self.aside = self.aside.max(Instant::now() + aside);
    }

    /// Asks the one to hand over, and takes the name.
    async fn take_over(&mut self, order: Order) -> Option<Tenure> {
        let taken = self.try_take_over(order.within).await;
        let (tenure, result) = match taken {
            Ok(tenure) => {
                let fence = tenure.fence();
                self.shown.send_replace(Some(fence));
                (Some(tenure), Ok(fence))
            }
            Err(error) => (None, Err(error)),
        };
        // Who asked may have gone: it is the one all the same.
        let _ = order.reply.send(result);
        tenure
    }

    async fn try_take_over(&mut self, within: Duration) -> Result<Tenure, TakeOverError> {
        let until = Instant::now() + within;
        let aside = within + MARGIN;
        let aside_ms = u32::try_from(aside.as_millis()).unwrap_or(ASIDE_MS_MAX);
        let me = self.mailbox.pid();
        for other in candidates(&self.group, &self.name) {
            if other != me {
                let word = Word::StandBack { aside_ms }.encode();
                // Who cannot be told now may be the next one instead.
                let _ = self.mailbox.try_send(other, word);
            }
        }
        loop {
            self.ask_for_it(aside_ms, until).await?;
            match self.group.acquire(&self.name, me, MARGIN).await {
                // A candidate that was not known here did not stand back.
                Err(AcquireError::Strict(StrictError::Held(_))) if Instant::now() < until => {}
                acquired => return acquired.map_err(TakeOverError::from),
            }
        }
    }

    /// Has the one, if there is one, hand over.
    async fn ask_for_it(&mut self, aside_ms: u32, until: Instant) -> Result<(), TakeOverError> {
        let holder = self.group.strict_holder(&self.name).await?;
        let Some(holder) = holder.map(|tenancy| tenancy.holder) else {
            return Ok(());
        };
        let word = Word::HandOver { aside_ms }.encode();
        let deadline = Deadline::from(until.into_std());
        match self.mailbox.call(holder, word, deadline).await {
            Ok(state) => self.state = Some(state),
            // It is not the one any more; then the name is free, or soon.
            Err(error) if !error.may_be_done() => {}
            Err(error) => return Err(TakeOverError::Call(error)),
        }
        Ok(())
    }

    /// Being the one; whether that was the end.
    async fn hold(&mut self, mut tenure: Tenure, orders: &mut mpsc::Receiver<Order>) -> bool {
        let fence = tenure.fence();
        let (stop, stopping) = watch::channel(false);
        let turn = Turn {
            fence,
            state: self.state.take(),
            shared: self.group.shared.clone(),
            until: tenure.until(),
            stop: stopping,
        };
        let make = self.make.clone();
        // Made in the task: what it does wrong is the run's.
        let mut run = Dropped(self.on.spawn(async move { make(turn).await }));
        self.shown.send_replace(Some(fence));
        let end = self.turn(&mut tenure, &mut run, orders).await;
        self.shown.send_replace(None);
        let is_end = matches!(end, TurnEnd::Ended);
        match end {
            TurnEnd::HandOver(reply, aside) => {
                self.aside = Instant::now() + aside;
                self.hand_over(tenure, (run, stop), reply).await;
            }
            TurnEnd::Over => {
                self.aside = Instant::now() + PAUSE;
                drop(run);
                tenure.release().await;
            }
            TurnEnd::Ended => {
                stop.send_replace(true);
                let until = Instant::now() + GRACE;
                drop(timeout_at(until, &mut run.0).await);
                run.end().await;
                tenure.release().await;
            }
        }
        is_end
    }

    async fn turn(
        &mut self,
        tenure: &mut Tenure,
        run: &mut Dropped,
        orders: &mut mpsc::Receiver<Order>,
    ) -> TurnEnd {
        let fence = tenure.fence();
        loop {
            tokio::select! {
                () = tenure.lost() => return TurnEnd::Over,
                _ = &mut run.0 => return TurnEnd::Over,
                received = self.mailbox.recv() => match received {
                    None => return TurnEnd::Ended,
                    Some(received) => {
                        let word = Word::decode(&received.payload);
                        if let (Some(Word::HandOver { aside_ms }), Some(reply)) =
                            (word, received.reply)
                        {
                            let aside = aside_ms.min(ASIDE_MS_MAX);
                            return TurnEnd::HandOver(reply, Duration::from_millis(aside.into()));
                        }
                    }
                },
                order = orders.recv() => match order {
                    None => return TurnEnd::Ended,
                    // Who asked may have gone.
                    Some(order) => drop(order.reply.send(Ok(fence))),
                },
            }
        }
    }

    /// Ends the run, then lets the name go, then says so.
    async fn hand_over(
        &self,
        tenure: Tenure,
        (mut run, stop): (Dropped, watch::Sender<bool>),
        reply: Reply,
    ) {
        stop.send_replace(true);
        let until = reply.deadline().instant();
        let ended = timeout_at(until.into(), &mut run.0).await;
        let state = ended.ok().and_then(Result::ok).unwrap_or_default();
        run.end().await;
        tenure.release().await;
        // Who asked may be gone: then the others go on when their time has passed.
        let _ = reply.send(state).await;
    }
}

/// A run; dropped with it.
struct Dropped(JoinHandle<Bytes>);

impl Dropped {
    /// Waits until nothing of it runs any more; as long as it computes without waiting.
    async fn end(mut self) {
        self.0.abort();
        if !self.0.is_finished() {
            drop((&mut self.0).await);
        }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.abort();
    }
}
