// What the scripts share: the SDK under test, the server, and named steps.
//   node SCRIPT.mjs URL SDK_PACKAGE
import assert from "node:assert/strict";

const [, , url, sdk = "@langchain/langgraph-sdk"] = process.argv;

export const baseUrl = url;
export const { Client, overrideFetchImplementation } = await import(sdk);
export const client = new Client({ apiUrl: url, apiKey: null });

const steps = [];

export function step(name, run) {
  steps.push([name, run]);
}

/** Run all steps one after the other; the first that fails ends the script with its name. */
export async function finish() {
  for (const [name, run] of steps) {
    try {
      await run();
    } catch (error) {
      console.error(`FAILED: ${name}\n`, error);
      process.exit(1);
    }
    console.log(`ok: ${name}`);
  }
  process.exit(0);
}

export async function all(stream) {
  const found = [];
  for await (const part of stream) found.push(part);
  return found;
}

export const events = (parts) => parts.map((part) => part.event);

export async function threadOf(options = {}) {
  return (await client.threads.create(options)).thread_id;
}

/** Wait until something is true, at most ten seconds. */
export async function until(test, what) {
  const deadline = Date.now() + 10_000;
  while (!(await test())) {
    assert.ok(Date.now() < deadline, `timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A client whose connections break: each stream after `chunks` pieces, as long as `times` lasts. */
export function cutting(chunks, times) {
  const requests = [];
  const fetch = async (address, init) => {
    const { pathname, search } = new URL(address);
    const headers = new Headers(init?.headers);
    const method = init?.method ?? "GET";
    requests.push({ method, path: pathname + search, from: headers.get("last-event-id") });
    const response = await globalThis.fetch(address, init);
    const streams = response.headers.get("content-type")?.startsWith("text/event-stream");
    if (!streams || times-- <= 0) return response;
    return new Response(cut(response.body, chunks), response);
  };
  const made = new Client({ apiUrl: url, apiKey: null, callerOptions: { fetch, maxRetries: 0 } });
  return { client: made, requests };
}

/** A body that breaks after some pieces, but not before they were read. */
export function cut(body, chunks) {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (chunks-- <= 0) {
        await reader.cancel();
        controller.error(new TypeError("terminated"));
      } else if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}
