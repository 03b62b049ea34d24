-- Store items get an owner, metadata, and vectors for semantic search.
CREATE TABLE new_store_items (
    item_id      INTEGER PRIMARY KEY,
    -- The scope it was put in, as JSON; empty: nobody's in particular.
    owner        TEXT NOT NULL DEFAULT '',
    -- Labels in UTF-8, each ended by NUL, which no label may contain: so a prefix ends at a label,
    -- and bytes sort as the labels do.
    namespace    BLOB NOT NULL,
    key          TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    ttl_minutes  REAL,
    expires_at   TEXT,
    -- What the item asks of semantic search: JSON false or a list of paths; NULL: the defaults.
    index_fields BLOB,
    metadata     BLOB NOT NULL DEFAULT X'7B7D',
    -- The last column: what stands before it is read without reading it.
    value        BLOB NOT NULL
);
INSERT INTO new_store_items
    (item_id, namespace, key, value, index_fields, created_at, updated_at, ttl_minutes, expires_at)
SELECT rowid, namespace, key, value, index_fields, created_at, updated_at, ttl_minutes, expires_at
FROM store_items;
DROP TABLE store_items;
ALTER TABLE new_store_items RENAME TO store_items;
CREATE UNIQUE INDEX store_items_by_place ON store_items (owner, namespace, key);
-- Walked, newest first, through namespaces with many items.
CREATE INDEX store_items_by_time ON store_items
    (owner, updated_at, item_id, namespace, expires_at);
CREATE INDEX store_items_by_expiry ON store_items (expires_at) WHERE expires_at IS NOT NULL;

-- An item's vectors, one after another: float32, little-endian, each of length 1.
CREATE TABLE store_vectors (
    item_id INTEGER PRIMARY KEY REFERENCES store_items ON DELETE CASCADE,
    dims    INTEGER NOT NULL,
    vectors BLOB NOT NULL
);
CREATE INDEX store_vectors_by_dims ON store_vectors (dims);
