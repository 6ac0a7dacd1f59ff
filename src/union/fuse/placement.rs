//! Thread placement: which thread serves requests, and on which CPU. With one client and an otherwise idle CPU, it is
//! the client's CPU.
//!
//! # Theory of operation
//!
//! A FUSE round trip costs two wake-ups. On one CPU they are two context switches. Across CPUs each wakes an idle CPU,
//! which takes several times as long as serving the request, above all in a virtual machine. The scheduler prefers the
//! second: it moves a woken task to an idle CPU, first the server, and, once the server is bound to the client's CPU,
//! the client. One thing keeps the client in place: a CPU that runs nothing but `SCHED_IDLE` tasks counts as idle.
//!
//! A second thread that waits for requests costs as well: it is woken for the next request while the first is on its
//! way back. With one CPU, avoiding that is the only gain.
//!
//! So there are two kinds of threads. *Ordinary* ones serve as usual. The *light* one is bound to the client's CPU and
//! has the policy `SCHED_IDLE` for good, since leaving it takes privilege. Any other task on that CPU preempts it, so
//! it may serve only while the CPU is otherwise idle. One kind reads requests; the other waits at the end of its last
//! one ([`Turn`]). [`ThreadChoice`] decides which. Its inputs are the requests (several threads in turn are parallel
//! clients, which ordinary threads serve better) and samples every few requests or milliseconds: the number of runnable
//! tasks (proc_loadavg(5)) and the client's CPU (proc_pid_stat(5)), since the scheduler does move it now and then. It
//! samples at once when an answer seems to have woken the client elsewhere. A wrong guess costs a few requests, each as
//! long as a scheduler slice, until the next sample.
//!
//! While the light thread serves, a *monitor* thread checks every two milliseconds whether it is stuck in one request:
//! waiting for a disk, or starved by other tasks. If so, ordinary threads take over, and the light thread may use any
//! CPU. Work that is known to be long ([`heavy`], [`run_on_monitor`]) goes to the monitor at once, and so does what may
//! have to wait for a client ([`defer`]). After a while without requests the monitor switches to ordinary threads,
//! frees memory a few seconds later, and sleeps: an idle mount causes no wake-ups.
//!
//! Tried without gain: a longer slice for the server (sched_setattr(2)), so that the task that it wakes runs at once.
//!
//! Nothing here changes what a request does.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, Pid};

use super::primitives::lock;
use super::thread_choice::ThreadChoice;

/// The monitor's interval, and the number of idle intervals before it sleeps.
const TICK: Duration = Duration::from_millis(2);
const QUIET_TICKS: u32 = 25;

/// How long the light thread must be idle before memory is freed.
const IDLE: Duration = Duration::from_secs(5);

/// The monitor's stack, in bytes.
const MONITOR_STACK: usize = 128 * 1024;

/// A job for the monitor.
type Job = Box<dyn FnOnce() + Send>;

/// The threads of one mount.
pub(super) struct Placement {
    choice: Mutex<ThreadChoice>,
    began: Instant,
    /// proc_loadavg(5).
    load: File,
    client: Mutex<Client>,
    cpus: CpuSet,
    /// 0 while ordinary threads serve, else the CPU of the light thread plus one.
    mode: AtomicU32,
    /// The CPU that the light thread is bound to; encoded as `mode`.
    bound: AtomicU32,
    /// Requests that the light thread has begun and ended: odd during a request.
    steps: AtomicU32,
    /// When the light thread last answered, in microseconds.
    answered: AtomicU64,
    /// How many heavy operations are in progress.
    heavy: AtomicU32,
    threads: Mutex<Threads>,
    changed: Condvar,
}

#[derive(Default)]
struct Threads {
    light: Option<Pid>,
    /// Jobs for the monitor.
    jobs: VecDeque<Job>,
    /// The mount is gone or about to go, or there can be no light thread: all threads read.
    closing: bool,
}

/// A thread that serves. Its end means that the mount is gone, so it wakes the threads that wait.
struct Member {
    placement: Arc<Placement>,
    light: bool,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.placement.close();
    }
}

thread_local! {
    static MEMBER: RefCell<Option<Member>> = const { RefCell::new(None) };
    static LIGHT: Cell<bool> = const { Cell::new(false) };
}

/// A request being served. When it ends, after the answer, its thread may have to wait.
pub(super) struct Turn<'a>(Option<&'a Arc<Placement>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(placement) = self.0 {
            placement.rest();
        }
    }
}

/// A long operation in progress.
pub(super) struct Heavy(Option<Arc<Placement>>);

