//! What is said on a worker's socket, a stream: from the caller one [`Hello`], with at most one descriptor; from the worker
//! any number of events and then a report. Each message is its length as four bytes, little-endian, and JSON. The hello has
//! the version of these words in front. Both ends are the same executable; lengths are bounded all the same, because a
//! fault of one end must not take the memory of the other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Request;
use crate::base::error::WireError;
use crate::base::{lock, trace};
use crate::engine::Engine;
use crate::engine::progress::Progress;
use crate::engine::push::PushReport;
use crate::oci::{Digest, Reference};
use crate::sys::socket;

/// The version of what is said here.
const VERSION: u32 = 1;

/// The largest message, in bytes: the sizes of some 100,000 containers.
const MAX_MESSAGE: u32 = 16 << 20;

/// How often the bytes of one layer are told. A terminal is drawn 20 times a second.
const PACE: Duration = Duration::from_millis(50);

/// The first and only message to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello<'a> {
    /// Where things are.
    pub(super) engine: Cow<'a, Engine>,
    /// What to do.
    pub(super) request: Request,
    /// Whether the caller wants to hear of the steps.
    pub(super) traced: bool,
}

impl<'a> Hello<'a> {
    pub(super) fn new(engine: &'a Engine, request: Request) -> Self {
        Self { engine: Cow::Borrowed(engine), request, traced: trace::is_on() }
    }
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Something has happened.
    Event(Event),
    /// The last message: what came of the job.
    Report(Result<Box<RawValue>, WireError>),
}

/// A call of [`Progress`], or words for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    Resolved(Reference, Vec<(Digest, u64)>),
    LayerExists(Digest),
    LayerStarted(Digest, u64),
    LayerMoved(Digest, u64),
    LayerExtracting(Digest),
    LayerDone(Digest),
    Storing,
    PushBegan(Reference, Vec<(Digest, u64)>),
    LayerMounted(Digest, Reference),
    LayerSkipped(Digest),
    LayerPreparing(Digest),
    Pushed(PushReport),
    /// It waits long for a lock.
    Waits(String),
    /// A step, for `--debug`.
    Step(String),
}

impl Event {
    /// On the caller's side: makes the call.
    pub(super) fn tell(&self, progress: &dyn Progress) {
        match self {
            Self::Resolved(reference, layers) => progress.resolved(reference, layers),
            Self::LayerExists(layer) => progress.layer_exists(layer),
            Self::LayerStarted(layer, total) => progress.layer_started(layer, *total),
            Self::LayerMoved(layer, bytes) => progress.layer_moved(layer, *bytes),
            Self::LayerExtracting(layer) => progress.layer_extracting(layer),
            Self::LayerDone(layer) => progress.layer_done(layer),
            Self::Storing => progress.storing(),
            Self::PushBegan(to, layers) => progress.push_began(to, layers),
            Self::LayerMounted(layer, from) => progress.layer_mounted(layer, from),
            Self::LayerSkipped(layer) => progress.layer_skipped(layer),
            Self::LayerPreparing(layer) => progress.layer_preparing(layer),
            Self::Pushed(report) => progress.pushed(report),
            Self::Waits(words) => lock::pass_on_wait(words),
            Self::Step(words) => trace::pass_on(words),
        }
    }
}

/// The worker's side of the socket. A caller that has gone hears nothing; the worker ends for other reasons than that.
pub(super) struct Teller {
    socket: Mutex<UnixStream>,
    /// For each layer its size, and when its bytes were last told. No hash table, which panics without random numbers.
    told: Mutex<BTreeMap<Digest, (u64, Instant)>>,
}

impl Teller {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket: Mutex::new(socket), told: Mutex::default() }
    }

    pub(super) fn send(&self, message: &Message) -> io::Result<()> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        write_frame(&socket, &frame(message)?)
    }

    pub(super) fn event(&self, event: Event) {
        let _ = self.send(&Message::Event(event));
    }

    /// Whether it is time to tell this number of bytes of a layer; always when it is complete.
    fn is_due(&self, layer: &Digest, bytes: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((total, last)) = told.get_mut(layer) else { return true };
        let due = bytes >= *total || last.elapsed() >= PACE;
        if due {
            *last = Instant::now();
        }
        due
    }
}

