//! Connections through memory.

use std::sync::Arc;

use tokio::io::DuplexStream;

/// A server in the same process, as its clients see it; from
/// [`ServerHandle::local`](crate::ServerHandle::local). It does not keep the server running. A
/// connection carries the same WebSocket frames as a socket would, so that the same rules hold on
/// it.
#[derive(Clone)]
pub struct LocalServer(Arc<dyn Fn() -> Option<DuplexStream> + Send + Sync>);

/// What may be under way each way between the two ends, in bytes. The writer waits when it is
/// full, as with the kernel's buffers of a socket.
const BUFFER_BYTES: usize = 16 << 10;

impl LocalServer {
    /// A server that is connected to with `open`.
    pub(crate) fn new(open: impl Fn() -> Option<DuplexStream> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    /// Opens a connection; `None` when the server has stopped.
    pub(crate) fn open(&self) -> Option<DuplexStream> {
        (self.0)()
    }
}

/// The two ends of a connection: the client's and the server's.
pub(crate) fn pair() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(BUFFER_BYTES)
}
