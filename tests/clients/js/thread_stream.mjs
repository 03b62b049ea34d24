// Protocol v2: the thread stream, over server-sent events and over a WebSocket.
import assert from "node:assert/strict";
import WebSocket from "ws";
import { baseUrl, Client, client, finish, step, threadOf, until } from "./lib.mjs";

globalThis.WebSocket ??= WebSocket;

/** Read a subscription to the run's life until something happens to its root. */
async function happens(lifecycle, what) {
  while (true) {
    const iterator = lifecycle[Symbol.asyncIterator]();
    for (let each; !(each = await iterator.next()).done; ) {
      const { namespace, data } = each.value.params;
      if (namespace.length === 0 && data.event === what) return;
    }
    assert.ok(lifecycle.isPaused, `the run's life ended without ${what}`);
    await lifecycle.waitForResume();
  }
}

for (const transport of ["sse", "websocket"]) {
  const open = (threadId, assistantId) =>
    client.threads.stream(threadId, { assistantId, transport });

  step(`${transport}: a run is started and its values arrive`, async () => {
    const thread = open(await threadOf(), "echo");
    await thread.run.start({ input: { text: "s" } });
    assert.deepEqual(await thread.output, { text: "s", log: ["a:s", "b"], n: 2 });
    await thread.close();
  });

  step(`${transport}: messages arrive token by token`, async () => {
    const thread = open(await threadOf(), "chat");
    const messages = thread.messages;
    await thread.run.start({ input: { messages: [{ role: "user", content: "you" }] } });
    const found = [];
    for await (const message of messages) {
      found.push(await message.text);
    }
    assert.ok(found.includes("hello you"), JSON.stringify(found));
    await thread.close();
  });

  step(`${transport}: a question is asked and answered`, async () => {
    const threadId = await threadOf();
    const thread = open(threadId, "ask");
    const lifecycle = await thread.subscribe("lifecycle");
    await thread.run.start({ input: { q: "name?" } });
    await happens(lifecycle, "interrupted");
    // The SDK reads the question on a connection of its own.
    await until(() => thread.interrupts.length > 0, "the question");
    assert.equal(thread.interrupted, true);
    const [asked] = thread.interrupts;
    assert.deepEqual(asked.payload, { question: "name?" });
    await thread.input.respond({
      interrupt_id: asked.interruptId,
      namespace: asked.namespace,
      response: "Ann",
    });
    await happens(lifecycle, "completed");
    const { values } = await client.threads.getState(threadId);
    assert.deepEqual(values.log, ["prepare", "human", "finish:Ann"]);
    await thread.close();
  });

  step(`${transport}: channels are subscribed to one by one`, async () => {
    const thread = open(await threadOf(), "writer");
    const custom = await thread.subscribe("custom");
    await thread.run.start({ input: {} });
    const found = [];
    for await (const payload of custom) {
      found.push(payload);
      if (found.length === 3) break;
    }
    assert.equal(found.length, 3);
    await thread.close();
  });

  step(`${transport}: the graphs inside a graph are found`, async () => {
    const thread = open(await threadOf(), "parent");
    const subgraphs = thread.subgraphs;
    await thread.run.start({ input: { text: "t" } });
    const found = [];
    for await (const subgraph of subgraphs) found.push(subgraph.name ?? subgraph.namespace?.[0]);
    assert.ok(found.some((name) => String(name).startsWith("child")), JSON.stringify(found));
    await thread.close();
  });
}

step("a client may speak the protocol by default", async () => {
  const speaking = new Client({ apiUrl: baseUrl, apiKey: null, streamProtocol: "v2-websocket" });
  const thread = speaking.threads.stream(await threadOf(), { assistantId: "echo" });
  await thread.run.start({ input: { text: "s" } });
  assert.equal((await thread.output).n, 2);
  await thread.close();
});

await finish();