impl Drop for Heavy {
    fn drop(&mut self) {
        if let Some(placement) = &self.0 {
            placement.heavy.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn placement_of_this_thread() -> Option<Arc<Placement>> {
    MEMBER.with_borrow(|member| member.as_ref().map(|member| Arc::clone(&member.placement)))
}

/// Marks a long operation: until the result is dropped, ordinary threads serve other requests.
pub(super) fn heavy() -> Heavy {
    let placement = placement_of_this_thread();
    if let Some(placement) = &placement {
        placement.heavy.fetch_add(1, Ordering::SeqCst);
        placement.set_mode(0);
    }
    Heavy(placement)
}

/// Runs long work on the monitor if this is the light thread, which any other task would preempt. `None` if the work
/// panicked.
pub(super) fn run_on_monitor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let Some(placement) = LIGHT.get().then(placement_of_this_thread).flatten() else { return Some(work()) };
    let (done, result) = channel();
    let load: Job = Box::new(move || {
        let _ = done.send(work());
    });
    let mut threads = lock(&placement.threads);
    if threads.closing {
        // The monitor is gone, or about to go.
        drop(threads);
        load();
    } else {
        threads.jobs.push_back(load);
        drop(threads);
        placement.changed.notify_all();
    }
    result.recv().ok()
}

/// Queues a job for the monitor that no request waits for. Dropped if there is no monitor.
pub(super) fn defer(work: impl FnOnce() + Send + 'static) {
    let Some(placement) = placement_of_this_thread() else { return };
    let mut threads = lock(&placement.threads);
    if !threads.closing {
        threads.jobs.push_back(Box::new(work));
        drop(threads);
        placement.changed.notify_all();
    }
}

impl Placement {
    /// For a new mount; call it from a thread of ordinary priority. `None` where there is nothing to choose. `idle` is
    /// called after some seconds without requests, and must be short.
    pub fn new(idle: impl Fn() + Send + 'static) -> Option<Arc<Self>> {
        let cpus = rustix::thread::sched_getaffinity(None).ok()?;
        let mut set = (0..CpuSet::MAX_CPU).filter(|cpu| cpus.is_set(*cpu));
        let only = if cpus.count() == 1 { set.next().and_then(|cpu| u32::try_from(cpu).ok()) } else { None };
        let placement = Arc::new(Self {
            choice: Mutex::new(ThreadChoice::new(cpus.count(), only)),
            began: Instant::now(),
            load: File::open("/proc/loadavg").ok()?,
            client: Mutex::new(Client::default()),
            cpus,
            mode: AtomicU32::new(0),
            bound: AtomicU32::new(0),
            steps: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            heavy: AtomicU32::new(0),
            threads: Mutex::new(Threads::default()),
            changed: Condvar::new(),
        });
        let monitor = Arc::clone(&placement);
        let thread = std::thread::Builder::new().name("monitor".into()).stack_size(MONITOR_STACK);
        thread.spawn(move || monitor.attend(&idle)).ok()?;
        Some(placement)
    }

    /// A request of `pid` begins.
    pub fn turn(self: &Arc<Self>, pid: u32) -> Turn<'_> {
        if let Ok(mut choice) = self.choice.try_lock() {
            self.consider(&mut choice, pid);
        }
        self.take_place(self.mode.load(Ordering::Relaxed));
        Turn(Some(self))
    }

    /// A request that any thread may serve.
    pub fn no_turn() -> Turn<'static> {
        Turn(None)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn consider(&self, choice: &mut ThreadChoice, pid: u32) {
        if self.heavy.load(Ordering::Relaxed) != 0 {
            return;
        }
        let now = self.now();
        let gap = now.saturating_sub(self.answered.load(Ordering::Relaxed));
        if choice.observe(pid, now, gap) {
            let cpu = lock(&self.client).cpu_of(pid).filter(|cpu| self.cpus.is_set(*cpu as usize));
            choice.answer(self.running().unwrap_or(u32::MAX), cpu, now);
        }
        let mode = choice.beside.map_or(0, |cpu| cpu + 1);
        if mode != self.mode.load(Ordering::Relaxed) {
            self.set_mode(mode);
        }
    }

    fn set_mode(&self, mode: u32) {
        let threads = lock(&self.threads);
        let mode = if threads.closing { 0 } else { mode };
        if self.mode.swap(mode, Ordering::SeqCst) != mode {
            self.changed.notify_all();
        }
    }

    fn close(&self) {
        lock(&self.threads).closing = true;
        self.set_mode(0);
        self.changed.notify_all();
    }

    fn running(&self) -> Option<u32> {
        let mut text = [0u8; 64];
        let length = self.load.read_at(&mut text, 0).ok()?;
        running_in(&text[..length])
    }

    /// Binds this thread to its CPU, if it is the light one or becomes it.
    fn take_place(self: &Arc<Self>, mode: u32) {
        MEMBER.with_borrow_mut(|member| {
            let member = member.get_or_insert_with(|| Member { placement: Arc::clone(self), light: false });
            if mode != 0 && !member.light && lock(&self.threads).light.is_none() {
                self.become_light(member);
            }
            if !member.light {
                return;
            }
            self.steps.fetch_or(1, Ordering::Relaxed);
            if mode != 0 && self.cpus.count() > 1 && self.bound.load(Ordering::Relaxed) != mode {
                let mut only = CpuSet::new();
                only.set(mode as usize - 1);
                let _ = rustix::thread::sched_setaffinity(None, &only);
                self.bound.store(mode, Ordering::Relaxed);
            }
        });
    }

    fn become_light(&self, member: &mut Member) {
        let mut threads = lock(&self.threads);
        if threads.light.is_some() {
            return;
        }
        threads.light = Some(rustix::thread::gettid());
        drop(threads);
        if self.cpus.count() == 1 {
            member.light = true;
            LIGHT.set(true);
            return;
        }
        match crate::sys::process::yield_to_all_others() {
            Ok(()) => member.light = true,
            // No other thread will become it, and all would wait for it.
            Err(_) => self.close(),
        }
        LIGHT.set(member.light);
    }

    /// Waits while the other kind serves.
    fn rest(&self) {
        let light = LIGHT.get();
        if light {
            let step = self.steps.load(Ordering::Relaxed);
            self.steps.store((step | 1).wrapping_add(1), Ordering::Relaxed);
            self.answered.store(self.now(), Ordering::Relaxed);
        }
        if (self.mode.load(Ordering::SeqCst) != 0) == light {
            return;
        }
        let mut threads = lock(&self.threads);
        while !threads.closing && (self.mode.load(Ordering::SeqCst) != 0) != light {
            threads = self.changed.wait(threads).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The monitor's loop.
    fn attend(&self, idle: &impl Fn()) {
        let (mut step, mut quiet, mut tidy) = (0, 0, false);
        let mut threads = lock(&self.threads);
        loop {
            if let Some(load) = threads.jobs.pop_front() {
                drop(threads);
                let _ = catch_unwind(AssertUnwindSafe(load));
                threads = lock(&self.threads);
                continue;
            }
            if threads.closing {
                return;
            }
            if self.mode.load(Ordering::SeqCst) == 0 {
                quiet = 0;
                if !tidy {
                    let waited = self.changed.wait_timeout(threads, IDLE).unwrap_or_else(PoisonError::into_inner);
                    threads = waited.0;
                    if waited.1.timed_out() {
                        tidy = true;
                        drop(threads);
                        give_back();
                        idle();
                        threads = lock(&self.threads);
                    }
                    continue;
                }
                threads = self.changed.wait(threads).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            tidy = false;
            let waited = self.changed.wait_timeout(threads, TICK).unwrap_or_else(PoisonError::into_inner);
            threads = waited.0;
            let now = self.steps.load(Ordering::Relaxed);
            if !waited.1.timed_out() || now != std::mem::replace(&mut step, now) {
                quiet = 0;
                continue;
            }
            quiet += 1;
            if now % 2 == 1 || quiet > QUIET_TICKS {
                self.relieve(&threads, now % 2 == 1);
            }
        }
    }

    /// Switches from the light thread, which may be `stuck`, to ordinary threads.
    fn relieve(&self, threads: &Threads, stuck: bool) {
        self.mode.store(0, Ordering::SeqCst);
        if let Some(light) = threads.light.filter(|_| stuck) {
            let _ = rustix::thread::sched_setaffinity(Some(light), &self.cpus);
            self.bound.store(0, Ordering::Relaxed);
            // A thread that holds it is not stuck.
            if let Ok(mut choice) = self.choice.try_lock() {
                choice.give_up(self.now());
            }
        }
        self.changed.notify_all();
    }
}

/// Frees memory that is not needed while the mount is idle. A failure costs only memory.
fn give_back() {
    crate::sys::memory::trim();
    let _ = crate::sys::memory::release_program_pages();
}

/// The number of runnable tasks in proc_loadavg(5).
fn running_in(text: &[u8]) -> Option<u32> {
    let field = text.split(|byte| *byte == b' ').nth(3)?;
    let number = field.split(|byte| *byte == b'/').next()?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// A client's proc_pid_stat(5), kept open.
#[derive(Default)]
struct Client {
    pid: u32,
    stat: Option<File>,
}

impl Client {
    /// The CPU that a thread last ran on.
    fn cpu_of(&mut self, pid: u32) -> Option<u32> {
        if self.pid != pid {
            // The thread's own file is cheaper to read than its process's.
            (self.pid, self.stat) = (pid, File::open(format!("/proc/{pid}/task/{pid}/stat")).ok());
        }
        let mut text = [0u8; 1024];
        let length = self.stat.as_ref()?.read_at(&mut text, 0).ok()?;
        cpu_in(&text[..length])
    }
}

/// Field 39 of proc_pid_stat(5). The program's name, in parentheses, may contain anything.
fn cpu_in(text: &[u8]) -> Option<u32> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let field = text.get(end + 2..)?.split(|byte| *byte == b' ').nth(36)?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says() {
        assert_eq!(running_in(b"0.20 0.18 0.12 3/1024 11206\n"), Some(3));
        assert_eq!(running_in(b"0.20 0.18"), None);
        let stat =
            b"42 (a) b) R 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 9 1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 17 6 0 0 0 0 0";
        assert_eq!(cpu_in(stat), Some(6));
        assert_eq!(cpu_in(b"42 (a"), None);
        assert!(Client::default().cpu_of(std::process::id()).is_some());
    }

    #[test]
    fn heavy_work_outside_a_mount_is_just_done() {
        let _heavy = heavy();
        assert_eq!(run_on_monitor(|| 5), Some(5));
    }
}
