//! Results of probes, commands and health checks in a container.

use std::time::Duration;

use super::behaviour::{Answer, NO_COMMAND};
use super::daemon::Container;
use moat_model::engine::ExecOutput;
use moat_model::resource::ImageCheck;
use moat_model::state::Health;

impl Container {
    /// The engine's health check: the container's own, otherwise the image's.
    pub fn check(&self) -> Option<Vec<String>> {
        let own = self.config.health.as_ref().map(|health| health.command.clone());
        let of_image = self.program.has_check && self.config.image_check == ImageCheck::Kept;
        own.or_else(|| of_image.then(|| vec!["check".to_owned()]))
    }

    pub fn health(&self, now: Duration) -> Health {
        // A list has no health of a container that is not running.
        if self.check().is_none() || !self.lives() {
            Health::None
        } else if self.sick {
            Health::Unhealthy
        } else if self.is_ready(now) {
            Health::Healthy
        } else {
            Health::Starting
        }
    }

    pub fn answer(&self, command: &[String], now: Duration) -> ExecOutput {
        let give = |exit_code, output: &str| ExecOutput { exit_code, output: output.to_owned() };
        let program = command.first().map_or("", String::as_str);
        if program.is_empty() || self.program.missing.iter().any(|missing| missing == program) {
            let words = format!("exec failed: \"{program}\": executable file not found in $PATH");
            return give(NO_COMMAND, &words);
        }
        if let Some(Answer { code, output }) = self.program.answers.get(&command.join(" ")) {
            return give(*code, output);
        }
        match command {
            [cat, path] if cat == "cat" => match self.files.get(path) {
                Some(file) => give(0, &file.content),
                None => give(1, &format!("cat: {path}: No such file or directory")),
            },
            [stat, _, format, path] if stat == "stat" && format == "%a %u" => match self.files.get(path) {
                Some(file) => give(0, &format!("{:o} 0\n", file.mode)),
                None => give(1, &format!("stat: {path}: No such file or directory")),
            },
            [nslookup, name] if nslookup == "nslookup" => give(1, &format!("can't resolve '{name}'")),
            _ if self.is_ready(now) => give(0, ""),
            _ => give(1, "not ready"),
        }
    }
}
