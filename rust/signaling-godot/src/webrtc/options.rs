//! The dictionaries that the engine hands over, typed or not, read into types.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use godot::global::Error;
use godot::prelude::*;
use signaling_webrtc::{
    ChannelInit, IcePolicy, IceServer, PeerConfig, PeerOptions, Ports, Reliability, SocketOptions,
};

use crate::loose;

/// What is shorter would take every second lost packet for an interruption.
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);

/// Why a dictionary cannot be used: always the caller's mistake.
#[derive(Debug)]
pub(super) struct Malformed;

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::ERR_INVALID_PARAMETER
    }
}

/// Reads the configuration of a connection. Keys that are not known are left alone, as in
/// browsers.
pub(super) fn peer_options(config: &VarDictionary) -> Result<PeerOptions, Malformed> {
    let servers: Option<AnyArray> = optional(config, "iceServers")?;
    let mut ice_servers = Vec::new();
    for entry in servers.iter().flat_map(AnyArray::iter_shared) {
        ice_servers.extend(ice_servers_of(&entry)?);
    }
    let sockets = socket_options(config)?;
    Ok(PeerOptions { ice_servers, sockets, config: peer_config(config)? })
}

/// Whether an entry of `iceServers` would be understood.
pub(crate) fn is_ice_server(entry: &Variant) -> bool {
    ice_servers_of(entry).is_ok()
}

/// The URLs of an entry of `iceServers` that need no password.
pub(crate) fn open_urls(entry: &Variant) -> Vec<String> {
    let urls = read(entry).and_then(|server: AnyDictionary| urls(&server)).unwrap_or_default();
    let is_open = |url: &String| IceServer::parse(url).is_ok_and(|it| !it.lacks_credentials());
    urls.into_iter().filter(is_open).collect()
}

/// Whether this is the URL of a TURN server.
pub(crate) fn is_turn_url(url: &str) -> bool {
    IceServer::parse(url).is_ok_and(|server| server.lacks_credentials())
}

/// The servers that one entry of `iceServers` names.
fn ice_servers_of(entry: &Variant) -> Result<Vec<IceServer>, Malformed> {
    let server: AnyDictionary = read(entry)?;
    urls(&server)?.iter().map(|url| ice_server(url, &server)).collect()
}

/// Whether the state shown stays connected while nothing is heard.
pub(super) fn hides_interruptions(config: &VarDictionary) -> Result<bool, Malformed> {
    Ok(optional(config, "hideInterruptions")?.unwrap_or(true))
}

/// As in browsers, a TURN server without a username or credential is a mistake.
fn ice_server(url: &str, options: &AnyDictionary) -> Result<IceServer, Malformed> {
    let username: Option<GString> = optional(options, "username")?;
    let credential: Option<GString> = optional(options, "credential")?;
    let mut server = IceServer::parse(url).map_err(|_| Malformed)?;
    if let (Some(username), Some(credential)) = (username, credential) {
        let (username, credential) = (username.to_string(), credential.to_string());
        server = server.with_credentials(&username, &credential).map_err(|_| Malformed)?;
    }
    let authorities: Option<GString> = optional(options, "caCertificate")?;
    if let Some(authorities) = authorities {
        server = server.with_authorities(&authorities.to_string()).map_err(|_| Malformed)?;
    }
    if server.lacks_credentials() { Err(Malformed) } else { Ok(server) }
}

fn ice_policy(config: &AnyDictionary) -> Result<IcePolicy, Malformed> {
    let policy: Option<GString> = optional(config, "iceTransportPolicy")?;
    match policy.map(|policy| policy.to_string()).as_deref() {
        None | Some("all") => Ok(IcePolicy::All),
        Some("relay") => Ok(IcePolicy::Relay),
        Some(_) => Err(Malformed),
    }
}

/// One URL or an array of them.
fn urls(server: &AnyDictionary) -> Result<Vec<String>, Malformed> {
    texts(server, "urls")?.ok_or(Malformed)
}

fn socket_options(config: &AnyDictionary) -> Result<SocketOptions, Malformed> {
    let options = SocketOptions {
        bind_addresses: addresses(config, "bindAddress")?,
        ports: ports(config)?,
        public_addresses: addresses(config, "publicAddress")?,
        hide_addresses: optional(config, "hideLocalAddresses")?.unwrap_or(false),
    };
    options.check().map_err(|_| Malformed)?;
    Ok(options)
}

fn ports(config: &AnyDictionary) -> Result<Ports, Malformed> {
    let shared = optional(config, "udpMux")?;
    match (shared, optional(config, "portRangeBegin")?, optional(config, "portRangeEnd")?) {
        (None, None, None) => Ok(Ports::Any),
        (None, first, last) => Ok(Ports::Range(first.unwrap_or(1024), last.unwrap_or(u16::MAX))),
        (Some(port), None, None) => Ok(Ports::Shared(port)),
        (Some(_), _, _) => Err(Malformed),
    }
}

