//! Names for RUN steps. The real buildkitd runs them in its own network namespace, where Docker's resolver 127.0.0.11
//! answers; the engine runs them on a bridge, from where it does not. So the bridge's gateway passes questions on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

/// A resolver that has not answered by then does not answer: clients ask again after five seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// Whom to ask: `configured`, or what the container itself asks. On loopback the real daemon would ask 8.8.8.8 instead;
/// the lab asks no server outside the machine, so there names fail, as they would in a sandbox without internet.
pub fn upstream(configured: &[String]) -> Option<SocketAddr> {
    let own = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let own =
        own.lines().filter_map(|line| line.strip_prefix("nameserver ")).filter(|server| !server.starts_with("127."));
    let server = configured.first().map(String::as_str).or_else(|| own.map(str::trim).next())?;
    Some((server.parse::<std::net::IpAddr>().ok()?, 53).into())
}

pub async fn forward(gateway: &str, upstream: SocketAddr) -> std::io::Result<()> {
    let socket = Arc::new(UdpSocket::bind((gateway, 53)).await?);
    loop {
        let mut question = vec![0; 4096];
        let (length, client) = socket.recv_from(&mut question).await?;
        question.truncate(length);
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            let asked = tokio::time::timeout(PATIENCE, ask(upstream, &question)).await;
            if let Ok(Ok(answer)) = asked {
                let _ = socket.send_to(&answer, client).await;
            }
        });
    }
}

async fn ask(upstream: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(upstream).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}
