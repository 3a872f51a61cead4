//! cutover
pub mod admin;
pub mod cli;
pub mod config;
pub mod cutover;
pub mod daemon;
pub mod dns;
pub mod health;
pub mod model;
pub mod probe;
pub mod table;
