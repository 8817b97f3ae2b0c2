//! Whoever looks at a run: a person or a script.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::ui::Ending;
use crate::ui::Prefix;
use crate::ui::Problem;
use crate::ui::Screen;
use crate::ui::json::stream::Stream;
use crate::ui::live::progress::Progress;
use crate::ui::render::problem;
use moat_model::resource::Run;
use moat_plan::event::Event;

/// Takes in what a run says, and shows it.
pub struct Reporter<'a> {
    screen: &'a Screen,
    to: To<'a>,
    since: Instant,
    done: Cell<usize>,
    /// The first line that could not be written. Telling must not fail, so it is kept until the end.
    broken: RefCell<Option<io::Error>>,
}

/// What is shown of a time is whole seconds.
const SECOND: Duration = Duration::from_secs(1);

enum To<'a> {
    Person(Rc<Progress<'a>>),
    /// `None`: what is told is about all runs.
    Script(Stream, Option<Run>),
}

impl<'a> Reporter<'a> {
    /// Tells a person, on standard error.
    pub fn person(screen: &'a Screen) -> Self {
        Self::new(screen, To::Person(Rc::new(Progress::new(Prefix::new(screen, None)))))
    }

    /// Tells a person of one of several runs; `label`: what its lines begin with.
    pub fn labelled(screen: &'a Screen, label: String) -> Self {
        Self::new(screen, To::Person(Rc::new(Progress::new(Prefix::new(screen, Some(label))))))
    }

    /// Tells a script of a run, or of all of them, on standard output.
    pub fn script(screen: &'a Screen, run: Option<Run>, clock: Clock) -> Self {
        Self::new(screen, To::Script(Stream { clock }, run))
    }

    fn new(screen: &'a Screen, to: To<'a>) -> Self {
        Self { screen, to, since: Instant::now(), done: Cell::new(0), broken: RefCell::new(None) }
    }

    pub fn tell(&self, event: &Event<'_>) {
        if matches!(event, Event::Succeeded { .. }) {
            self.done.set(self.done.get() + 1);
        }
        match &self.to {
            To::Person(progress) => progress.tell(event),
            To::Script(stream, run) => self.write(&stream.line(run.as_ref(), event)),
        }
    }

    /// What shows, as time goes by, how long things take.
    pub fn pulse(&self) -> Pulse<'a> {
        Pulse(match &self.to {
            To::Person(progress) => Some(Rc::clone(progress)),
            To::Script(..) => None,
        })
    }

    /// Tells how it ended; the last thing to be told.
    ///
    /// # Errors
    /// If what was told could not be written.
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

    /// Tells why there is no end to tell of; the last thing to be told.
    pub fn refuse(self, problems: &[Problem<'_>], exit_code: u8) {
        match &self.to {
            To::Person(progress) => progress.end(&problem::text(problems, progress.colour()), false),
            To::Script(stream, run) => self.write(&stream.refused(run.as_ref(), problems, exit_code)),
        }
    }

    /// Leaves the screen with whole lines only. A watch has no end to tell of.
    ///
    /// # Errors
    /// If what was told could not be written.
    pub fn stop(self) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn write(&self, line: &str) {
        if let Err(error) = self.screen.data(line) {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }
}

/// See [`Reporter::pulse`].
pub struct Pulse<'a>(Option<Rc<Progress<'a>>>);

impl Pulse<'_> {
    /// Does `work`, and meanwhile shows every second how long its parts take by now.
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
            () = beats => unreachable!("it goes on"),
        }
    }
}

/// Live lines must not be left behind when a run breaks off.
impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        if let To::Person(progress) = &self.to {
            progress.finish();
        }
    }
}
