//! Events for other systems: what is published, once, and in spite of faults.

mod faults;
mod once;
mod restart;
