// The SDK in a page of another origin: `fetch` with the rules a browser would apply.
import assert from "node:assert/strict";
import { all, baseUrl, Client, cut, events, finish, step } from "./lib.mjs";

const ORIGIN = "https://chat.example";
const SAFE_METHODS = ["GET", "HEAD", "POST"];
const SAFE_HEADERS = ["accept", "accept-language", "content-language"];
const SAFE_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
const READABLE = [
  "cache-control", "content-language", "content-length", "content-type", "expires",
  "last-modified", "pragma",
];
const preflights = [];
let cuts = 0;

const listed = (text) => (text ?? "").toLowerCase().split(",").map((name) => name.trim());

/** Ask first, as a browser does, and fail as it would. */
async function preflight(address, method, headers) {
  const names = [...headers.keys()].filter(
    (name) =>
      !SAFE_HEADERS.includes(name) &&
      !(name === "content-type" && SAFE_TYPES.includes(headers.get(name))),
  );
  if (SAFE_METHODS.includes(method) && names.length === 0) return;
  const asked = { Origin: ORIGIN, "Access-Control-Request-Method": method };
  if (names.length) asked["Access-Control-Request-Headers"] = names.sort().join(",");
  const answer = await fetch(address, { method: "OPTIONS", headers: asked });
  const allowed = listed(answer.headers.get("access-control-allow-headers"));
  const methods = listed(answer.headers.get("access-control-allow-methods"));
  const everything = allowed.includes("*") && !names.includes("authorization");
  assert.ok(answer.ok, `preflight: ${answer.status}`);
  assert.ok([ORIGIN, "*"].includes(answer.headers.get("access-control-allow-origin")));
  assert.ok(SAFE_METHODS.includes(method) || methods.includes(method.toLowerCase()), method);
  for (const name of names) assert.ok(everything || allowed.includes(name), name);
  preflights.push(...names);
}

/** What a page may call, and what it may see of the answer. */
async function fetchFromPage(address, init = {}) {
  const headers = new Headers(init.headers);
  await preflight(address, init.method ?? "GET", headers);
  headers.set("origin", ORIGIN);
  const response = await fetch(address, { ...init, headers });
  assert.ok([ORIGIN, "*"].includes(response.headers.get("access-control-allow-origin")));
  const exposed = listed(response.headers.get("access-control-expose-headers"));
  const visible = [...response.headers].filter(
    ([name]) => READABLE.includes(name) || exposed.includes(name),
  );
  const empty = [204, 205, 304].includes(response.status);
  const breaks = cuts > 0 && response.headers.get("content-type").startsWith("text/event-stream");
  if (breaks) cuts--;
  const body = empty ? null : breaks ? cut(response.body, 1) : response.body;
  return new Response(body, { status: response.status, headers: visible });
}

const client = new Client({
  apiUrl: baseUrl,
  apiKey: "a-key",
  defaultHeaders: { Authorization: "Bearer token", "x-auth-scheme": "langsmith" },
  callerOptions: { fetch: fetchFromPage, maxRetries: 0 },
});
const input = { text: "s" };

step("a page makes threads, changes and removes them", async () => {
  const { thread_id: threadId } = await client.threads.create();
  await client.threads.update(threadId, { metadata: { page: true } });
  await client.store.putItem(["page"], "key", { v: 1 });
  await client.store.deleteItem(["page"], "key");
  await client.threads.delete(threadId);
  for (const name of ["authorization", "x-api-key", "x-auth-scheme", "content-type"]) {
    assert.ok(preflights.includes(name), name);
  }
});

step("a page hears which run it has begun", async () => {
  const { thread_id: threadId } = await client.threads.create();
  const created = [];
  const onRunCreated = (params) => created.push(params.thread_id);
  await client.runs.wait(threadId, "echo", { input, onRunCreated });
  await client.runs.create(threadId, "echo", { input, onRunCreated });
  await all(client.runs.stream(threadId, "echo", { input, onRunCreated }));
  assert.deepEqual(created, [threadId, threadId, threadId]);
});

step("a page hears where the next page of a list begins", async () => {
  const found = await client.assistants.search({ limit: 1, includePagination: true });
  assert.equal(found.next, "1");
});

step("a page takes up a stream that was cut", async () => {
  const { thread_id: threadId } = await client.threads.create();
  const options = { input, streamMode: ["values"], streamResumable: true };
  cuts = 1;
  const parts = await all(client.runs.stream(threadId, "echo", options));
  assert.deepEqual(events(parts), ["metadata", "values", "values", "values"]);
  assert.ok(preflights.includes("last-event-id"));
});

step("a page can read what went wrong", async () => {
  await assert.rejects(client.threads.get(crypto.randomUUID()), /404.*not found/s);
});

await finish();
