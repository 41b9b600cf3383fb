//! NATS servers: clusters of about ten, all-to-all inside, and a gateway from each server to each
//! other cluster, as the manual has it. What they see is asked at their monitoring ports.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};

use super::crew::Word;
use super::plan::{Plan, free_ports};
use crate::Failure;

/// Between two questions to a server.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes a configuration for each server; returns the monitoring ports.
pub(super) fn prepare(plan: &Plan, folder: &Path) -> Result<Vec<u16>, Failure> {
    let ports = free_ports(plan.nodes * 3)?;
    let (monitors, others) = ports.split_at(plan.nodes);
    let (routes, gateways) = others.split_at(plan.nodes);
    for place in 0..plan.nodes {
        let text = configuration(plan, place, monitors, routes, gateways);
        std::fs::write(folder.join(format!("{place}.conf")), text)?;
    }
    Ok(monitors.to_vec())
}

fn configuration(
    plan: &Plan,
    place: usize,
    monitors: &[u16],
    routes: &[u16],
    gateways: &[u16],
) -> String {
    let group = plan.group_of(place);
    let seed = plan.members(group).start;
    let mut text = format!(
        "server_name: n{place}\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\n\
         cluster {{ name: c{group}, listen: \"127.0.0.1:{}\", \
         routes: [\"nats-route://127.0.0.1:{}\"] }}\n",
        plan.ports[place], monitors[place], routes[place], routes[seed],
    );
    if plan.groups() > 1 {
        let remote = |group| {
            let urls = plan
                .members(group)
                .map(|it| format!("\"nats://127.0.0.1:{}\"", gateways[it]));
            let urls = urls.collect::<Vec<_>>().join(", ");
            format!("{{ name: c{group}, urls: [{urls}] }}")
        };
        let remotes: Vec<String> = (0..plan.groups()).map(remote).collect();
        text += &format!(
            "gateway {{ name: c{group}, listen: \"127.0.0.1:{}\", gateways: [{}] }}\n",
            gateways[place],
            remotes.join(", "),
        );
    }
    text
}

/// One server.
pub(super) fn command(folder: &Path, place: usize) -> Command {
    let mut command = Command::new("nats-server");
    command
        .arg("--config")
        .arg(folder.join(format!("{place}.conf")));
    command
}

/// Says what a server sees whenever that changes, while it is to be asked.
pub(super) async fn ask(
    place: usize,
    monitor: u16,
    mut asked: watch::Receiver<bool>,
    say: mpsc::Sender<(usize, Word)>,
) {
    let mut last = None;
    while asked.wait_for(|&it| it).await.is_ok() {
        if let Ok(sees) = sees(monitor).await {
            let news = match last {
                None => vec![Word::Up, Word::Sees(sees)],
                Some(before) if before != sees => vec![Word::Sees(sees)],
                Some(_) => Vec::new(),
            };
            last = Some(sees);
            for word in news {
                if say.send((place, word)).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Servers of its cluster, and clusters that it has a gateway to.
async fn sees(monitor: u16) -> Result<usize, Failure> {
    let routes = get(monitor, "/routez").await?;
    let gateways = get(monitor, "/gatewayz").await?;
    let routes = routes["num_routes"].as_u64().unwrap_or(0);
    let gateways = gateways["outbound_gateways"].as_object();
    Ok(usize::try_from(routes)? + gateways.map_or(0, serde_json::Map::len))
}

async fn get(port: u16, path: &str) -> Result<Value, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    let body = answer.split_once("\r\n\r\n").ok_or("no answer")?.1;
    Ok(serde_json::from_str(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::kind::Kind;

    #[test]
    fn each_server_knows_a_route_into_its_cluster_and_all_gateways() {
        let plan = Plan::new(Kind::Nats, 20).expect("ports");
        let ports: Vec<u16> = (0..20).collect();
        let text = configuration(&plan, 15, &ports, &ports, &ports);
        assert!(text.contains("name: c1"), "{text}");
        assert!(text.contains("nats-route://127.0.0.1:10\""), "{text}");
        assert_eq!(text.matches("nats://").count(), 20, "{text}");
        let one = Plan::new(Kind::Nats, 10).expect("ports");
        let text = configuration(&one, 5, &ports, &ports, &ports);
        assert!(!text.contains("gateway"), "{text}");
    }
}
