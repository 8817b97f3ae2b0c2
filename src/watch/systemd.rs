//! Tells systemd that a watch has brought about what it was started for, if systemd has asked for that.

use sd_notify::NotifyState;

/// `READY=1`, as `sd_notify(3)` has it. Nobody may have asked, or nobody may listen: either way there is nothing to be done.
pub fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}
