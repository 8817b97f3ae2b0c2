//! Notifies systemd that a watch is ready, if systemd requested that.

use sd_notify::NotifyState;

/// Sends `READY=1` as in `sd_notify(3)`. Errors are ignored: no notification may be requested, or no socket may listen.
pub fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}
