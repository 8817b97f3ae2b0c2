//! Sessions that are held in a sandbox: starting one, attaching to it, and how it ended.
//!
//! What the helper in the sandbox says is the sandbox's word: names are checked, and texts are shown without control
//! characters.

use moat_docker::{AttachError, AttachRequest, DetachKeys, Docker, Held};
use moat_model::resource::ContainerId;
use moat_model::resource::digest::short_sha256;
use moat_session::{Session as HeldSession, State, is_name, layout};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::error::CliError;
use crate::cli::exec_call::{EXEC_RUN, ended_by};
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::ui::render::sessions;
use moat_model::resource::Run;

/// The keys that detach, as docker's.
pub const DETACH_KEYS: &str = "ctrl-p,ctrl-q";

const HINT: &str = "`moat run -- COMMAND` runs it without a session";

/// Who can always replace the program in the container.
const ROOT_USER: &str = "0";

/// The sessions of a user in a main container.
pub struct HeldSessions<'a> {
    pub engine: &'a Docker,
    pub run: &'a Run,
    pub container: &'a ContainerId,
    pub user: Option<String>,
}

/// A session to start.
pub struct NewSession<'a> {
    /// The name, or its beginning if it is taken.
    pub name: &'a str,
    pub keys: &'a DetachKeys,
    pub request: &'a AttachRequest,
    pub audit_data: Value,
}

