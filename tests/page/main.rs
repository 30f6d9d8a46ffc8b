//! The page that is made of a report: what its markup says.

mod reports;
mod text;
