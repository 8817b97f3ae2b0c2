//! A connection that has changed its protocol: its bytes are copied.

use std::any::Any;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::connection::ActiveConnection;

/// Both sides of a connection that changes its protocol.
pub(crate) struct Upgrade {
    pub client: OnUpgrade,
    pub server: OnUpgrade,
    pub passing: Arc<ActiveConnection>,
    /// Keeps the task of the connection to the server.
    pub keeps: Box<dyn Any + Send>,
}

impl Upgrade {
    /// Copies what follows the change of protocol.
    pub async fn copy(self) {
        let (Ok(client), Ok(server)) = tokio::join!(self.client, self.server) else { return };
        let copied = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
        if let Ok((sent, received)) = copied {
            self.passing.traffic.add_sent(sent);
            self.passing.traffic.add_received(received);
            self.passing.ends(None);
        }
        drop(self.keeps);
    }
}
