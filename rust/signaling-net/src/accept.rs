//! The way in: accepting sockets, a few at a time.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use crate::config::PortConfig;
use crate::handshake::{self, Admitted};
use crate::port::{Router, Visitor};

/// A listening socket that anybody can close at any time.
#[derive(Debug)]
pub(crate) struct Door(Mutex<Option<TcpListener>>);

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self(Mutex::new(Some(listener)))
    }

    /// Frees the port at once.
    pub(crate) fn close(&self) {
        self.0.lock().take();
    }

    /// Waits for the next socket; for ever once the door is closed. May be dropped midway.
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| match &*self.0.lock() {
            Some(listener) => listener.poll_accept(cx),
            None => Poll::Pending,
        })
        .await
    }
}

/// Lets sockets in until `stop` says so.
pub(crate) async fn run(
    door: Arc<Door>,
    router: Arc<dyn Router>,
    config: PortConfig,
    mut stop: watch::Receiver<bool>,
) {
    let porter = Porter {
        places: places(config.max_connections),
        handshakes: places(config.max_handshakes),
        config,
        router,
        stop: stop.clone(),
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = porter.admit(&door) => {}
    }
}

struct Porter {
    router: Arc<dyn Router>,
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    config: PortConfig,
    stop: watch::Receiver<bool>,
}

/// How long to wait after accepting has failed: most failures, such as too many open files, need
/// time to pass. Doubled for each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Porter {
    async fn admit(&self, door: &Door) {
        let mut pause = FIRST_PAUSE;
        loop {
            let place = acquire(&self.places).await;
            let handshake = acquire(&self.handshakes).await;
            match door.accept().await {
                Ok((stream, from)) => {
                    pause = FIRST_PAUSE;
                    tracing::debug!(%from, "accepted");
                    self.welcome(stream, from, place, handshake);
                }
                Err(error) => {
                    tracing::warn!(%error, ?pause, "cannot accept a connection");
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(2 * pause);
                }
            }
        }
    }

    fn welcome(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        place: OwnedSemaphorePermit,
        handshake: OwnedSemaphorePermit,
    ) {
        let (router, config) = (Arc::clone(&self.router), self.config.clone());
        let mut stop = self.stop.clone();
        tokio::spawn(async move {
            let admitted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => None,
                admitted = handshake::run(&mut stream, &*router, from, &config) => admitted,
            };
            // The port may be closed while those who came through it stay.
            drop((handshake, stop));
            if let Some(Admitted { entrance, target, from }) = admitted {
                entrance.seat(Visitor { stream, target, from }).await;
            }
            drop(place);
        });
    }
}

fn places(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

async fn acquire(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places).acquire_owned().await.expect("nobody closes these semaphores")
}
