//! The terminal itself: its size, colours, questions, tables. Knows nothing of what is shown.

pub mod ask;
pub mod prefix;
pub mod screen;
pub mod style;
pub mod table;
pub(in crate::ui) mod width;
