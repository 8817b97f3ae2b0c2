//! The calls to the engine, one file for each kind of object: requests, and the parsing of answers.

pub(crate) mod archive;
pub(crate) mod base_images;
pub(crate) mod build;
pub(crate) mod build_output;
mod build_query;
pub(crate) mod classic;
pub(crate) mod commands;
pub(crate) mod console;
pub(crate) mod container_body;
pub(crate) mod containers;
pub(crate) mod copy;
pub(crate) mod credentials;
mod elf;
pub(crate) mod events;
pub(crate) mod images;
pub(crate) mod info;
pub(crate) mod lines;
pub(crate) mod lists;
pub(crate) mod logs;
pub(crate) mod networks;
pub(crate) mod program;
mod program_files;
mod proxies;
pub(crate) mod pull;
pub(crate) mod pull_fault;
pub(crate) mod status;
pub(crate) mod volumes;
