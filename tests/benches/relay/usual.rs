//! A signaling server as it is usually written, for comparison: default buffers, an unbounded
//! channel and a task for each direction of each connection, a flush for each message, JSON taken
//! apart and put together again. It knows no more of the protocol than the load needs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// The members of each lobby, by name and id.
type Lobbies = Arc<Mutex<HashMap<String, HashMap<u64, UnboundedSender<Message>>>>>;

/// Serves for ever on a free port.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let lobbies = Lobbies::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&lobbies)));
        }
    });
    addr
}

async fn serve(stream: TcpStream, lobbies: Lobbies) {
    stream.set_nodelay(true).unwrap();
    let (mut writer, mut reader) = accept_async(stream).await.unwrap().split();
    let (sender, mut receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = receiver.recv().await {
            if writer.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut place = None;
    while let Some(Ok(Message::Text(text))) = reader.next().await {
        let message: Value = serde_json::from_str(&text).unwrap();
        let mut lobbies = lobbies.lock();
        match &place {
            None => place = Some(join(&mut lobbies, &message, &sender)),
            Some((lobby, id)) => relay(&lobbies[lobby], *id, &message),
        }
    }
}

/// Lets a connection into its lobby: its name, and the connection's id there.
fn join(
    lobbies: &mut HashMap<String, HashMap<u64, UnboundedSender<Message>>>,
    message: &Value,
    sender: &UnboundedSender<Message>,
) -> (String, u64) {
    let name = match message["data"].as_str().unwrap() {
        "" => format!("lobby {}", lobbies.len()),
        name => name.to_owned(),
    };
    let members = lobbies.entry(name.clone()).or_default();
    let id = 1 + members.len() as u64;
    tell(sender, 1, id, "true");
    for (other, member) in &*members {
        tell(member, 2, id, "");
        tell(sender, 2, *other, "");
    }
    tell(sender, 0, 0, &name);
    members.insert(id, sender.clone());
    (name, id)
}

fn relay(members: &HashMap<u64, UnboundedSender<Message>>, from: u64, message: &Value) {
    let member = &members[&message["id"].as_u64().unwrap()];
    tell(member, message["type"].as_u64().unwrap(), from, message["data"].as_str().unwrap());
}

fn tell(member: &UnboundedSender<Message>, kind: u64, id: u64, data: &str) {
    // Fields in the order in which everybody writes them.
    let text = format!(r#"{{"type":{kind},"id":{id},"data":{}}}"#, json!(data));
    let _ = member.send(text.into());
}
