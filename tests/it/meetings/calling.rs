//! Namespaces, rooms and invitations: two in a room.

use signaling_tests::meeting::calling::Calling;

use super::meet;

#[tokio::test]
async fn two_calling_clients_meet() {
    meet(Calling::new, |addr, _| Calling::new(addr)).await;
}
