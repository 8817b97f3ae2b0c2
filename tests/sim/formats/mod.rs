//! What moat writes: the forms that `docs/reference/` promises, and what people see.

mod document;
mod events;
mod exit_codes;
mod failures;
mod history;
mod list;
mod plan_text;
mod sample;
mod screens;