fn addresses(config: &AnyDictionary, key: &str) -> Result<Vec<IpAddr>, Malformed> {
    let texts = texts(config, key)?.unwrap_or_default();
    texts.iter().map(|text| text.parse().map_err(|_| Malformed)).collect()
}

/// What IP, UDP and DTLS add to an SCTP packet, at most.
const PACKET_OVERHEAD: u16 = 89;
/// From what the handshake needs to jumbo frames.
const MTUS: RangeInclusive<u16> = 1200..=9000;

fn peer_config(config: &AnyDictionary) -> Result<PeerConfig, Malformed> {
    let (disconnected_after, failed_after) = timeouts(config)?;
    let mut peer = PeerConfig {
        ice_policy: ice_policy(config)?,
        disconnected_after,
        failed_after,
        ..PeerConfig::default()
    };
    if let Some(mtu) = optional::<u16>(config, "mtu")? {
        if !MTUS.contains(&mtu) {
            return Err(Malformed);
        }
        peer.mtu = usize::from(mtu - PACKET_OVERHEAD);
    }
    Ok(peer)
}

/// How long a silence is an interruption, and how long it is the end.
fn timeouts(config: &AnyDictionary) -> Result<(Duration, Duration), Malformed> {
    let default = PeerConfig::default();
    let read = |key: &str, default: Duration| -> Result<Duration, Malformed> {
        let given: Option<u32> = optional(config, key)?;
        Ok(given.map_or(default, |count| Duration::from_millis(count.into())))
    };
    let disconnected = read("disconnectedTimeout", default.disconnected_after)?;
    let failed = read("failedTimeout", default.failed_after)?;
    let is_usable = disconnected >= LEAST_TIMEOUT && failed >= disconnected;
    if is_usable { Ok((disconnected, failed)) } else { Err(Malformed) }
}

/// One text or an array of them.
fn texts(options: &AnyDictionary, key: &str) -> Result<Option<Vec<String>>, Malformed> {
    let Some(texts) = optional::<Variant>(options, key)? else { return Ok(None) };
    let texts = match texts.get_type() {
        VariantType::STRING | VariantType::STRING_NAME => {
            vec![read::<GString>(&texts)?.to_string()]
        }
        VariantType::PACKED_STRING_ARRAY => {
            let texts: PackedStringArray = read(&texts)?;
            texts.as_slice().iter().map(GString::to_string).collect()
        }
        _ => {
            let texts: AnyArray = read(&texts)?;
            let texts = texts.iter_shared().map(|text| Ok(read::<GString>(&text)?.to_string()));
            texts.collect::<Result<_, _>>()?
        }
    };
    Ok(Some(texts))
}

/// Reads the options of a channel.
pub(super) fn channel_init(
    label: &GString,
    options: &VarDictionary,
) -> Result<ChannelInit, Malformed> {
    let protocol: Option<GString> = optional(options, "protocol")?;
    let id: Option<u16> = optional(options, "id")?;
    let is_negotiated = optional(options, "negotiated")?.unwrap_or(false);
    Ok(ChannelInit {
        label: label.to_string(),
        protocol: protocol.unwrap_or_default().to_string(),
        ordered: optional(options, "ordered")?.unwrap_or(true),
        reliability: reliability(options)?,
        negotiated: if is_negotiated { Some(id.ok_or(Malformed)?) } else { None },
    })
}

fn reliability(options: &VarDictionary) -> Result<Reliability, Malformed> {
    let retransmits = optional(options, "maxRetransmits")?;
    let life_time: Option<u16> = optional(options, "maxPacketLifeTime")?;
    match (retransmits, life_time) {
        (None, None) => Ok(misspelt_life_time(optional(options, "maxPacketLifetime")?)),
        (Some(count), None) => Ok(Reliability::MaxRetransmits(count)),
        (None, Some(time)) => Ok(Reliability::MaxPacketLifeTime(milliseconds(time))),
        (Some(_), Some(_)) => Err(Malformed),
    }
}

/// `WebRTCMultiplayerPeer` misspells `maxPacketLifeTime`, with the value 1 unless the game sets
/// another. One millisecond taken literally would throw messages away that wait for a moment
/// before they leave, so it means: no retransmission, but always one attempt.
fn misspelt_life_time(life_time: Option<u16>) -> Reliability {
    match life_time {
        None => Reliability::Reliable,
        Some(0 | 1) => Reliability::MaxRetransmits(0),
        Some(time) => Reliability::MaxPacketLifeTime(milliseconds(time)),
    }
}

fn milliseconds(count: u16) -> Duration {
    Duration::from_millis(count.into())
}

/// The value of a key, unless it is absent or null.
fn optional<T: FromGodot>(options: &AnyDictionary, key: &str) -> Result<Option<T>, Malformed> {
    match options.get(&key.to_variant()) {
        Some(value) if !value.is_nil() => read(&value).map(Some),
        _ => Ok(None),
    }
}

fn read<T: FromGodot>(value: &Variant) -> Result<T, Malformed> {
    loose::read(value).map_err(|_| Malformed)
}
