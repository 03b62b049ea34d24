-- What shows that the key is the one that this database was encrypted with.
CREATE TABLE encryption_check (sealed BLOB NOT NULL);
