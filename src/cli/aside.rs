//! Work beside the loop that may take any time, such as a program that asks somebody for a secret.
//!
//! On a thread of its own, and not the runtime's: what hangs there must not keep the process from ending.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::thread;

use tokio::sync::oneshot;

/// What comes of `work`. Whoever does not wait for it any more leaves it to itself.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (end, ended) = oneshot::channel::<Infallible>();
    let thread = thread::spawn(move || {
        let done = work();
        drop(end);
        done
    });
    // Nothing is ever sent: however the work ends, its side of the channel goes with it.
    let _ = ended.await;
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_aside_waits_for_nobody() {
        let (send, received) = std::sync::mpsc::channel();
        let first = aside(move || received.recv());
        let second = aside(move || send.send(7));
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first, second), (Ok(7), Ok(())));
    }

    #[tokio::test]
    #[should_panic(expected = "it is told")]
    async fn a_panic_is_not_swallowed() {
        aside(|| panic!("it is told")).await;
    }
}
