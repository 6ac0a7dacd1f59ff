//! Connections: how many there are, how fast they must be, TLS.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

use super::certificate::Identity;
use super::peer::PeerTables;
use super::uploads::Uploads;
use super::{CONNECTIONS_MAX, Content, Limits, PER_ADDRESS_MAX, Rules, Shared, handler};
use crate::base::{Result, ResultExt, trace};

/// How much of a request is read before it must be a whole header, in bytes. What one read brings may be beyond it.
const HEADER_MAX: usize = 64 << 10;
/// Most fields of a header.
const FIELDS_MAX: usize = 100;
/// For the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a connection could not be accepted: this process may have no free descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where clients come in.
pub struct Listening {
    /// The listening socket.
    pub listener: std::net::TcpListener,
    /// The certificate to show; plain HTTP without one.
    pub identity: Option<Identity>,
    /// What tells whose program a client is, for [`Rules::own_programs_only`].
    pub peers: Option<PeerTables>,
}

/// Answers clients. Returns only when it cannot go on.
pub fn serve(listening: Listening, content: Arc<dyn Content>, rules: Rules) -> Result<()> {
    let tls = listening.identity.as_ref().map(Identity::acceptor).transpose()?;
    let uploads = Uploads::new(&rules.spool, rules.limits.uploads, rules.limits.upload_idle);
    let limits = rules.limits;
    let shared = Arc::new(Shared { content, rules, uploads });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Each connection has one thread at most that works for it.
        .max_blocking_threads(CONNECTIONS_MAX)
        .build()
        .context(|| "cannot start the server")?;
    listening.listener.set_nonblocking(true).context(|| "cannot set up the listening socket")?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listening.listener).context(|| "cannot set up the listening socket")?;
        let door = Arc::new(Door { peers: listening.peers, tls, shared, limits, inside: Mutex::default() });
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return Ok(()) };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let door = door.clone();
                    tokio::spawn(async move {
                        if let Some(_entry) = Entry::of(&door, peer.ip()) {
                            door.connection(stream, peer).await;
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    trace::step(|| format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

/// What is decided for each connection.
struct Door {
    peers: Option<PeerTables>,
    tls: Option<tokio_rustls::TlsAcceptor>,
    shared: Arc<Shared>,
    limits: Limits,
    /// Connections of other machines, by address.
    inside: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts for its address.
struct Entry<'a>(&'a Door, IpAddr);

impl<'a> Entry<'a> {
    fn of(door: &'a Door, address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let mut inside = door.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.entry(address).or_default();
        if *count >= PER_ADDRESS_MAX && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Self(door, address))
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut inside = self.0.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.1);
            }
        }
    }
}

impl Door {
    async fn connection(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let known = match (self.shared.rules.own_programs_only, stream.local_addr()) {
            (false, _) => true,
            (true, Ok(local)) => self.is_own(peer, local).await,
            (true, Err(_)) => false,
        };
        let ended = match &self.tls {
            None => self.http(stream, known).await,
            Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream, known).await,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the handshake took too long".to_owned()),
            },
        };
        if let Err(error) = ended {
            trace::step(|| format!("the connection of {peer} ended: {error}"));
        }
    }

    async fn is_own(self: &Arc<Self>, peer: SocketAddr, local: SocketAddr) -> bool {
        let door = self.clone();
        let look = move || door.peers.as_ref().is_some_and(|peers| peers.is_own(peer, local));
        tokio::task::spawn_blocking(look).await.unwrap_or(false)
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        known: bool,
    ) -> Result<(), String> {
        let answer = service_fn(|request| {
            let shared = self.shared.clone();
            async move { Ok::<_, Infallible>(handler::answer(shared, request, known).await) }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(HEADER_MAX)
            .max_headers(FIELDS_MAX)
            .serve_connection(TokioIo::new(Paced::new(stream, &self.limits)), answer)
            .await
            .map_err(|error| error.to_string())
    }
}

/// A stream whose other end must take what it gets: at least [`Limits::least`] bytes in each window in which something waits.
struct Paced<S> {
    stream: S,
    window: Duration,
    least: u64,
    /// The end of the window, and the bytes that were taken in it, while something waits.
    waiting: Option<(Pin<Box<Sleep>>, u64)>,
}

impl<S> Paced<S> {
    fn new(stream: S, limits: &Limits) -> Self {
        Self { stream, window: limits.window, least: limits.least, waiting: None }
    }

    /// Something waits to be written. An error when too little was taken for too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let window = self.window;
        let (end, taken) = self.waiting.get_or_insert_with(|| (Box::pin(tokio::time::sleep(window)), 0));
        while end.as_mut().poll(context).is_ready() {
            if *taken < self.least {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "it takes its answer too slowly"));
            }
            *taken = 0;
            end.as_mut().reset(Instant::now() + window);
        }
        Poll::Pending
    }

    fn written(&mut self, context: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match done {
            Poll::Pending => self.wait(context).map(Err),
            Poll::Ready(Ok(count)) => {
                if let Some((_, taken)) = &mut self.waiting {
                    *taken += count as u64;
                }
                Poll::Ready(Ok(count))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.wait(context).map(Err),
            done => {
                self.waiting = None;
                done
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.wait(context).map(Err),
            done => done,
        }
    }
}
