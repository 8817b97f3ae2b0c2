//! What people and scripts see.
//!
//! Makes text of values that others have found, and writes it; decides nothing. Data goes to standard output, all
//! else to standard error. The forms that scripts rely on are in `docs/reference/`.

pub mod prefix;
pub mod screen;
pub mod style;

// Before anything runs.
pub mod ask;
pub mod deps;
pub mod diagnostic;
pub mod problem;
pub mod validation;
pub mod why;

// While it runs.
pub mod dashboard;
pub mod display;
pub mod live;
pub mod phrases;
pub mod progress;
pub mod reporter;
pub mod stream;
mod waiting;
mod watching;

// When it has run.
pub mod failure;
pub mod outcome;
pub mod summary;

// Documents.
pub mod audit;
pub mod cache;
pub mod doctor;
pub mod documents;
pub mod events;
pub mod exec;
pub mod graph;
pub mod history;
pub mod list;
pub mod logs;
pub mod plan;
pub mod ports;
pub mod status;
mod table;

pub use outcome::Ending;
pub use prefix::Prefix;
pub use problem::Problem;
pub use reporter::Reporter;
pub use screen::{ColourChoice, Screen};
pub use stream::json;
pub use style::Colour;
pub use waiting::waiting_for_a_program;
