//! Calls below tower's layers on loopback: what was not done is tried again, and what is too much is
//! refused before it is sent.
use std::future::{Ready, ready};

use crate::support::{DEADLINE, group_of, mailboxes, shutdown, within};
use archipelago::{Bytes, CallError};
use tower::load_shed::error::Overloaded;
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt};

/// So many more tries of what was surely not done.
#[derive(Clone)]
struct Again(usize);

impl Policy<Bytes, Bytes, CallError> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Bytes, result: &mut Result<Bytes, CallError>) -> Option<Ready<()>> {
        let is_harmless = result.as_ref().is_err_and(|error| !error.may_be_done());
        self.0 = self.0.checked_sub(1)?;
        is_harmless.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Bytes) -> Option<Bytes> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_refused_call_is_tried_again_by_a_layer() {
    let nodes = group_of("again", 2).await;
    let [mut server, client] = mailboxes(&nodes).await.try_into().unwrap();
    let service = client.sender().call_service(server.pid(), DEADLINE);
    let service = ServiceBuilder::new().retry(Again(2)).service(service);
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let received = server.recv().await.unwrap();
            received.reply.unwrap().refuse();
        }
        let received = server.recv().await.unwrap();
        received.reply.unwrap().send("third time").await.unwrap();
        server
    });
    let answer = within("an answer", service.oneshot(Bytes::from_static(b"x"))).await;
    assert_eq!(answer.unwrap(), "third time");
    serving.await.unwrap();
    shutdown(nodes).await;
}

#[tokio::test]
async fn what_is_too_much_is_shed_before_it_is_sent() {
    let nodes = group_of("shed", 2).await;
    let [mut server, client] = mailboxes(&nodes).await.try_into().unwrap();
    let service = client.sender().call_service(server.pid(), DEADLINE);
    let mut service = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .service(service);
    let first = service
        .ready()
        .await
        .unwrap()
        .call(Bytes::from_static(b"x"));
    let second = service
        .ready()
        .await
        .unwrap()
        .call(Bytes::from_static(b"x"));
    let refused = within("a refusal", second).await.unwrap_err();
    assert!(refused.is::<Overloaded>(), "{refused}");
    let serving = tokio::spawn(async move {
        let received = server.recv().await.unwrap();
        received.reply.unwrap().send("first").await.unwrap();
        server
    });
    assert_eq!(within("an answer", first).await.unwrap(), "first");
    serving.await.unwrap();
    shutdown(nodes).await;
}
