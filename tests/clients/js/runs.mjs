// Runs: waited for, streamed in every mode, queued, listed, cancelled.
import assert from "node:assert/strict";
import { all, client, events, finish, step, threadOf, until } from "./lib.mjs";

const ECHO = { text: "s", log: ["a:s", "b"], n: 2 };
const input = { text: "s" };

step("a run is waited for, with and without a thread", async () => {
  assert.deepEqual(await client.runs.wait(null, "echo", { input }), ECHO);
  const threadId = await threadOf();
  let created;
  const values = await client.runs.wait(threadId, "echo", {
    input,
    metadata: { by: "js" },
    onRunCreated: (params) => (created = params),
  });
  assert.deepEqual(values, ECHO);
  const [run] = await client.runs.list(threadId, { limit: 5 });
  assert.equal(run.metadata.by, "js");
  assert.deepEqual(created, { run_id: run.run_id, thread_id: threadId });
});

step("a failed run is thrown, or returned if that is asked for", async () => {
  await assert.rejects(client.runs.wait(null, "boom", { input: { text: "x" } }), /boom: x/);
  const values = await client.runs.wait(null, "boom", { input: { text: "x" }, raiseError: false });
  assert.equal(values.__error__.error, "ValueError");
});

step("every stream mode arrives under its name", async () => {
  const expected = {
    values: ["values", "values", "values"],
    updates: ["updates", "updates"],
    debug: ["debug"],
    tasks: ["tasks", "tasks", "tasks", "tasks"],
    checkpoints: ["checkpoints"],
    events: ["events"],
  };
  for (const [streamMode, names] of Object.entries(expected)) {
    const parts = await all(client.runs.stream(await threadOf(), "echo", { input, streamMode }));
    assert.equal(parts[0].event, "metadata");
    const kinds = new Set(events(parts.slice(1)));
    assert.deepEqual([...kinds], [...new Set(names)], streamMode);
    if (names.length > 1) assert.equal(parts.length - 1, names.length, streamMode);
  }
});

step("custom data is streamed as it was written", async () => {
  const parts = await all(client.runs.stream(null, "writer", { input: {}, streamMode: "custom" }));
  const data = parts.slice(1).map((part) => part.data);
  assert.deepEqual(data, [{ progress: 1 }, "plain string", ["list", 2]]);
});

step("tokens are streamed, in both forms", async () => {
  const messages = { messages: [{ role: "user", content: "you" }] };
  const tuples = await all(
    client.runs.stream(null, "chat", { input: messages, streamMode: "messages-tuple" }),
  );
  const tokens = tuples.slice(1).map((part) => part.data[0].content);
  assert.deepEqual(tokens.filter(Boolean), ["hello", " ", "you"]);
  const partial = await all(
    client.runs.stream(null, "chat", { input: messages, streamMode: "messages" }),
  );
  const names = new Set(events(partial.slice(1)));
  assert.deepEqual([...names], ["messages/metadata", "messages/partial"]);
  assert.equal(partial.at(-1).data[0].content, "hello you");
});

step("several modes share a stream, subgraphs have their namespace", async () => {
  const parts = await all(
    client.runs.stream(null, "parent", {
      input: { text: "t" },
      streamMode: ["values", "updates"],
      streamSubgraphs: true,
    }),
  );
  const names = new Set(events(parts).map((name) => name.split(":")[0]));
  assert.deepEqual([...names].sort(), [
    "metadata", "updates", "updates|child", "values", "values|child",
  ]);
});

step("onRunCreated hears of a streamed run before its first event", async () => {
  const threadId = await threadOf();
  let created;
  const stream = client.runs.stream(threadId, "echo", {
    input,
    onRunCreated: (params) => (created = params),
  });
  const first = (await stream.next()).value;
  assert.deepEqual(created, { run_id: first.data.run_id, thread_id: threadId });
  await all(stream);
});

step("runs are made, joined, listed and removed", async () => {
  const threadId = await threadOf();
  let created;
  const run = await client.runs.create(threadId, "echo", {
    input,
    onRunCreated: (params) => (created = params),
  });
  assert.equal(created.run_id, run.run_id);
  assert.deepEqual(await client.runs.join(threadId, run.run_id), ECHO);
  assert.equal((await client.runs.get(threadId, run.run_id)).status, "success");
  const done = await client.runs.list(threadId, { status: "success" });
  assert.deepEqual(done.map((each) => each.run_id), [run.run_id]);
  await client.runs.delete(threadId, run.run_id);
  assert.deepEqual(await client.runs.list(threadId), []);
});

step("a batch of runs is made at once", async () => {
  const runs = await client.runs.createBatch([
    { assistantId: "echo", input },
    { assistantId: "echo", input },
  ]);
  assert.equal(runs.length, 2);
  assert.ok(runs.every((run) => run.status === "pending"));
});

step("a run is cancelled; the thread goes on", async () => {
  const threadId = await threadOf();
  const run = await client.runs.create(threadId, "slow", { input: { seconds: 300 } });
  await until(
    async () => (await client.runs.get(threadId, run.run_id)).status === "running", "running",
  );
  await client.runs.cancel(threadId, run.run_id, true, "interrupt");
  assert.equal((await client.runs.get(threadId, run.run_id)).status, "interrupted");
  const values = await client.runs.wait(threadId, "echo", { input });
  assert.ok(values.log.includes("b"));
});

step("a second run is refused, queued, or takes the place of the first", async () => {
  const threadId = await threadOf();
  const first = await client.runs.create(threadId, "slow", { input: { seconds: 300 } });
  await assert.rejects(
    client.runs.create(threadId, "echo", { input, multitaskStrategy: "reject" }), /409/,
  );
  const queued = await client.runs.create(threadId, "echo", {
    input,
    multitaskStrategy: "enqueue",
  });
  await client.runs.cancel(threadId, queued.run_id);
  const values = await client.runs.wait(threadId, "echo", {
    input,
    multitaskStrategy: "interrupt",
  });
  assert.equal(values.text, "s");
  assert.equal((await client.runs.get(threadId, first.run_id)).status, "interrupted");
});

step("leaving a stream cancels the run if that is asked for", async () => {
  const threadId = await threadOf();
  const controller = new AbortController();
  const stream = client.runs.stream(threadId, "slow", {
    input: { seconds: 300 },
    streamMode: "custom",
    onDisconnect: "cancel",
    signal: controller.signal,
  });
  const { value } = await stream.next();
  await stream.next();
  controller.abort();
  const status = async () => (await client.runs.get(threadId, value.data.run_id)).status;
  await until(async () => (await status()) === "interrupted", "interrupted");
});

step("a thread that does not exist is an error of the client's", async () => {
  const nowhere = crypto.randomUUID();
  await assert.rejects(client.runs.wait(nowhere, "echo", { input }), /404/);
  const values = await client.runs.wait(nowhere, "echo", { input, ifNotExists: "create" });
  assert.deepEqual(values, ECHO);
});

await finish();
