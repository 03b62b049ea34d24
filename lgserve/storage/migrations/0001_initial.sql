-- Times are ISO-8601 UTC text with microseconds and +00:00: they sort as text.
-- JSON columns hold UTF-8 text that goes to the wire as it stands.

CREATE TABLE assistants (
    assistant_id TEXT PRIMARY KEY,
    graph_id     TEXT NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    version      INTEGER NOT NULL,
    config       BLOB NOT NULL,
    context      BLOB NOT NULL,
    metadata     BLOB NOT NULL,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX assistants_by_created ON assistants (created_at);
CREATE INDEX assistants_by_graph ON assistants (graph_id);

CREATE TABLE assistant_versions (
    assistant_id TEXT NOT NULL REFERENCES assistants ON DELETE CASCADE,
    version      INTEGER NOT NULL,
    graph_id     TEXT NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT,
    config       BLOB NOT NULL,
    context      BLOB NOT NULL,
    metadata     BLOB NOT NULL,
    created_at   TEXT NOT NULL,
    PRIMARY KEY (assistant_id, version)
) WITHOUT ROWID;

-- settled_status is the status without regard to runs in flight; status is derived from both,
-- always in the transaction that changes a run.
CREATE TABLE threads (
    thread_id        TEXT PRIMARY KEY,
    status           TEXT NOT NULL,
    settled_status   TEXT NOT NULL,
    metadata         BLOB NOT NULL,
    config           BLOB NOT NULL,
    "values"         BLOB,
    values_in_state  INTEGER NOT NULL DEFAULT 0,
    interrupts       BLOB,
    error            BLOB,
    epoch            INTEGER NOT NULL DEFAULT 0,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    state_updated_at TEXT NOT NULL
);
CREATE INDEX threads_by_updated ON threads (updated_at);
CREATE INDEX threads_by_created ON threads (created_at);
CREATE INDEX threads_by_state_updated ON threads (state_updated_at);
CREATE INDEX threads_by_status ON threads (status, updated_at);

CREATE TABLE runs (
    run_id             TEXT PRIMARY KEY,
    thread_id          TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    assistant_id       TEXT NOT NULL,
    graph_id           TEXT NOT NULL,
    status             TEXT NOT NULL,
    metadata           BLOB NOT NULL,
    kwargs             BLOB NOT NULL,
    multitask_strategy TEXT NOT NULL,
    created_at         TEXT NOT NULL,
    updated_at         TEXT NOT NULL,
    due_at             TEXT NOT NULL,
    attempt            INTEGER NOT NULL DEFAULT 0,
    epoch              INTEGER NOT NULL DEFAULT 0,
    owner              TEXT,
    lease_expires_at   TEXT,
    cancel_action      TEXT,
    cancel_reason      TEXT,
    error              BLOB,
    checkpoint_id      TEXT,
    temporary          INTEGER NOT NULL DEFAULT 0,
    resumable          INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX runs_one_running_a_thread ON runs (thread_id) WHERE status = 'running';
CREATE INDEX runs_pending ON runs (due_at, run_id) WHERE status = 'pending';
CREATE INDEX runs_by_thread ON runs (thread_id, created_at);
CREATE INDEX runs_by_lease ON runs (lease_expires_at) WHERE status = 'running';

-- A segment of a resumable run's log: consecutive frames, joined by CRLF.
CREATE TABLE run_events (
    run_id     TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    first_seq  INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,
    frames     BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (run_id, first_seq)
);

-- Checkpoints. Small plain channel values stand in the row; others once a version, see below.
CREATE TABLE checkpoints (
    thread_id     TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    parent_id     TEXT,
    -- The run whose deletion takes the checkpoint with it; NULL in a copied thread.
    run_id        TEXT,
    metadata      BLOB NOT NULL,
    -- msgpack: [{channel: version}, [channels whose values stand in this row]].
    versions      BLOB NOT NULL,
    kind          TEXT NOT NULL,
    checkpoint    BLOB NOT NULL,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE INDEX checkpoints_by_run ON checkpoints (run_id) WHERE run_id IS NOT NULL;

-- The bytes of a large channel value: whole, or the tail that its base lacks (lists that grew).
CREATE TABLE channel_blobs (
    blob_id INTEGER PRIMARY KEY,
    base_id INTEGER REFERENCES channel_blobs,
    -- Of the list this blob stands for: elements, bytes of all their encodings, and a digest of
    -- those bytes, against which a later version is compared. 0, 0 and NULL for other values.
    items   INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    digest  BLOB,
    -- Tails between this blob and its whole ancestor, and that ancestor's size.
    depth   INTEGER NOT NULL,
    whole   INTEGER NOT NULL,
    -- A list's elements without the array header; last, so that the rest is read without it.
    data    BLOB NOT NULL
);
CREATE INDEX channel_blobs_by_base ON channel_blobs (base_id) WHERE base_id IS NOT NULL;

-- A channel's value at a version: its bytes if they are few, else a blob. A thread's copy shares
-- blobs, never copies them.
CREATE TABLE channel_versions (
    thread_id     TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL,
    channel       TEXT NOT NULL,
    version       NOT NULL,
    kind          TEXT NOT NULL,
    data          BLOB,
    blob_id       INTEGER REFERENCES channel_blobs,
    PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
) WITHOUT ROWID;
CREATE INDEX channel_versions_by_blob ON channel_versions (blob_id) WHERE blob_id IS NOT NULL;

CREATE TABLE checkpoint_writes (
    thread_id     TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    task_id       TEXT NOT NULL,
    idx           INTEGER NOT NULL,
    task_path     TEXT NOT NULL,
    channel       TEXT NOT NULL,
    -- Set if another run made the checkpoint: deleting this one then removes the write alone.
    run_id        TEXT,
    kind          TEXT NOT NULL,
    -- What this write has in common with the version it led to is not stored twice: `data` is the
    -- rest, and `blob_length` bytes of the blob from `blob_start` belong in it at `split`.
    blob_id       INTEGER REFERENCES channel_blobs,
    blob_start    INTEGER NOT NULL DEFAULT 0,
    blob_length   INTEGER NOT NULL DEFAULT 0,
    split         INTEGER NOT NULL DEFAULT 0,
    data          BLOB NOT NULL,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);
CREATE INDEX checkpoint_writes_by_blob ON checkpoint_writes (blob_id) WHERE blob_id IS NOT NULL;
CREATE INDEX checkpoint_writes_by_run ON checkpoint_writes (run_id) WHERE run_id IS NOT NULL;

-- A namespace is its labels in UTF-8, each ended by NUL, which no label may contain: so a prefix
-- ends at a label, and bytes sort as the labels do.
CREATE TABLE store_items (
    namespace    BLOB NOT NULL,
    key          TEXT NOT NULL,
    value        BLOB NOT NULL,
    -- What the item asks of semantic search: JSON false or a list of paths; NULL: the defaults.
    index_fields BLOB,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    ttl_minutes  REAL,
    expires_at   TEXT,
    PRIMARY KEY (namespace, key)
);
CREATE INDEX store_items_by_update ON store_items (namespace, updated_at, expires_at);
CREATE INDEX store_items_by_expiry ON store_items (expires_at) WHERE expires_at IS NOT NULL;

-- Kept, not scanned: how many threads and runs are in each status.
CREATE TABLE status_counts (
    noun   TEXT NOT NULL,
    status TEXT NOT NULL,
    total  INTEGER NOT NULL,
    PRIMARY KEY (noun, status)
) WITHOUT ROWID;
INSERT INTO status_counts (noun, status, total) VALUES
    ('thread', 'idle', 0), ('thread', 'busy', 0), ('thread', 'interrupted', 0),
    ('thread', 'error', 0), ('run', 'pending', 0), ('run', 'running', 0), ('run', 'success', 0),
    ('run', 'error', 0), ('run', 'timeout', 0), ('run', 'interrupted', 0);

CREATE TRIGGER threads_counted_in AFTER INSERT ON threads BEGIN
    UPDATE status_counts SET total = total + 1 WHERE noun = 'thread' AND status = new.status;
END;
CREATE TRIGGER threads_counted_out AFTER DELETE ON threads BEGIN
    UPDATE status_counts SET total = total - 1 WHERE noun = 'thread' AND status = old.status;
END;
CREATE TRIGGER threads_counted_over AFTER UPDATE OF status ON threads
WHEN old.status <> new.status BEGIN
    UPDATE status_counts SET total = total - 1 WHERE noun = 'thread' AND status = old.status;
    UPDATE status_counts SET total = total + 1 WHERE noun = 'thread' AND status = new.status;
END;
CREATE TRIGGER runs_counted_in AFTER INSERT ON runs BEGIN
    UPDATE status_counts SET total = total + 1 WHERE noun = 'run' AND status = new.status;
END;
CREATE TRIGGER runs_counted_out AFTER DELETE ON runs BEGIN
    UPDATE status_counts SET total = total - 1 WHERE noun = 'run' AND status = old.status;
END;
CREATE TRIGGER runs_counted_over AFTER UPDATE OF status ON runs
WHEN old.status <> new.status BEGIN
    UPDATE status_counts SET total = total - 1 WHERE noun = 'run' AND status = old.status;
    UPDATE status_counts SET total = total + 1 WHERE noun = 'run' AND status = new.status;
END;

-- The plain top-level members of a thread's metadata, by which threads are found without a scan.
CREATE TABLE thread_labels (
    name      TEXT NOT NULL,
    value     NOT NULL,
    thread_id TEXT NOT NULL,
    PRIMARY KEY (name, value, thread_id)
) WITHOUT ROWID;
CREATE INDEX thread_labels_by_thread ON thread_labels (thread_id);
CREATE TRIGGER threads_labelled AFTER INSERT ON threads BEGIN
    INSERT INTO thread_labels (name, value, thread_id)
    SELECT DISTINCT key, atom, new.thread_id FROM json_each(CAST(new.metadata AS TEXT))
    WHERE type IN ('text', 'integer', 'real', 'true', 'false');
END;
CREATE TRIGGER threads_relabelled AFTER UPDATE OF metadata ON threads
WHEN old.metadata <> new.metadata BEGIN
    DELETE FROM thread_labels WHERE thread_id = old.thread_id;
    INSERT INTO thread_labels (name, value, thread_id)
    SELECT DISTINCT key, atom, new.thread_id FROM json_each(CAST(new.metadata AS TEXT))
    WHERE type IN ('text', 'integer', 'real', 'true', 'false');
END;
CREATE TRIGGER threads_unlabelled AFTER DELETE ON threads BEGIN
    DELETE FROM thread_labels WHERE thread_id = old.thread_id;
END;
