//! The real engine, over bollard.
