//! The audience of a run: a person or a script.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::ui::Ending;
use crate::ui::Prefix;
use crate::ui::Problem;
use crate::ui::Screen;
use crate::ui::json::stream::Stream;
use crate::ui::live::progress::Progress;
use crate::ui::render::problem;
use moat_model::resource::Run;
use moat_plan::event::Event;

/// Shows the events of a run.
pub struct Reporter<'a> {
    screen: &'a Screen,
    to: To<'a>,
    since: Instant,
    done: Cell<usize>,
    /// The first write error. Reporting must not fail, so the error is kept until the end.
    broken: RefCell<Option<io::Error>>,
}

/// The resolution of displayed times.
const SECOND: Duration = Duration::from_secs(1);

enum To<'a> {
    Person(Rc<Progress<'a>>),
    /// The run is `None` if events concern all runs.
    Script(Stream, Option<Run>),
}

impl<'a> Reporter<'a> {
    /// Reports to a person on standard error.
    pub fn person(screen: &'a Screen) -> Self {
        Self::new(screen, To::Person(Rc::new(Progress::new(Prefix::new(screen, None)))))
    }

    /// Reports one of several runs to a person; `label` is the prefix of its lines.
    pub fn labelled(screen: &'a Screen, label: String) -> Self {
        Self::new(screen, To::Person(Rc::new(Progress::new(Prefix::new(screen, Some(label))))))
    }

    /// Reports one run, or all runs, to a script on standard output.
    pub fn script(screen: &'a Screen, run: Option<Run>, stream: Stream) -> Self {
        Self::new(screen, To::Script(stream, run))
    }

    fn new(screen: &'a Screen, to: To<'a>) -> Self {
        Self { screen, to, since: Instant::now(), done: Cell::new(0), broken: RefCell::new(None) }
    }

    pub fn report(&self, event: &Event<'_>) {
        if matches!(event, Event::Succeeded { .. }) {
            self.done.set(self.done.get() + 1);
        }
        match &self.to {
            To::Person(progress) => progress.report(event),
            To::Script(stream, run) => self.write(&stream.line(run.as_ref(), event)),
        }
    }

    /// Returns a handle that updates elapsed times.
    pub fn elapsed_timer(&self) -> ElapsedTimer<'a> {
        ElapsedTimer(match &self.to {
            To::Person(progress) => Some(Rc::clone(progress)),
            To::Script(..) => None,
        })
    }

    /// Reports the outcome and ends the report.
    ///
    /// # Errors
    /// The first write error of the report.
    pub fn end(self, ending: &Ending<'_>) -> io::Result<()> {
        match &self.to {
            To::Person(progress) => {
                let did = format!("{} done, {:.1} s", self.done.get(), self.since.elapsed().as_secs_f64());
                progress.end(&ending.text(&did, progress.colour()), ending.is_good());
            }
            To::Script(stream, _) => self.write(&stream.done(ending)),
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Reports why the run did not start, and ends the report.
    pub fn refuse(self, problems: &[Problem<'_>], exit_code: u8) {
        match &self.to {
            To::Person(progress) => progress.end(&problem::text(problems, progress.colour()), false),
            To::Script(stream, run) => self.write(&stream.refused(run.as_ref(), problems, exit_code)),
        }
    }

    /// Ends the report without an outcome, as for a watch.
    ///
    /// # Errors
    /// The first write error of the report.
    pub fn stop(self) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn write(&self, line: &str) {
        if let Err(error) = self.screen.data(line) {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }
}

/// See [`Reporter::elapsed_timer`].
pub struct ElapsedTimer<'a>(Option<Rc<Progress<'a>>>);

impl ElapsedTimer<'_> {
    /// Runs `work` and updates elapsed times every second.
    pub async fn beside<T>(self, work: impl Future<Output = T>) -> T {
        let beats = async {
            loop {
                tokio::time::sleep(SECOND).await;
                if let Some(progress) = &self.0 {
                    progress.beat();
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = beats => unreachable!("the timer never ends"),
        }
    }
}

/// Live lines must not remain after an aborted run.
impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        if let To::Person(progress) = &self.to {
            progress.finish();
        }
    }
}
