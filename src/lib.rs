//! cutover
pub mod cutover;
pub mod dns;
pub mod health;
pub mod model;
pub mod table;
