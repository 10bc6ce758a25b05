//! Players in lobbies who talk to one another as fast as the server relays.

use std::net::SocketAddr;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::traffic::{self, CYCLE};

const LOBBIES: usize = 50;
const PEERS_PER_LOBBY: usize = 4;
const MESSAGES_PER_PEER: usize = 100;
/// Messages of one peer that have not arrived yet, at most.
const UNDER_WAY: usize = 4;

/// What one [`Load::run`] relays.
pub(crate) const MESSAGES_PER_ROUND: u64 = (LOBBIES * PEERS_PER_LOBBY * MESSAGES_PER_PEER) as u64;

/// All players, on one thread.
pub(crate) struct Load {
    runtime: Runtime,
    peers: Vec<Peer>,
}

impl Load {
    /// Fills the lobbies.
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let peers = runtime.block_on(async {
            let mut peers = Vec::new();
            for _ in 0..LOBBIES {
                peers.extend(fill_lobby(addr).await);
            }
            peers
        });
        Self { runtime, peers }
    }

    /// Everybody sends its messages and receives as many.
    pub(crate) fn run(&mut self) {
        self.runtime.block_on(join_all(self.peers.iter_mut().map(Peer::play)));
    }
}

/// Sends to the next peer of its lobby, and receives from the one before.
struct Peer {
    socket: WebSocketStream<TcpStream>,
    to_send: Vec<Utf8Bytes>,
    to_receive: Vec<String>,
}

impl Peer {
    async fn play(&mut self) {
        let (mut sent, mut received) = (0, 0);
        while received < MESSAGES_PER_PEER {
            while sent < MESSAGES_PER_PEER.min(received + UNDER_WAY) {
                let text = self.to_send[sent % CYCLE.len()].clone();
                self.socket.feed(Message::Text(text)).await.unwrap();
                sent += 1;
            }
            self.socket.flush().await.unwrap();
            assert_eq!(hear(&mut self.socket).await, self.to_receive[received % CYCLE.len()]);
            received += 1;
        }
    }
}

async fn fill_lobby(addr: SocketAddr) -> Vec<Peer> {
    let mut sockets: Vec<WebSocketStream<TcpStream>> = Vec::new();
    let mut ids = Vec::new();
    let mut lobby = Utf8Bytes::default();
    for _ in 0..PEERS_PER_LOBBY {
        let mut socket = connect(addr).await;
        socket.send(traffic::join(&lobby).into()).await.unwrap();
        ids.push(traffic::id(&hear(&mut socket).await));
        let mut joined = hear(&mut socket).await;
        while traffic::kind(&joined) != 0 {
            joined = hear(&mut socket).await;
        }
        lobby = traffic::data(&joined).into();
        for member in &mut sockets {
            hear(member).await;
        }
        sockets.push(socket);
    }
    let messages = |id: u32| CYCLE.map(|kind| traffic::message(kind, id));
    let peer = |(place, socket)| {
        let next = ids[(place + 1) % PEERS_PER_LOBBY];
        let previous = ids[(place + PEERS_PER_LOBBY - 1) % PEERS_PER_LOBBY];
        let to_send = messages(next).map(Utf8Bytes::from).into();
        Peer { socket, to_send, to_receive: messages(previous).into() }
    };
    sockets.into_iter().enumerate().map(peer).collect()
}

async fn connect(addr: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default().read_buffer_size(4 << 10);
    client_async_with_config(format!("ws://{addr}/"), stream, Some(config)).await.unwrap().0
}

async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Utf8Bytes {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return text,
            Message::Ping(_) => {}
            other => panic!("{other:?} is not a text"),
        }
    }
}
