//! Threads that share the instances of a control step.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

use bevy::tasks::{TaskPool, TaskPoolBuilder};

/// The threads that step instances: the one that runs the schedule and its helpers. Results are the same for any number
/// of them. Helpers start with the first work that is worth sharing.
pub struct Threads {
    count: usize,
    helpers: OnceLock<TaskPool>,
}

impl Threads {
    /// `count` threads, at least one; `None` takes one a core.
    pub fn new(count: Option<usize>) -> Self {
        let count = count.unwrap_or_else(|| available_parallelism().map_or(1, usize::from)).max(1);
        Self { count, helpers: OnceLock::new() }
    }

    /// How many, the one that runs the schedule included.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether helpers have been called for yet.
    pub fn have_shared(&self) -> bool {
        self.helpers.get().is_some()
    }

    /// Calls `work` with one piece after the other until `next` has none left, on up to `threads` threads, this one
    /// among them. `next` is told which of them asks: this one is 0 in every call. Allocates a task for each further
    /// thread, whatever the number of pieces.
    ///
    /// # Panics
    ///
    /// When `next` or `work` does, and when the system starts no more threads.
    pub fn share<P>(&self, threads: usize, next: impl FnMut(usize) -> Option<P> + Send, work: impl Fn(P) + Sync) {
        let next = Mutex::new(next);
        let take = |thread| (next.lock().unwrap_or_else(PoisonError::into_inner))(thread);
        let run = |thread| {
            while let Some(piece) = take(thread) {
                work(piece);
            }
        };
        let threads = threads.min(self.count);
        if threads == 1 {
            return run(0);
        }
        let run = &run;
        self.helpers().scope(|scope| {
            (1..threads).for_each(|thread| scope.spawn(async move { run(thread) }));
            run(0);
        });
    }

    fn helpers(&self) -> &TaskPool {
        self.helpers.get_or_init(|| {
            TaskPoolBuilder::new().num_threads(self.count - 1).thread_name("simulation".to_owned()).build()
        })
    }
}
