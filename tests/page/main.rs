//! The page that is made of a report, and the one of a drill: what its markup says, and what a real browser makes of it, on
//! a wide screen and on a phone, in light and in dark, on paper, and for a screen reader.

mod browser;
mod chromium;
mod drills;
mod reports;
mod text;
