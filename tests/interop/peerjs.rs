//! PeerJS, the client library of PeerServers that clients of CloudLink 5 use: with our server, and
//! on it with our client.

mod caller;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use signaling_protocols::cloudlink5::channels::Packet;
use signaling_protocols::cloudlink5::channels::link::DEFAULT;
use signaling_protocols::cloudlink5::client::Ask;
use signaling_protocols::cloudlink5::wire::{CreateLobby, JoinLobby};

use crate::counterpart::Counterpart;
use crate::server::{Server, hears, until};
use caller::Caller;

/// The lobby where we meet.
const LOBBY: &str = "den";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn(&Server) -> Result<()>| {
        let run = move || {
            let server = Server::start("cloudlink5,peerserver")?;
            run(&server).map_err(|error| format!("{error:#}").into())
        };
        Trial::test(format!("peerjs::{name}"), run)
    };
    vec![
        trial("two_of_them", |server| until_done(&mut peerjs(server, &["two"])?)),
        trial("who_is_refused", |server| until_done(&mut peerjs(server, &["refused"])?)),
        trial("they_join_our_lobby", they_join_our_lobby),
        trial("we_join_theirs_in_binary", |server| we_join_theirs(server, "binary", 100_000)),
        // They send no larger messages in JSON.
        trial("we_join_theirs_in_json", |server| we_join_theirs(server, "json", 16_000)),
        trial("we_join_theirs_in_text", |server| we_join_theirs(server, "raw", 100_000)),
    ]
}

fn they_join_our_lobby(server: &Server) -> Result<()> {
    let lobby = CreateLobby { name: LOBBY.to_owned(), max_players: 1, ..CreateLobby::default() };
    let mut we = Caller::start(server, Ask::Create(lobby))?;
    converse(&mut we, &mut peerjs(server, &["meet", "guest"])?, 100_000)
}

fn we_join_theirs(server: &Server, serialization: &str, bytes: usize) -> Result<()> {
    let mut they = peerjs(server, &["meet", "host", serialization])?;
    until(&mut they, |they| hears(they, "ready"))?;
    let lobby = JoinLobby { name: LOBBY.to_owned(), ..JoinLobby::default() };
    let mut we = Caller::start(server, Ask::Join(lobby))?;
    converse(&mut we, &mut they, bytes)?;
    // In text there is no way to say so on the channel.
    ensure!(we.is_told_of_the_end == (serialization != "raw"), "the end of the connection");
    Ok(())
}

/// What we say on every channel comes back, also a message of so many bytes; they open a channel
/// for each of ours; at the end they close the connection, and hear that we leave the lobby.
fn converse(we: &mut Caller<'_>, they: &mut Counterpart, bytes: usize) -> Result<()> {
    we.until(they, |we| Ok(we.is_open(DEFAULT)))?;
    let large = format!(r#""{}""#, "x".repeat(bytes));
    for payload in [r#""grüße""#, &large] {
        we.exchange(they, DEFAULT, payload)?;
    }
    we.open("chat")?;
    // They open theirs once they have ours; before, they would not hear what we say on it.
    we.until(they, |we| Ok(we.is_open("chat back")))?;
    for label in ["chat", "chat back"] {
        we.exchange(they, label, r#"{"a":[1,"ü"]}"#)?;
    }
    we.say(DEFAULT, &Packet::Hangup)?;
    we.until(they, |we| Ok(we.is_told_of_the_end || we.is_closed(DEFAULT)))?;
    we.leave()?;
    we.until(they, |we| Ok(we.they_are_done))
}

/// A process with PeerJS in it that does this.
fn peerjs(server: &Server, scenario: &[&str]) -> Result<Counterpart> {
    server.counterpart("peerjs.js", &[&[&*server.url("")], scenario].concat())
}

fn until_done(they: &mut Counterpart) -> Result<()> {
    until(they, |they| hears(they, "done"))
}