impl HeldSessions<'_> {
    /// Runs a command in a new session with this terminal. `None`: sessions are not possible in this sandbox, and a
    /// warning has said why.
    ///
    /// # Errors
    /// If the engine does not answer, the audit log cannot be written, or the session is lost.
    pub async fn run(
        &self,
        new: NewSession<'_>,
        stop: &CancellationToken,
        session: &Session,
    ) -> Result<Option<Exit>, CliError> {
        let running = match self.prepare().await {
            Ok(all) => all.into_iter().filter(|it| it.state == State::Running),
            Err(error) if error.exit() == Exit::NoEngine => return Err(error),
            Err(error) => {
                session.warning(&format!("without a session, since {error}"), "the command ends with this terminal");
                return Ok(None);
            }
        };
        for other in running {
            session.screen.say(&format!("session `{0}` is running too: `moat attach -s {0}`\n", other.facts.name));
        }
        let began = Instant::now();
        let work = async {
            let name = self.start(new.name, new.request).await?;
            tokio::select! {
                biased;
                () = stop.cancelled() => Ok((name, Held::Left(None))),
                held = self.attach(&name, new.keys, true, session) => Ok((name.clone(), held?)),
            }
        };
        let record = Record::open("run", self.engine)?;
        let (name, held) = record.session(self.run, EXEC_RUN, new.audit_data, work, |it| code_of(&it.1)).await?;
        let exit = self.after(&name, held, began, session).await?;
        Ok(Some(if stop.is_cancelled() { Exit::Interrupted } else { exit }))
    }

    /// All sessions; `None` if there is no helper that answers, and so no session.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn list(&self) -> Result<Option<Vec<HeldSession>>, CliError> {
        let said = self.engine.capture(self.container, &self.request(layout::command(&["list"]))).await?;
        let parsed = serde_json::from_str::<Vec<HeldSession>>(&said.stdout).ok().filter(|_| said.exit_code == 0);
        Ok(parsed.map(|all| all.into_iter().filter(|it| is_name(&it.facts.name)).collect()))
    }

    /// Copies the helper into the container, unless one answers.
    ///
    /// # Errors
    /// If it cannot be copied, or does not run there.
    pub async fn prepare(&self) -> Result<Vec<HeldSession>, CliError> {
        if let Some(all) = self.list().await? {
            return Ok(all);
        }
        let unique = short_sha256(format!("{} {:?}", std::process::id(), std::time::SystemTime::now()), 12);
        let folder = format!("{}/new-{unique}", layout::ROOT);
        self.engine.upload_helper(self.container, &folder).await?;
        let request = AttachRequest {
            user: Some(ROOT_USER.to_owned()),
            ..self.request(layout::command_in(&folder, &["install", &folder]))
        };
        let installed = self.engine.capture(self.container, &request).await?;
        if let Some(all) = self.list().await? {
            return Ok(all);
        }
        let message = format!("moat's helper does not run in the sandbox: {}", first_line(&installed.stderr));
        Err(CliError::Refused { message, hint: HINT.to_owned() })
    }

    /// Starts a session, and returns its name. Its command starts with the first client.
    ///
    /// # Errors
    /// If the helper refuses it, with its reason.
    pub async fn start(&self, name: &str, request: &AttachRequest) -> Result<String, CliError> {
        let command = [layout::command(&["serve", "--name", name, "--"]), request.command.clone()].concat();
        let request = AttachRequest { command, detach_keys: None, ..request.clone() };
        let said = match self.engine.first_line(self.container, &request).await? {
            Ok(name) if is_name(&name) => return Ok(name),
            Ok(said) | Err(said) => said,
        };
        let message = format!("the session could not be started: {}", first_line(&said));
        Err(CliError::Refused { message, hint: HINT.to_owned() })
    }

    /// Attaches this terminal until the session ends or the user detaches.
    ///
    /// # Errors
    /// If the connection is lost. The session may continue.
    pub async fn attach(
        &self,
        name: &str,
        keys: &DetachKeys,
        with_input: bool,
        session: &Session,
    ) -> Result<Held, CliError> {
        let bridge = AttachRequest { stdin: true, ..self.request(layout::command(&["attach", name])) };
        let attached = Box::pin(self.engine.attach_held(self.container, &bridge, keys, with_input)).await;
        if let Err(AttachError::Lost(_) | AttachError::Engine(_)) = &attached {
            let message = format!("the connection to session `{name}` was lost");
            session.warning(&message, "the session continues if its container does: `moat attach` connects again");
        }
        Ok(attached?)
    }

    /// Says how an attachment ended, and returns the exit code.
    ///
    /// # Errors
    /// If the session was lost.
    pub async fn after(&self, name: &str, held: Held, began: Instant, session: &Session) -> Result<Exit, CliError> {
        match held {
            // An exit code of a process always fits.
            Held::Ended(code) => Ok(u8::try_from(code).map_or(Exit::Failed, Exit::Of)),
            Held::Left(code) => {
                session
                    .screen
                    .say(&format!("\ndetached; session `{name}` keeps running: `moat attach` connects again\n"));
                Ok(code.map_or(Exit::Done, |code| u8::try_from(code).map_or(Exit::Failed, Exit::Of)))
            }
            Held::Lost(said) => {
                if let Some(why) = ended_by(self.engine, self.run, self.container, began).await {
                    return Err(lost(name, &why));
                }
                let all = self.list().await?.unwrap_or_default();
                match all.iter().find(|it| it.facts.name == name) {
                    Some(it) if it.state == State::Ended => self.report(it, session).await,
                    Some(it) if it.state == State::Running => {
                        Err(lost(name, "the connection ended; the session is still running"))
                    }
                    Some(_) => Err(lost(name, "its process was killed")),
                    None => Err(lost(name, &first_line(&said))),
                }
            }
        }
    }

    /// Says how a session without a client ended, and returns its exit code.
    ///
    /// # Errors
    /// If it has no exit code.
    pub async fn report(&self, it: &HeldSession, session: &Session) -> Result<Exit, CliError> {
        let name = &it.facts.name;
        // Only for the next attach without a name.
        let _ = self.engine.capture(self.container, &self.request(layout::command(&["seen", name]))).await;
        match it.facts.ended {
            Some(ended) => {
                session.screen.say(&format!("{}\n", sessions::ended(it)));
                Ok(u8::try_from(ended.code).map_or(Exit::Failed, Exit::Of))
            }
            None => Err(lost(name, "its process was killed, or its container restarted")),
        }
    }

    fn request(&self, command: Vec<String>) -> AttachRequest {
        AttachRequest { command, user: self.user.clone(), ..AttachRequest::default() }
    }
}

/// The exit code of a session for the audit log.
pub fn code_of(held: &Held) -> Option<i64> {
    if let Held::Ended(code) = held { Some(*code) } else { None }
}

/// The first line of what the helper said.
fn first_line(text: &str) -> String {
    sessions::plain(text.lines().next().unwrap_or("it does not answer").trim_start_matches("error: "))
}

fn lost(name: &str, why: &str) -> CliError {
    CliError::Refused {
        message: format!("session `{name}` was lost: {why}"),
        hint: "`moat sessions` lists the sessions; `moat history` shows what changed the sandbox".to_owned(),
    }
}
