//! A watch on several Docker contexts: each sandbox where its labels are found.
//!
//! Contexts are independent. One that does not answer is reported, and tried again until it does.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::WatchRequest;
use super::host::{Shared, Startup};
use crate::cli::across::Selected;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt::stoppable;
use crate::cli::load::Load;
use crate::cli::session::{Form, Session};
use crate::observe::runs::{Found, runs};
use moat_docker::{Asked, Docker};
use moat_model::resource::Run;
use moat_plan::event::Event;

/// The pause before a context that does not answer is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the contexts have found so far.
struct Search<'a> {
    args: &'a WatchRequest<'a>,
    selected: Selected,
    shared: Shared<'a>,
    session: &'a Session,
    stop: &'a CancellationToken,
    /// The contexts that have not been tried yet.
    untried: Cell<usize>,
    /// Whether one of them has answered.
    is_one_reached: Cell<bool>,
    /// The contexts that have not answered yet.
    unanswered: Cell<usize>,
    /// The runs of those that have.
    runs: RefCell<Vec<Run>>,
}

pub(super) async fn watch(args: &WatchRequest<'_>, session: &Session, contexts: &[String]) -> Result<Exit, CliError> {
    let selected = Selected::load(session, args.specs, Load::Full)?;
    let mut exits = Vec::new();
    let contexts = distinct(session, contexts, &mut exits);
    let (startup, stop) = (Startup::new(contexts.len()), CancellationToken::new());
    let count = contexts.len();
    let search = Search {
        args,
        selected,
        shared: args.shared(session, &startup),
        session,
        stop: &stop,
        untried: Cell::new(count),
        is_one_reached: Cell::new(false),
        unanswered: Cell::new(count),
        runs: RefCell::default(),
    };
    let work = join_all(contexts.iter().map(async |context| Box::pin(search.on(&session.within(context))).await));
    exits.extend(Box::pin(stoppable(&stop, work)).await);
    Ok(Exit::of_all(&exits))
}

/// The contexts that exist. Of several names of one Docker host, the first counts: a sandbox has one watch.
fn distinct<'a>(session: &Session, contexts: &'a [String], exits: &mut Vec<Exit>) -> Vec<&'a str> {
    let (mut names, mut hosts) = (Vec::new(), Vec::new());
    for context in contexts {
        match Docker::locate(Asked::Context(context)) {
            Err(error) => exits.push(session.alert(Some(context), &error.into())),
            Ok(located) => {
                let host = located.endpoint.to_string();
                if let Some(nth) = hosts.iter().position(|it| *it == host) {
                    if names[nth] != context {
                        session.screen.say(&format!("{context} | same Docker host as `{}`\n", names[nth]));
                    }
                    continue;
                }
                names.push(context.as_str());
                hosts.push(host);
            }
        }
    }
    names
}

impl Search<'_> {
    /// Watches the sandboxes of one context.
    async fn on(&self, session: &Session) -> Exit {
        let Some((engine, found)) = self.reach(session).await else { return Exit::NoEngine };
        self.runs.borrow_mut().extend(found.iter().map(|it| it.run.clone()));
        let agents = self.selected.among(&found);
        let complete = self.answered();
        let done = match agents {
            Ok(agents) if agents.is_empty() => {
                self.shared.startup.done();
                Ok(())
            }
            Ok(agents) => Box::pin(self.args.follow(session, &engine, agents, &self.shared, self.stop)).await,
            Err(error) => Err(error),
        };
        let exit = done.map_or_else(|error| refuse(session, &error), |()| Exit::Done);
        Exit::of_all(&[exit, complete])
    }

    /// Asks a context for its runs until it answers. `None`: the watch ended before.
    async fn reach(&self, session: &Session) -> Option<(Docker, Vec<Found>)> {
        let mut is_lost = false;
        loop {
            let error = match ask(session).await {
                Ok(found) => {
                    self.is_one_reached.set(true);
                    if is_lost {
                        self.shared.startup.add(1);
                        session.reporter_of_all().report(&Event::EngineBack);
                    } else {
                        self.tried();
                    }
                    return Some(found);
                }
                Err(error) => error.to_string(),
            };
            if !std::mem::replace(&mut is_lost, true) {
                session.reporter_of_all().report(&Event::EngineLost { error: &error });
                self.shared.startup.done();
                self.tried();
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = self.stop.cancelled() => return None,
            }
        }
    }

    /// A context was tried for the first time. If none answers, there is nothing to watch, as with a single one.
    fn tried(&self) {
        self.untried.set(self.untried.get() - 1);
        if self.untried.get() == 0 && !self.is_one_reached.get() {
            self.stop.cancel();
        }
    }

    /// A context has answered. Reports what is nowhere once all have.
    fn answered(&self) -> Exit {
        self.unanswered.set(self.unanswered.get() - 1);
        if self.unanswered.get() > 0 {
            return Exit::Done;
        }
        let runs = self.runs.borrow();
        let mut exits: Vec<Exit> =
            self.selected.unknown(&runs).iter().map(|(_, error)| self.session.alert(None, error)).collect();
        for agent in self.selected.absent(&runs) {
            let message = format!("`{}` is on none of these Docker contexts", agent.graph.run.agent);
            let hint = "`moat apply --context NAME` creates it on one".to_owned();
            exits.push(self.session.alert(None, &CliError::Refused { message, hint }));
        }
        Exit::of_all(&exits)
    }
}

async fn ask(session: &Session) -> Result<(Docker, Vec<Found>), CliError> {
    let engine = session.connect().await?;
    let found = runs(&engine).await?;
    Ok((engine, found))
}

/// Reports an error of one context, which does not end the watch of the others.
fn refuse(session: &Session, error: &CliError) -> Exit {
    let exit = error.exit();
    error.shown(|problems| session.reporter_of_all().refuse(problems, exit.code()));
    if session.form == Form::Stream {
        session.alert(session.context.as_deref(), error);
    }
    exit
}
