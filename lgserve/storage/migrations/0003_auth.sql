-- Keys that open the API. The key itself is shown once and never stored; a revoked one stays listed.
CREATE TABLE api_keys (
    key_id     TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    name       TEXT,
    hash       BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
) WITHOUT ROWID;
CREATE INDEX api_keys_by_owner ON api_keys (owner);

-- All that an authenticator said of a run's user, for the run's own code; it goes when the run ends.
ALTER TABLE runs ADD COLUMN user BLOB;
