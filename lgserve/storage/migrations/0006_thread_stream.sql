-- A thread's log: its runs in the order in which they began, and those whose events are stored.
CREATE INDEX runs_by_epoch ON runs (thread_id, epoch) WHERE epoch > 0;
CREATE INDEX runs_resumable ON runs (thread_id, epoch) WHERE resumable = 1 AND epoch > 0;
