//! CloudLink 5: a connection for lobbies, and one to the PeerServer.

use signaling_tests::meeting::cloudlink5::CloudLink5;

use super::meet;

#[tokio::test]
async fn two_clients_of_cloudlink_5_meet() {
    meet(CloudLink5::host, |addr, _| CloudLink5::guest(addr)).await;
}