impl Progress for Teller {
    fn resolved(&self, reference: &Reference, layers: &[(Digest, u64)]) {
        self.event(Event::Resolved(reference.clone(), layers.to_vec()));
    }

    fn layer_exists(&self, layer: &Digest) {
        self.event(Event::LayerExists(layer.clone()));
    }

    fn layer_started(&self, layer: &Digest, total: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(layer.clone(), (total, Instant::now()));
        drop(told);
        self.event(Event::LayerStarted(layer.clone(), total));
    }

    fn layer_moved(&self, layer: &Digest, bytes: u64) {
        if self.is_due(layer, bytes) {
            self.event(Event::LayerMoved(layer.clone(), bytes));
        }
    }

    fn layer_extracting(&self, layer: &Digest) {
        self.event(Event::LayerExtracting(layer.clone()));
    }

    fn layer_done(&self, layer: &Digest) {
        self.event(Event::LayerDone(layer.clone()));
    }

    fn storing(&self) {
        self.event(Event::Storing);
    }

    fn push_began(&self, to: &Reference, layers: &[(Digest, u64)]) {
        self.event(Event::PushBegan(to.clone(), layers.to_vec()));
    }

    fn layer_mounted(&self, layer: &Digest, from: &Reference) {
        self.event(Event::LayerMounted(layer.clone(), from.clone()));
    }

    fn layer_skipped(&self, layer: &Digest) {
        self.event(Event::LayerSkipped(layer.clone()));
    }

    fn layer_preparing(&self, layer: &Digest) {
        self.event(Event::LayerPreparing(layer.clone()));
    }

    fn pushed(&self, report: &PushReport) {
        self.event(Event::Pushed(report.clone()));
    }
}

/// Sends the hello. The descriptor goes with its first bytes, which an empty socket takes as one.
pub(super) fn send_hello(stream: &UnixStream, hello: &Hello<'_>, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let frame = frame(hello)?;
    socket::send(stream.as_fd(), &VERSION.to_le_bytes(), &[], descriptor.as_slice())?;
    write_frame(stream, &frame)
}

/// Receives it, with its descriptor; `None` when the caller has gone.
pub(super) fn receive_hello(stream: &UnixStream) -> io::Result<Option<(Hello<'static>, Option<OwnedFd>)>> {
    let mut version = [0; 4];
    let (length, fds) = socket::receive(stream.as_fd(), &mut version)?;
    if length == 0 {
        return Ok(None);
    }
    if length != version.len() || u32::from_le_bytes(version) != VERSION {
        return Err(io::Error::other("it was started by another version of coracle"));
    }
    Ok(receive(stream)?.map(|hello| (hello, fds.into_iter().next())))
}

/// Receives a message; `None` when the other end has gone, even in the middle of one.
pub(super) fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<Option<T>> {
    let mut read = |buffer: &mut [u8]| match stream.read_exact(buffer) {
        Err(error) if is_gone(&error) => Ok(None),
        read => read.map(Some),
    };
    let mut length = [0; 4];
    let Some(()) = read(&mut length)? else { return Ok(None) };
    let length = u32::from_le_bytes(length);
    if length > MAX_MESSAGE {
        return Err(too_large(length as usize));
    }
    let mut bytes = vec![0; length as usize];
    let Some(()) = read(&mut bytes)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other)
}

/// Whether an error means that the other end has gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// The bytes of a message.
fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    match u32::try_from(length) {
        Ok(short) if short <= MAX_MESSAGE => frame[..4].copy_from_slice(&short.to_le_bytes()),
        _ => return Err(too_large(length)),
    }
    Ok(frame)
}

fn write_frame(mut stream: &UnixStream, frame: &[u8]) -> io::Result<()> {
    stream.write_all(frame)
}

