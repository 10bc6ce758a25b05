//! Rooms: a call between two.

use signaling_tests::meeting::rooms::Rooms;

use super::meet;

#[tokio::test]
async fn two_clients_meet_in_a_room() {
    meet(|addr| Rooms::new(addr, "caller"), |addr, _| Rooms::new(addr, "callee")).await;
}
