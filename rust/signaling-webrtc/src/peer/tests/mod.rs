//! Whole connections against each other, over a simulated network.

mod closing;
mod messages;
mod opening;
mod sim;
