"""SQLite behind the storage ports: one module a noun, one file a database."""
