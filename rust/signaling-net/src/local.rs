//! A connection through memory.

use tokio::io::DuplexStream;

/// The client's end of a connection to a server in the same process, made by
/// [`ServerHandle::connect_local`](crate::ServerHandle::connect_local). It carries the same
/// WebSocket frames as a socket would, so that the same rules hold on it.
#[derive(Debug)]
pub struct LocalStream(pub(crate) DuplexStream);

/// What may be under way each way between the two ends, in bytes. The writer waits when it is
/// full, as with the kernel's buffers of a socket.
const BUFFER_BYTES: usize = 16 << 10;

/// The two ends: the client's and the server's.
pub(crate) fn pair() -> (LocalStream, DuplexStream) {
    let (client, server) = tokio::io::duplex(BUFFER_BYTES);
    (LocalStream(client), server)
}
