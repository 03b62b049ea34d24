-- What was answered to requests that named themselves with an Idempotency-Key, written together with
-- what they created.
CREATE TABLE run_requests (
    owner       TEXT NOT NULL,
    key         TEXT NOT NULL,
    -- A digest of method, path and body.
    fingerprint BLOB NOT NULL,
    answer      BLOB NOT NULL,
    -- The thread whose deletion takes this row with it; NULL for a hidden one, which ends with its run.
    thread_id   TEXT,
    run_id      TEXT,
    -- What a run came to that was deleted when it ended.
    result      BLOB,
    status      TEXT,
    reason      TEXT,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX run_requests_by_thread ON run_requests (thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX run_requests_by_run ON run_requests (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX run_requests_by_time ON run_requests (created_at);
CREATE TRIGGER run_requests_end_with_thread AFTER DELETE ON threads BEGIN
    DELETE FROM run_requests WHERE thread_id = old.thread_id;
END;
