//! What people and scripts see.
//!
//! Makes text of values that others have found, and writes it; decides nothing. Data goes to standard output, all
//! else to standard error. The forms that scripts rely on are in `docs/reference/`.

pub mod graph;
pub mod json;
pub mod live;
pub mod render;
pub mod terminal;

pub use json::stream::json;
pub use live::reporter::Reporter;
pub use live::waiting::waiting_for_a_program;
pub use render::outcome::Ending;
pub use render::problem::Problem;
pub use terminal::prefix::Prefix;
pub use terminal::screen::{ColourChoice, Screen};
pub use terminal::style::Colour;
