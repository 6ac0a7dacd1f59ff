//! A limit on how many steps are done at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

/// The permits that are left; none are needed without a limit.
#[derive(Debug)]
pub struct Permits {
    left: Option<Mutex<usize>>,
    freed: Condvar,
}

/// A permit, given back when it is dropped.
pub struct Permit<'a>(&'a Permits);

impl Permits {
    /// This number; any when none.
    pub fn new(limit: Option<usize>) -> Self {
        Self { left: limit.map(Mutex::new), freed: Condvar::new() }
    }

    /// Waits for one.
    pub fn take(&self) -> Permit<'_> {
        if let Some(left) = &self.left {
            let left = left.lock().unwrap_or_else(PoisonError::into_inner);
            let mut left = self.freed.wait_while(left, |left| *left == 0).unwrap_or_else(PoisonError::into_inner);
            *left -= 1;
        }
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(left) = &self.0.left {
            *left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_the_limit_have_one() {
        let (permits, held, most) = (Permits::new(Some(2)), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _permit = permits.take();
                    most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    held.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        drop((Permits::new(None).take(), Permits::new(None).take()));
    }
}
