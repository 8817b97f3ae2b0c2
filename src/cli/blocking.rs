//! Runs blocking work of unknown duration outside the event loop, such as a program that prompts for a secret.
//!
//! Uses a new thread instead of the runtime's pool, since a blocked pool thread keeps the process from exiting.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::thread;

use tokio::sync::oneshot;

/// Returns the result of `work`. If the future is dropped, `work` continues in the background.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (end, ended) = oneshot::channel::<Infallible>();
    let thread = thread::spawn(move || {
        let done = work();
        drop(end);
        done
    });
    // Nothing is sent: the closed channel signals the end of `work`, also after a panic.
    let _ = ended.await;
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_runs_concurrently() {
        let (send, received) = std::sync::mpsc::channel();
        let first = run_blocking(move || received.recv());
        let second = run_blocking(move || send.send(7));
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first, second), (Ok(7), Ok(())));
    }

    #[tokio::test]
    #[should_panic(expected = "propagated")]
    async fn a_panic_is_not_swallowed() {
        run_blocking(|| panic!("propagated")).await;
    }
}
