// Streams that are joined, left, cut and taken up again.
import assert from "node:assert/strict";
import { all, client, cutting, events, finish, step, threadOf } from "./lib.mjs";

const resumable = { streamMode: ["values", "updates", "custom"], streamResumable: true };

async function resumableRun(graph, input) {
  const threadId = await threadOf();
  const parts = await all(client.runs.stream(threadId, graph, { input, ...resumable }));
  return { threadId, parts, runId: parts[0].data.run_id };
}

step("a stream is joined from its beginning, and from any of its events", async () => {
  const { threadId, parts, runId } = await resumableRun("echo", { text: "s" });
  const ids = parts.map((part) => part.id);
  assert.ok(ids.every(Boolean));
  const whole = await all(client.runs.joinStream(threadId, runId, { lastEventId: "-1" }));
  assert.deepEqual(whole, parts);
  for (const [position, id] of ids.entries()) {
    const rest = await all(client.runs.joinStream(threadId, runId, { lastEventId: id }));
    assert.deepEqual(rest, parts.slice(position + 1));
  }
});

step("a joined stream shows the modes that are asked for", async () => {
  const { threadId, parts, runId } = await resumableRun("echo", { text: "s" });
  const found = await all(
    client.runs.joinStream(threadId, runId, {
      lastEventId: "-1",
      streamMode: ["values", "updates"],
    }),
  );
  assert.deepEqual(found.filter((part) => part.event !== "metadata"), parts.slice(1));
});

step("a running run is joined, and left without harm", async () => {
  const threadId = await threadOf();
  const run = await client.runs.create(threadId, "slow", {
    input: { seconds: 0.3 },
    streamMode: ["custom", "values"],
    streamResumable: true,
  });
  const leaving = client.runs.joinStream(threadId, run.run_id, { lastEventId: "-1" });
  await leaving.next();
  await leaving.return();
  const controller = new AbortController();
  const rest = await all(
    client.runs.joinStream(threadId, run.run_id, {
      signal: controller.signal,
      cancelOnDisconnect: false,
      lastEventId: "-1",
    }),
  );
  assert.equal(rest.at(-1).event, "values");
  assert.equal((await client.runs.get(threadId, run.run_id)).status, "success");
});

step("a cut stream goes on by itself, without loss or repetition", async () => {
  const { parts } = await resumableRun("parent", { text: "t" });
  for (let chunks = 1; chunks < parts.length; chunks++) {
    const { client: broken, requests } = cutting(chunks, 1);
    const threadId = await threadOf();
    const found = await all(
      broken.runs.stream(threadId, "parent", { input: { text: "t" }, ...resumable }),
    );
    assert.deepEqual(events(found), events(parts), `cut after ${chunks}`);
    const again = requests.filter((request) => request.path.endsWith("/stream")).slice(1);
    assert.ok(again.every((request) => request.method === "GET" && request.from));
  }
});

step("the run that a cut stream follows can be cut again and again", async () => {
  const { parts } = await resumableRun("echo", { text: "s" });
  const { client: broken, requests } = cutting(1, 3);
  const found = await all(
    broken.runs.stream(await threadOf(), "echo", { input: { text: "s" }, ...resumable }),
  );
  assert.deepEqual(events(found), events(parts));
  assert.ok(requests.length >= 2);
});

step("the streams of a thread are joined", async () => {
  const threadId = await threadOf();
  const controller = new AbortController();
  const stream = client.threads.joinStream(threadId, {
    streamMode: "run_modes",
    signal: controller.signal,
    lastEventId: "0-0",
  });
  const first = stream.next();
  await client.runs.wait(threadId, "echo", { input: { text: "s" } });
  const found = [(await first).value];
  while (found.at(-1).data?.status !== "run_done") found.push((await stream.next()).value);
  assert.equal(found[0].event, "metadata");
  assert.ok(found.every((part) => part.id));
  controller.abort();
});

await finish();
