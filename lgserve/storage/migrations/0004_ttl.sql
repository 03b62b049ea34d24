-- How long a thread is kept after its last change, and what happens then: 'delete' or
-- 'keep_latest'. No strategy: nobody said so yet; a strategy without minutes: for good. 'draft': a
-- thread that is being made and shows to nobody; it goes when it expires.
ALTER TABLE threads ADD COLUMN ttl_strategy TEXT;
ALTER TABLE threads ADD COLUMN ttl_minutes NUMERIC;
ALTER TABLE threads ADD COLUMN expires_at TEXT;
CREATE INDEX threads_by_expiry ON threads (ttl_strategy, expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER threads_begin_to_expire AFTER INSERT ON threads
WHEN new.ttl_minutes IS NOT NULL BEGIN
    UPDATE threads SET expires_at = strftime('%Y-%m-%dT%H:%M:%f', new.updated_at,
        printf('%+.3f seconds', new.ttl_minutes * 60.0)) || '000+00:00'
    WHERE thread_id = new.thread_id;
END;
-- Every change of a thread moves its `updated_at`, runs that begin or end on it included.
CREATE TRIGGER threads_expire_later AFTER UPDATE OF updated_at ON threads
WHEN new.ttl_minutes IS NOT NULL BEGIN
    UPDATE threads SET expires_at = strftime('%Y-%m-%dT%H:%M:%f', new.updated_at,
        printf('%+.3f seconds', new.ttl_minutes * 60.0)) || '000+00:00'
    WHERE thread_id = new.thread_id;
END;
