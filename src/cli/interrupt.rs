//! Ctrl-C and SIGTERM: the first stops gracefully, the second exits at once.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::ui::Screen;

/// Runs `work`, which must observe `stop`, and cancels `stop` on the first signal.
pub async fn interruptible<T>(screen: &Screen, stop: &CancellationToken, work: impl Future<Output = T>) -> T {
    tokio::select! {
        // Install the handlers before the work starts.
        biased;
        never = listen(screen, stop) => match never {},
        done = work => done,
    }
}

/// Runs `work`, which must observe `stop`, until the first signal. Nothing is printed, since a signal is the regular end
/// of such work.
pub async fn stoppable<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> T {
    let listen = async {
        let signals = signal(SignalKind::interrupt()).and_then(|first| Ok((first, signal(SignalKind::terminate())?)));
        if let Ok((mut interrupt, mut terminate)) = signals {
            next(&mut interrupt, &mut terminate).await;
            stop.cancel();
        }
        pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        never = listen => match never {},
        done = work => done,
    }
}

/// Runs `work`, which changes nothing, until `stop` is cancelled.
///
/// # Errors
/// [`CliError::Interrupted`] if `stop` is cancelled; otherwise the error of `work`.
pub async fn unless<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(CliError::Interrupted),
    }
}

async fn listen(screen: &Screen, stop: &CancellationToken) -> Infallible {
    // Without handlers the default action of the signals remains.
    let signals = signal(SignalKind::interrupt()).and_then(|first| Ok((first, signal(SignalKind::terminate())?)));
    let Ok((mut interrupt, mut terminate)) = signals else { return pending().await };
    next(&mut interrupt, &mut terminate).await;
    // The terminal has echoed `^C`.
    let line = if screen.live_size().is_some() && !screen.is_live() { "\n" } else { "" };
    screen.alert(&format!("{line}interrupted: finishing the current step; interrupt again to exit immediately\n"));
    stop.cancel();
    next(&mut interrupt, &mut terminate).await;
    screen.show_live(Vec::new());
    process::exit(Exit::Interrupted.code().into())
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
