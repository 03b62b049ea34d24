-- The outbox of webhooks and the log of their deliveries: written in the transaction that ends the
-- run. No reference to run or thread: both may be gone, and what is to be said of them is said.
CREATE TABLE webhook_deliveries (
    webhook_id      TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    thread_id       TEXT NOT NULL,
    -- Of the thread, as it was: says whose this is.
    metadata        BLOB NOT NULL,
    url             TEXT NOT NULL,
    -- scheme://host:port
    origin          TEXT NOT NULL,
    headers         BLOB NOT NULL,
    -- 'pending', 'delivered' or 'failed'.
    status          TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    tries           INTEGER NOT NULL DEFAULT 0,
    created_at      TEXT NOT NULL,
    -- When it is due; of one that is under way, when its owner is taken for dead.
    next_attempt_at TEXT,
    retry_until     TEXT NOT NULL,
    ended_at        TEXT,
    owner           TEXT,
    status_code     INTEGER,
    error           TEXT,
    -- Last: what is before it can be read without it.
    payload         BLOB NOT NULL
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (origin, next_attempt_at)
    WHERE status = 'pending';
CREATE INDEX webhook_deliveries_by_created ON webhook_deliveries (created_at, webhook_id);
CREATE INDEX webhook_deliveries_by_run ON webhook_deliveries (run_id);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    webhook_id  TEXT NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    began_at    TEXT NOT NULL,
    seconds     REAL NOT NULL,
    status_code INTEGER,
    error       TEXT,
    response    TEXT,
    PRIMARY KEY (webhook_id, number)
) WITHOUT ROWID;
