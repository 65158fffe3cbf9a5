//! Recording: whatever the order of deliveries, and after a crash.

mod any_order;
mod any_order_over_http;
mod debug_output;
mod recovery;
