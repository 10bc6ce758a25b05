//! What the embedding program is told.

use signaling_net::{Notices, ServerConfig};

use super::hall::{Hall, Notice};
use super::support::{Socket, notices, serve, wait_for_count};

#[tokio::test]
async fn one_who_missed_notices_reads_the_state_and_follows_from_there() {
    let server = serve(Hall::new(), ServerConfig { max_notices: 2, ..ServerConfig::default() });
    let mut sockets = Vec::new();
    for count in 1..=3 {
        sockets.push(Socket::connect(server.local_addr()).await);
        wait_for_count(&server, count).await;
    }
    assert_eq!(server.take_notices(), Notices { events: vec![], lost: true });
    assert_eq!(server.resync(Hall::present), 3);

    sockets.pop();
    assert_eq!(notices(&server, 1).await, [Notice::Left]);
}
