//! Whole connections against each other, over a simulated network.

mod candidates;
mod closing;
mod garbage;
mod messages;
mod networks;
mod opening;
mod relays;
mod restarting;
mod sim;
mod statistics;
mod trouble;
mod turn_world;
