//! The queue of one mailbox: many senders, one receiver, bounded in messages.
//!
//! Messages go in one by one or in batches, under one short lock for each batch, and wake the
//! receiver once. Whoever finds no room waits for it in the order of coming. When the last
//! [`Intake`] is gone, the [`Outlet`] ends with what is left.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use archipelago_core::streams::Stop;
use tokio::sync::Semaphore;

use super::Received;

/// The way in; clones lead to the same queue.
#[derive(Debug)]
pub(crate) struct Intake(Arc<Queue>);

/// The way out.
#[derive(Debug)]
pub(crate) struct Outlet(Arc<Queue>);

/// Room for some messages, given back unless it is used.
#[derive(Debug)]
pub(crate) struct Room {
    intake: Intake,
    len: usize,
}

/// Why a message was not put in.
#[derive(Debug)]
pub(crate) enum PutError {
    /// There is no room; the message is gone.
    Full,
    /// The receiver is gone.
    Closed(Box<Received>),
}

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    /// A permit for each message that still fits; closed with the receiver.
    room: Semaphore,
    len_max: usize,
    intakes: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Received>,
    receiver: Option<Waker>,
    is_closed: bool,
}

/// A queue of at most `len_max` messages, 1 to 2³⁰ (clamped).
pub(crate) fn queue(len_max: usize) -> (Intake, Outlet) {
    let len_max = len_max.clamp(1, 1 << 30);
    let queue = Arc::new(Queue {
        state: Mutex::default(),
        room: Semaphore::new(len_max),
        len_max,
        intakes: AtomicUsize::new(1),
    });
    (Intake(queue.clone()), Outlet(queue))
}

impl Intake {
    /// Puts a message in, if there is room.
    pub(crate) fn try_put(&self, message: Received) -> Result<(), PutError> {
        let Ok(permit) = self.0.room.try_acquire() else {
            return Err(if self.0.room.is_closed() {
                PutError::Closed(Box::new(message))
            } else {
                PutError::Full
            });
        };
        permit.forget();
        self.0.put(|messages| messages.push_back(message));
        Ok(())
    }

    /// Puts in what there is room for, from the front; how many.
    pub(crate) fn put_some(&self, batch: &mut VecDeque<Received>) -> usize {
        let len = self.0.acquire(batch.len());
        if len > 0 {
            self.0.put(|messages| messages.extend(batch.drain(..len)));
        }
        len
    }

    /// Waits for room for a message, or for more: at most `len`, and at most half of the queue.
    /// `None`: the receiver is gone.
    pub(crate) async fn room(self, len: usize) -> Option<Room> {
        let len = len.min(self.0.len_max / 2).max(1);
        let count = u32::try_from(len).unwrap_or(u32::MAX);
        self.0.room.acquire_many(count).await.ok()?.forget();
        Some(Room { intake: self, len })
    }

    /// Whether the receiver is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.room.is_closed()
    }
}

impl Room {
    /// Puts one message in.
    pub(crate) fn put(mut self, message: Received) {
        self.len -= 1;
        self.intake.0.put(|messages| messages.push_back(message));
    }

    /// Puts messages in, from the front, as many as it is for; the way in.
    pub(crate) fn put_some(mut self, batch: &mut VecDeque<Received>) -> Intake {
        let len = self.len.min(batch.len());
        self.len -= len;
        let intake = self.intake.clone();
        intake.0.put(|messages| messages.extend(batch.drain(..len)));
        intake
    }
}

impl Outlet {
    /// The next message; `None` when it is empty and nobody can put anything in.
    pub(crate) async fn recv(&mut self) -> Option<Received> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message, if one is there.
    pub(crate) fn try_recv(&mut self) -> Option<Received> {
        let message = self.0.lock().messages.pop_front();
        if message.is_some() {
            self.0.room.add_permits(1);
        }
        message
    }

    /// Waits for a message, and appends it and what else is there, at most `len_max`; how many. 0:
    /// nobody can put anything in any more.
    pub(crate) async fn recv_many(&mut self, batch: &mut Vec<Received>, len_max: usize) -> usize {
        std::future::poll_fn(|cx| self.poll_recv_many(cx, batch, len_max)).await
    }

    /// Nothing is put in any more; what is there can be taken.
    pub(crate) fn close(&mut self) {
        self.0.lock().is_closed = true;
        self.0.room.close();
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        let mut state = self.0.lock();
        if let Some(message) = state.messages.pop_front() {
            drop(state);
            self.0.room.add_permits(1);
            return Poll::Ready(Some(message));
        }
        self.0.poll_more(cx, &mut state).map(|()| None)
    }

    fn poll_recv_many(
        &self,
        cx: &mut Context<'_>,
        batch: &mut Vec<Received>,
        len_max: usize,
    ) -> Poll<usize> {
        let mut state = self.0.lock();
        let len = state.messages.len().min(len_max);
        if len == 0 && len_max > 0 {
            return self.0.poll_more(cx, &mut state).map(|()| 0);
        }
        batch.extend(state.messages.drain(..len));
        drop(state);
        self.0.room.add_permits(len);
        Poll::Ready(len)
    }
}

impl Queue {
    /// Takes room for at most `len` messages; for how many.
    fn acquire(&self, len: usize) -> usize {
        let mut wanted = len;
        while wanted > 0 {
            let count = u32::try_from(wanted).unwrap_or(u32::MAX);
            if let Ok(permits) = self.room.try_acquire_many(count) {
                permits.forget();
                return wanted;
            }
            if self.room.is_closed() {
                return 0;
            }
            wanted = (wanted - 1).min(self.room.available_permits());
        }
        0
    }

