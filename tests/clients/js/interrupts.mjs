// Questions of graphs, their answers, and commands.
import assert from "node:assert/strict";
import { all, client, events, finish, step, threadOf } from "./lib.mjs";

const shown = (interrupts) => interrupts.map(({ id, value }) => ({ id, value }));

step("a question is seen in the result, on the thread and in its state", async () => {
  const threadId = await threadOf();
  const asked = await client.runs.wait(threadId, "ask", { input: { q: "name?" } });
  assert.deepEqual(asked.__interrupt__[0].value, { question: "name?" });
  const thread = await client.threads.get(threadId);
  assert.equal(thread.status, "interrupted");
  assert.deepEqual(shown(Object.values(thread.interrupts)[0]), shown(asked.__interrupt__));
  const state = await client.threads.getState(threadId);
  assert.deepEqual(shown(state.tasks[0].interrupts), shown(asked.__interrupt__));
  const answered = await client.runs.wait(threadId, "ask", { command: { resume: "Ann" } });
  assert.deepEqual(answered.log, ["prepare", "human", "finish:Ann"]);
});

step("an answer can be streamed, and be meant for one question of several", async () => {
  const threadId = await threadOf();
  const asked = await client.runs.wait(threadId, "fan", { input: { items: [1, 2] } });
  const [first, second] = asked.__interrupt__;
  const rest = await client.runs.wait(threadId, "fan", { command: { resume: { [first.id]: "one" } } });
  assert.deepEqual(rest.__interrupt__.map((each) => each.id), [second.id]);
  const parts = await all(
    client.runs.stream(threadId, "fan", {
      command: { resume: { [second.id]: "two" } },
      streamMode: ["updates", "values"],
    }),
  );
  assert.ok(!events(parts).includes("error"));
  assert.equal((await client.threads.get(threadId)).status, "idle");
});

step("a command updates the state and goes to a node", async () => {
  const threadId = await threadOf();
  await client.runs.wait(threadId, "echo", { input: { text: "s" } });
  const values = await client.runs.wait(threadId, "echo", {
    command: { update: { log: ["told"] }, goto: "b" },
  });
  assert.deepEqual(values.log, ["a:s", "b", "told", "b"]);
  const sent = await client.runs.wait(threadId, "echo", {
    command: { goto: [{ node: "b", input: { text: "x" } }] },
  });
  assert.equal(sent.log.at(-1), "b");
});

step("a run stops before or after the nodes it is told to", async () => {
  const threadId = await threadOf();
  await client.runs.wait(threadId, "echo", { input: { text: "s" }, interruptBefore: ["b"] });
  assert.deepEqual((await client.threads.getState(threadId)).next, ["b"]);
  const values = await client.runs.wait(threadId, "echo", { input: null, interruptAfter: "*" });
  assert.deepEqual(values.log, ["a:s", "b"]);
});

step("a question inside a subgraph is found in the state of the subgraph", async () => {
  const threadId = await threadOf();
  await client.runs.wait(threadId, "parent", { input: { text: "t", stop: true } });
  const state = await client.threads.getState(threadId, undefined, { subgraphs: true });
  assert.deepEqual(state.tasks[0].state.next, ["sub_two"]);
  const values = await client.runs.wait(threadId, "parent", { command: { resume: "go" } });
  assert.equal(values.log.at(-1), "sub_two:go");
});

await finish();
