//! Output formats: those that `docs/reference/` specifies, and text for people.

mod document;
mod events;
mod exit_codes;
mod failures;
mod history;
mod list;
mod plan_text;
mod sample;
mod screens;
