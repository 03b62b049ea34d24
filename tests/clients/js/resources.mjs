// Assistants, threads with their state and history, and the store.
import assert from "node:assert/strict";
import { client, finish, step, threadOf } from "./lib.mjs";

step("assistants are made, found, changed and removed", async () => {
  const made = await client.assistants.create({
    graphId: "echo",
    name: "js one",
    metadata: { from: "js" },
    config: { tags: ["t"] },
  });
  assert.equal((await client.assistants.get(made.assistant_id)).name, "js one");
  const changed = await client.assistants.update(made.assistant_id, { name: "js two" });
  assert.deepEqual([changed.name, changed.version], ["js two", 2]);
  const found = await client.assistants.search({ metadata: { from: "js" }, limit: 5 });
  assert.deepEqual(found.map((each) => each.assistant_id), [made.assistant_id]);
  assert.equal(await client.assistants.count({ metadata: { from: "js" } }), 1);
  const versions = await client.assistants.getVersions(made.assistant_id);
  assert.deepEqual(versions.map((each) => each.version), [2, 1]);
  assert.equal((await client.assistants.setLatest(made.assistant_id, 1)).name, "js one");
  await client.assistants.delete(made.assistant_id);
  await assert.rejects(client.assistants.get(made.assistant_id), /404/);
});

step("a page of assistants tells where the next one begins", async () => {
  const first = await client.assistants.search({ limit: 2, includePagination: true });
  assert.equal(first.assistants.length, 2);
  assert.equal(first.next, "2");
});

step("a graph is drawn and described", async () => {
  const graph = await client.assistants.getGraph("parent", { xray: true });
  const names = graph.nodes.map((node) => node.id);
  assert.ok(names.includes("child:sub_one"), names.join());
  const schemas = await client.assistants.getSchemas("echo");
  assert.equal(schemas.graph_id, "echo");
  assert.ok(schemas.input_schema.properties.text);
  const subgraphs = await client.assistants.getSubgraphs("parent", { recurse: true });
  assert.deepEqual(Object.keys(subgraphs), ["child"]);
});

step("threads are made, found, changed, copied and removed", async () => {
  const mark = crypto.randomUUID();
  const made = await client.threads.create({ metadata: { mark }, graphId: "echo" });
  assert.equal(made.metadata.graph_id, "echo");
  const again = await client.threads.create({ threadId: made.thread_id, ifExists: "do_nothing" });
  assert.equal(again.created_at, made.created_at);
  await client.runs.wait(made.thread_id, "echo", { input: { text: "s" } });
  const copied = await client.threads.copy(made.thread_id);
  assert.deepEqual(copied.values, { text: "s", log: ["a:s", "b"], n: 2 });
  const found = await client.threads.search({
    metadata: { mark },
    sortBy: "created_at",
    sortOrder: "asc",
    select: ["thread_id", "values"],
  });
  assert.deepEqual(found.map((each) => each.thread_id), [made.thread_id, copied.thread_id]);
  assert.equal(await client.threads.count({ metadata: { mark } }), 2);
  const patched = await client.threads.update(made.thread_id, { metadata: { more: 1 } });
  assert.deepEqual([patched.metadata.mark, patched.metadata.more], [mark, 1]);
  await client.threads.delete(made.thread_id);
  await assert.rejects(client.threads.get(made.thread_id), /404/);
});

step("a thread can be made from supersteps", async () => {
  const made = await client.threads.create({
    graphId: "echo",
    supersteps: [
      { updates: [{ values: { text: "x" }, asNode: "__input__" }] },
      { updates: [{ values: { log: ["from js"] }, asNode: "a" }] },
    ],
  });
  const state = await client.threads.getState(made.thread_id);
  assert.deepEqual([state.values.log, state.next], [["from js"], ["b"]]);
});

step("state is read, written and gone back to", async () => {
  const threadId = await threadOf();
  await client.runs.wait(threadId, "echo", { input: { text: "s" } });
  const state = await client.threads.getState(threadId);
  assert.deepEqual(state.values, { text: "s", log: ["a:s", "b"], n: 2 });
  const history = await client.threads.getHistory(threadId, { limit: 10 });
  assert.deepEqual(history.map((each) => each.next), [[], ["b"], ["a"], ["__start__"]]);
  const older = await client.threads.getHistory(threadId, {
    before: { configurable: { checkpoint_id: history[1].checkpoint.checkpoint_id } },
    metadata: { source: "loop" },
  });
  assert.deepEqual(older.map((each) => each.next), [["a"]]);
  const byCheckpoint = await client.threads.getState(threadId, history[1].checkpoint);
  assert.deepEqual(byCheckpoint.values, history[1].values);
  const byId = await client.threads.getState(threadId, history[1].checkpoint.checkpoint_id);
  assert.deepEqual(byId.values, history[1].values);
  const written = await client.threads.updateState(threadId, {
    values: { log: ["written"] },
    asNode: "a",
    checkpoint: history[1].checkpoint,
  });
  assert.equal(written.configurable.thread_id, threadId);
  const rerun = await client.runs.wait(threadId, "echo", { input: null });
  assert.deepEqual(rerun.log, ["a:s", "written", "b"]);
});

step("items are put, found and removed", async () => {
  const space = ["js", crypto.randomUUID()];
  await client.store.putItem(space, "one", { n: 1, text: "ä" });
  await client.store.putItem(space, "two", { n: 2 }, { index: false, ttl: 60 });
  const item = await client.store.getItem(space, "one");
  assert.deepEqual([item.value, item.namespace, item.key], [{ n: 1, text: "ä" }, space, "one"]);
  assert.ok(item.createdAt && item.updatedAt);
  const found = await client.store.searchItems(space, { filter: { n: 2 }, limit: 5 });
  assert.deepEqual(found.items.map((each) => each.key), ["two"]);
  const spaces = await client.store.listNamespaces({ prefix: ["js"], maxDepth: 2 });
  assert.ok(spaces.namespaces.some((each) => each[1] === space[1]));
  await client.store.deleteItem(space, "one");
  assert.equal(await client.store.getItem(space, "one"), null);
});

await finish();
