//! Output for people and scripts.
//!
//! Renders values that other modules computed and writes the text; makes no decisions. Data goes to standard output,
//! everything else to standard error. `docs/reference/` specifies the formats that scripts rely on.

pub mod encode;
pub mod graph;
pub mod json;
pub mod live;
pub mod phrases;
pub mod render;
pub mod terminal;

pub use encode::json;
pub use live::reporter::Reporter;
pub use live::waiting::waiting_for_a_program;
pub use render::outcome::Ending;
pub use render::problem::Problem;
pub use terminal::prefix::Prefix;
pub use terminal::screen::{ColourChoice, Screen};
pub use terminal::style::Colour;
