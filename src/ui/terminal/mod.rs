//! The terminal: size, colours, prompts and tables, independent of the content.

pub mod ask;
pub mod prefix;
pub mod screen;
pub mod style;
pub mod table;
pub(in crate::ui) mod width;
