//! Ctrl-C and SIGTERM: the first asks a run to stop in good order, the second ends it at once.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::ui::Screen;

/// Does `work`, which heeds `stop`, while both signals are listened to.
pub async fn interruptible<T>(screen: &Screen, stop: &CancellationToken, work: impl Future<Output = T>) -> T {
    tokio::select! {
        // Listened to before anything is begun.
        biased;
        never = listen(screen, stop) => match never {},
        done = work => done,
    }
}

/// Does `work`, which heeds `stop`, until either signal comes. Being stopped is how such work ends: nobody needs to be
/// told, and a second signal finds nothing left to hurry.
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

/// Does `work`, which changes nothing, unless `stop` comes first.
///
/// # Errors
/// If it does; otherwise that of `work`.
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
    // A system that refuses to tell of signals acts on them itself, and moat ends where it is.
    let signals = signal(SignalKind::interrupt()).and_then(|first| Ok((first, signal(SignalKind::terminate())?)));
    let Ok((mut interrupt, mut terminate)) = signals else { return pending().await };
    next(&mut interrupt, &mut terminate).await;
    // A terminal has just shown `^C`.
    let line = if screen.live_size().is_some() && !screen.is_live() { "\n" } else { "" };
    screen.alert(&format!("{line}interrupted: finishing the current step; interrupt again to stop at once\n"));
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
