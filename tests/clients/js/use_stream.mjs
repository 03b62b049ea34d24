// What stands behind `useStream` of every framework: the stream orchestrator.
import assert from "node:assert/strict";
import { StreamOrchestrator } from "@langchain/langgraph-sdk/ui";
import { client, finish, step, until } from "./lib.mjs";

globalThis.window = globalThis; // only a page remembers its runs

/** An orchestrator as a page would make it; `storage` is the session's, where runs are remembered. */
function page(graph, options = {}) {
  const stored = new Map();
  const storage = options.storage ?? {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
    stored,
  };
  const threads = [];
  const made = new StreamOrchestrator(
    {
      assistantId: graph,
      client,
      fetchStateHistory: true,
      reconnectOnMount: () => storage,
      onThreadId: (id) => threads.push(id),
      ...options,
    },
    { getClient: () => client, getAssistantId: () => graph, getMessagesKey: () => "messages" },
  );
  made.initThreadId(options.threadId);
  return Object.assign(made, { threads, storage });
}

const human = (content) => ({ messages: [{ type: "human", content, id: crypto.randomUUID() }] });
const contents = (page) => page.messages.map((message) => message.content);
const idle = (page) => until(() => !page.isLoading && !page.isThreadLoading, "idle");

step("a message makes a thread, streams the answer and loads the history", async () => {
  const chat = page("chat");
  await chat.submit(human("you"), { streamMode: ["messages-tuple", "values"] });
  await idle(chat);
  assert.equal(chat.error, undefined);
  assert.deepEqual(contents(chat), ["you", "hello you"]);
  assert.deepEqual(chat.threads, [chat.threadId]);
  assert.ok(chat.flatHistory.length >= 2);
  await chat.submit(human("again"));
  await idle(chat);
  assert.equal(contents(chat).length, 4);
  assert.ok(chat.getMessagesMetadata(chat.messages[0]).firstSeenState);
  chat.dispose();
});

step("a page that comes back finds the thread as it was", async () => {
  const first = page("chat");
  await first.submit(human("you"));
  await idle(first);
  const second = page("chat", { threadId: first.threadId });
  await until(() => second.messages.length === 2, "the history");
  assert.deepEqual(contents(second), ["you", "hello you"]);
});

step("a question is shown and answered", async () => {
  const asking = page("ask");
  await asking.submit({ q: "name?" });
  await idle(asking);
  assert.deepEqual(asking.interrupt.value, { question: "name?" });
  await asking.submit(undefined, { command: { resume: "Ann" } });
  await idle(asking);
  assert.deepEqual(asking.values.log, ["prepare", "human", "finish:Ann"]);
  assert.equal(asking.interrupt, undefined);
});

step("an edit makes a branch, and one can go back to the other", async () => {
  const chat = page("chat");
  await chat.submit(human("one"));
  await idle(chat);
  const { firstSeenState } = chat.getMessagesMetadata(chat.messages[0]);
  await chat.submit(human("two"), { checkpoint: firstSeenState.parent_checkpoint });
  await idle(chat);
  assert.deepEqual(contents(chat), ["two", "hello two"]);
  const { branch, branchOptions } = chat.getMessagesMetadata(chat.messages[0]);
  assert.equal(branchOptions.length, 2);
  chat.setBranch(branchOptions.find((option) => option !== branch));
  assert.deepEqual(contents(chat), ["one", "hello one"]);
});

step("an answer is made again from the checkpoint before it", async () => {
  const chat = page("chat");
  await chat.submit(human("one"));
  await idle(chat);
  const { firstSeenState } = chat.getMessagesMetadata(chat.messages[1]);
  await chat.submit(undefined, { checkpoint: firstSeenState.parent_checkpoint });
  await idle(chat);
  assert.deepEqual(contents(chat), ["one", "hello one"]);
  const places = Object.values(chat.branchContext.branchByCheckpoint);
  assert.ok(places.some((place) => place.branchOptions?.length === 2));
});

step("an error of the graph is the page's", async () => {
  const failing = page("boom");
  await failing.submit({ text: "x" });
  await idle(failing);
  assert.match(String(failing.error?.message ?? failing.error), /boom: x/);
});

step("stopping cancels the run on the server", async () => {
  const slow = page("slow");
  const running = slow.submit({ seconds: 300 }, { streamMode: ["custom", "values"] });
  await until(() => slow.storage.stored.size === 1, "a run that is remembered");
  const [runId] = slow.storage.stored.values();
  await slow.stop();
  await running;
  const status = async () => (await client.runs.get(slow.threadId, runId)).status;
  await until(async () => (await status()) === "interrupted", "interrupted");
});

step("a page that is loaded again takes up the run it had begun", async () => {
  const first = page("slow");
  void first.submit({ seconds: 0.5 }, { streamMode: ["custom", "values"] });
  await until(() => first.storage.stored.size === 1, "a run that is remembered");
  const second = page("slow", { threadId: first.threadId, storage: first.storage });
  assert.equal(second.tryReconnect(), true);
  await until(() => second.values.log?.includes("slept"), "the end");
  await idle(second);
});

step("messages that are sent meanwhile wait their turn", async () => {
  const echo = page("slow");
  const first = echo.submit({ seconds: 0.2 });
  await until(() => echo.threadId !== undefined, "a thread");
  await echo.submit({ seconds: 0 });
  await echo.submit({ seconds: 0 });
  assert.equal(echo.queueSize, 2);
  await first;
  echo.drainQueue();
  await until(() => echo.queueSize === 0, "the queue");
  await until(() => echo.values.log?.length === 6, "all three runs");
  await idle(echo);
});

step("a queued message is taken back", async () => {
  const echo = page("slow");
  const first = echo.submit({ seconds: 0.3 });
  await until(() => echo.threadId !== undefined, "a thread");
  await echo.submit({ seconds: 300 });
  const [entry] = echo.queueEntries;
  assert.equal(await echo.cancelQueueItem(entry.id), true);
  await first;
  const status = (await client.runs.get(echo.threadId, entry.id)).status;
  assert.equal(status, "interrupted");
});

step("subgraphs are streamed to the page", async () => {
  const seen = [];
  const parent = page("parent", {
    onUpdateEvent: (data, options) => seen.push([options.namespace?.[0]?.split(":")[0], data]),
  });
  await parent.submit({ text: "t" }, { streamSubgraphs: true, streamMode: ["updates", "values"] });
  await idle(parent);
  assert.ok(seen.some(([namespace]) => namespace === "child"));
  assert.equal(parent.values.log.at(0), "outer_start");
});

await finish();
