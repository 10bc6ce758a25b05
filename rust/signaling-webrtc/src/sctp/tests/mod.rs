//! Whole associations, with each other and with one that was not written here.

mod delivery;
mod garbage;
mod net;
mod timing;