    fn put(&self, put: impl FnOnce(&mut VecDeque<Received>)) {
        let mut state = self.lock();
        if state.is_closed {
            // The receiver went away in between: what it did not take ends with this.
            let mut refused = VecDeque::new();
            put(&mut refused);
            drop(state);
            return end(refused);
        }
        put(&mut state.messages);
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Ready when nothing can come; otherwise the receiver is woken by what comes.
    fn poll_more(&self, cx: &Context<'_>, state: &mut State) -> Poll<()> {
        if state.is_closed || self.intakes.load(Ordering::Acquire) == 0 {
            return Poll::Ready(());
        }
        match &mut state.receiver {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a call or stream that nobody takes its sender hears so.
pub(crate) fn end(messages: impl IntoIterator<Item = Received>) {
    for message in messages {
        if let Some(reply) = message.reply {
            reply.no_mailbox();
        }
        if let Some(stream) = message.stream {
            stream.refuse(Stop::NoMailbox);
        }
    }
}

impl Clone for Intake {
    fn clone(&self) -> Self {
        self.0.intakes.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if self.0.intakes.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let receiver = self.0.lock().receiver.take();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.len > 0 {
            self.intake.0.room.add_permits(self.len);
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.close();
        let left = std::mem::take(&mut self.0.lock().messages);
        end(left);
    }
}

#[cfg(test)]
mod tests {
    use archipelago_core::{Boot, LocalId, NodeId, Pid};
    use futures::FutureExt;

    use super::*;

    fn message(number: u8) -> Received {
        let from = Pid {
            node: NodeId([1; 32]),
            boot: Boot(1),
            local: LocalId(1),
            home: None,
        };
        Received::cast(from, vec![number].into())
    }

    fn batch(numbers: std::ops::Range<u8>) -> VecDeque<Received> {
        numbers.map(message).collect()
    }

    fn take(outlet: &mut Outlet) -> Vec<u8> {
        let taken = std::iter::from_fn(|| outlet.try_recv());
        taken.map(|message| message.payload[0]).collect()
    }

    #[test]
    fn a_batch_goes_in_as_far_as_there_is_room_and_comes_out_in_order() {
        let (intake, mut outlet) = queue(4);
        intake.try_put(message(0)).unwrap();
        let mut more = batch(1..6);
        assert_eq!(intake.put_some(&mut more), 3);
        assert_eq!(more.len(), 2);
        assert!(matches!(intake.try_put(message(9)), Err(PutError::Full)));
        let mut taken = Vec::new();
        assert_eq!(outlet.recv_many(&mut taken, 3).now_or_never(), Some(3));
        assert_eq!(intake.put_some(&mut more), 2);
        assert_eq!(take(&mut outlet), [3, 4, 5]);
    }

    /// Nobody passes whoever waits already, and room that was waited for is not lost.
    #[test]
    fn whoever_waits_gets_room_for_several_and_gives_back_what_it_does_not_use() {
        let (intake, mut outlet) = queue(4);
        intake.put_some(&mut batch(0..4));
        let mut waiting = Box::pin(intake.clone().room(9));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(outlet.try_recv().is_some());
        assert!((&mut waiting).now_or_never().is_none());
        assert!(outlet.try_recv().is_some());
        let room = waiting.now_or_never().flatten().unwrap();
        assert!(matches!(intake.try_put(message(9)), Err(PutError::Full)));
        room.put_some(&mut batch(4..5));
        intake.try_put(message(5)).unwrap();
        assert_eq!(take(&mut outlet), [2, 3, 4, 5]);
        let unused = intake.clone().room(1).now_or_never().flatten();
        drop(unused);
        assert_eq!(intake.put_some(&mut batch(0..9)), 4);
    }

    #[test]
    fn the_receiver_is_woken_once_for_a_batch_and_ends_with_the_last_sender() {
        let (intake, mut outlet) = queue(4);
        let (waker, woken) = futures_test_waker();
        let mut context = Context::from_waker(&waker);
        assert!(outlet.poll_recv(&mut context).is_pending());
        intake.put_some(&mut batch(0..3));
        assert_eq!(woken(), 1);
        assert_eq!(take(&mut outlet), [0, 1, 2]);
        assert!(outlet.poll_recv(&mut context).is_pending());
        let other = intake.clone();
        drop(intake);
        assert_eq!(woken(), 1);
        drop(other);
        assert_eq!(woken(), 2);
        assert!(matches!(outlet.poll_recv(&mut context), Poll::Ready(None)));
    }

    #[test]
    fn a_receiver_that_is_gone_takes_nothing_and_holds_up_nobody() {
        let (intake, outlet) = queue(1);
        intake.try_put(message(0)).unwrap();
        let waiting = intake.clone().room(1);
        drop(outlet);
        assert!(waiting.now_or_never().unwrap().is_none());
        assert!(intake.is_closed());
        assert!(matches!(
            intake.try_put(message(1)),
            Err(PutError::Closed(_))
        ));
        assert_eq!(intake.put_some(&mut batch(0..2)), 0);
    }

    fn futures_test_waker() -> (Waker, impl Fn() -> usize) {
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        (waker, move || count.0.load(Ordering::Relaxed))
    }
}