fn too_large(length: usize) -> io::Error {
    io::Error::other(format!("a message of {length} bytes is larger than {} MiB", MAX_MESSAGE >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::engine::pull::PullRequest;
    use crate::spec::image::PullPolicy;

    /// Writes down what it is told.
    #[derive(Default)]
    struct Diary(Mutex<Vec<Event>>);

    impl Diary {
        fn add(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }

    impl Progress for Diary {
        fn resolved(&self, reference: &Reference, layers: &[(Digest, u64)]) {
            self.add(Event::Resolved(reference.clone(), layers.to_vec()));
        }
        fn layer_exists(&self, layer: &Digest) {
            self.add(Event::LayerExists(layer.clone()));
        }
        fn layer_started(&self, layer: &Digest, total: u64) {
            self.add(Event::LayerStarted(layer.clone(), total));
        }
        fn layer_moved(&self, layer: &Digest, bytes: u64) {
            self.add(Event::LayerMoved(layer.clone(), bytes));
        }
        fn layer_extracting(&self, layer: &Digest) {
            self.add(Event::LayerExtracting(layer.clone()));
        }
        fn layer_done(&self, layer: &Digest) {
            self.add(Event::LayerDone(layer.clone()));
        }
        fn storing(&self) {
            self.add(Event::Storing);
        }
    }

    #[test]
    fn what_a_worker_tells_is_what_the_caller_hears() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let layer = Digest::sha256(b"layer");
        let teller = Teller::new(theirs);
        let reference: Reference = "busybox".parse().unwrap();
        teller.resolved(&reference, &[(layer.clone(), 1000)]);
        teller.layer_exists(&layer);
        teller.layer_started(&layer, 1000);
        // Far too early to be told, but the last.
        for bytes in [1, 2, 1000] {
            teller.layer_moved(&layer, bytes);
        }
        teller.layer_extracting(&layer);
        teller.layer_done(&layer);
        teller.storing();
        teller.send(&Message::Report(Ok(super::super::encode(7).unwrap()))).unwrap();
        drop(teller);
        let diary = Diary::default();
        let report = loop {
            match receive(&ours).unwrap().unwrap() {
                Message::Event(event) => event.tell(&diary),
                Message::Report(report) => break report.unwrap(),
            }
        };
        assert_eq!(report.get(), "7");
        let mut heard = diary.0.into_inner().unwrap();
        heard.retain(|event| !matches!(event, Event::LayerMoved(_, 1 | 2)));
        let expected = [
            Event::Resolved(reference, vec![(layer.clone(), 1000)]),
            Event::LayerExists(layer.clone()),
            Event::LayerStarted(layer.clone(), 1000),
            Event::LayerMoved(layer.clone(), 1000),
            Event::LayerExtracting(layer.clone()),
            Event::LayerDone(layer),
            Event::Storing,
        ];
        assert_eq!(heard, expected);
        assert!(receive::<Message>(&ours).unwrap().is_none());
    }

    #[test]
    fn a_hello_keeps_everything_even_paths_that_are_not_text() {
        use std::os::unix::ffi::OsStringExt;
        let (mut engine, _scratch) = fixtures::engine();
        engine.paths.home = std::ffi::OsString::from_vec(b"/home/\xff".to_vec()).into();
        engine.registry.auth_files.push(engine.paths.home.join("auth.json"));
        engine.registry.credentials = Some(crate::registry::Credentials::parse("me:secret").unwrap());
        let job = PullRequest { image: "x".into(), platform: None, policy: PullPolicy::Always };
        let (ours, theirs) = UnixStream::pair().unwrap();
        send_hello(&ours, &Hello::new(&engine, job.into()), Some(ours.as_fd())).unwrap();
        let (hello, descriptor) = receive_hello(&theirs).unwrap().unwrap();
        assert!(descriptor.is_some());
        assert_eq!(hello.engine.paths, engine.paths);
        assert_eq!(hello.engine.registry.auth_files, engine.registry.auth_files);
        assert_eq!(hello.engine.registry.credentials, engine.registry.credentials);
        assert!(matches!(hello.request, Request::Pull(pull) if pull.image == "x"));
    }

    #[test]
    fn what_is_not_a_message_is_refused() {
        let said = |bytes: &[u8]| {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            theirs
        };
        assert!(receive_hello(&said(b"")).unwrap().is_none());
        assert!(receive_hello(&said(b"\x02\0\0\0")).unwrap_err().to_string().contains("another version"));
        assert!(receive::<Message>(&said(b"\xff\xff\xff\xff")).unwrap_err().to_string().contains("larger than 16 MiB"));
        assert!(receive::<Message>(&said(b"\x02\0\0\0[]")).is_err());
        assert!(receive::<Message>(&said(b"\x09\0\0\0[]")).unwrap().is_none());
    }
}
