//! What `specs/` promises about output, held against the code.

mod document;
mod events;
mod exit_codes;
mod plan_text;
mod sample;
