-- Runs that recur. Times are text as everywhere; `next_run_date` is the next moment that is due, NULL
-- when none is left. It is moved on in the transaction that fires, so it says what has been fired.
CREATE TABLE crons (
    cron_id          TEXT PRIMARY KEY,
    assistant_id     TEXT NOT NULL,
    -- A cron goes with its thread; without a thread each firing makes one.
    thread_id        TEXT REFERENCES threads ON DELETE CASCADE,
    user_id          TEXT NOT NULL,
    -- What may be shown of who created it, as whom its runs are created; NULL: nobody was asked.
    user             BLOB,
    schedule         TEXT NOT NULL,
    timezone         TEXT,
    payload          BLOB NOT NULL,
    metadata         BLOB NOT NULL,
    on_run_completed TEXT,
    enabled          INTEGER NOT NULL,
    -- As it was given, and the moment that it is.
    end_time         TEXT,
    ends_at          TEXT,
    next_run_date    TEXT,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL
);
CREATE INDEX crons_due ON crons (next_run_date, cron_id)
    WHERE enabled = 1 AND next_run_date IS NOT NULL;
CREATE INDEX crons_by_created ON crons (created_at);
CREATE INDEX crons_by_assistant ON crons (assistant_id);
CREATE INDEX crons_by_thread ON crons (thread_id) WHERE thread_id IS NOT NULL;

-- What became of the moments at which a cron was due, and of those at which somebody fired it: one row
-- each, and the key is what makes two schedulers fire once.
CREATE TABLE cron_firings (
    cron_id   TEXT NOT NULL REFERENCES crons ON DELETE CASCADE,
    due_at    TEXT NOT NULL,
    -- 'fired', 'failed' or 'missed'.
    outcome   TEXT NOT NULL,
    -- Whether somebody asked for it, beside the schedule.
    manual    INTEGER NOT NULL DEFAULT 0,
    fired_at  TEXT NOT NULL,
    run_id    TEXT,
    thread_id TEXT,
    error     BLOB,
    PRIMARY KEY (cron_id, due_at)
) WITHOUT ROWID;
