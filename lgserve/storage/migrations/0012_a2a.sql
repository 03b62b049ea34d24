-- Tasks of A2A: a task is named by its first run, and each of its turns is a run. How a task stands is
-- not kept: it is what its latest run says.
CREATE TABLE a2a_tasks (
    -- Of its first run.
    task_id      TEXT PRIMARY KEY,
    thread_id    TEXT NOT NULL REFERENCES threads ON DELETE CASCADE,
    assistant_id TEXT NOT NULL,
    -- The name that the client gave to the thread.
    context_id   TEXT NOT NULL
);
CREATE INDEX a2a_tasks_by_thread ON a2a_tasks (thread_id);
CREATE INDEX a2a_tasks_by_assistant ON a2a_tasks (assistant_id);

CREATE TABLE a2a_turns (
    number   INTEGER PRIMARY KEY,
    run_id   TEXT NOT NULL UNIQUE REFERENCES runs ON DELETE CASCADE,
    task_id  TEXT NOT NULL REFERENCES a2a_tasks ON DELETE CASCADE,
    -- What the client said; NULL for a run that was not asked for over A2A.
    message  BLOB,
    -- How many messages the thread's state had then; NULL if that is not known.
    position INTEGER,
    -- 1 if its run ended with questions, 2 if the client did not want to answer them.
    waiting  INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX a2a_turns_by_task ON a2a_turns (task_id, number);

-- Who is told of a task.
CREATE TABLE a2a_pushes (
    task_id     TEXT NOT NULL REFERENCES a2a_tasks ON DELETE CASCADE,
    config_id   TEXT NOT NULL,
    version     TEXT NOT NULL,
    url         TEXT NOT NULL,
    token       BLOB,
    scheme      TEXT,
    credentials BLOB,
    PRIMARY KEY (task_id, config_id)
) WITHOUT ROWID;
