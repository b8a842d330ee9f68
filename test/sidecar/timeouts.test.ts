import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.ts";
import { ask, RawClient, startApp, startTestSidecar, until } from "../support/sidecar-harness.ts";

interface Stage {
  readonly clock: ManualClock;
  readonly main: number;
  /** The app's open responses, in order of arrival. */
  readonly responses: ServerResponse[];
}

/** A sidecar whose time stands still, before an app that answers when the test says so. */
async function setStage(overrides: Readonly<Record<string, string>>): Promise<Stage> {
  const clock = new ManualClock();
  const responses: ServerResponse[] = [];
  const app = await startApp((_request, response) => {
    response.on("error", () => undefined);
    responses.push(response);
  });
  const { ports } = await startTestSidecar(app.port, overrides, clock);
  return { clock, main: ports.main, responses };
}

function last(responses: readonly ServerResponse[]): ServerResponse {
  const response = responses.at(-1);
  if (response === undefined) throw new Error("the app has no request");
  return response;
}

async function isGone(response: ServerResponse): Promise<void> {
  await until(() => response.destroyed);
}

describe("time limits", () => {
  test.each([
    ["the request limit", { REVISION_TIMEOUT_SECONDS: "10" }],
    ["the response-start limit", { REVISION_RESPONSE_START_TIMEOUT_SECONDS: "10" }],
    ["the idle limit", { REVISION_IDLE_TIMEOUT_SECONDS: "10" }],
  ])(
    "%s: a silent app is a 504 whose body has no newline, and its request is cancelled",
    async (_limit, overrides) => {
      const { clock, main, responses } = await setStage(overrides);
      const answer = ask(main);
      await until(() => responses.length === 1);
      clock.advance(9999);
      expect(last(responses).destroyed).toBe(false);
      clock.advance(1);
      expect(await answer).toMatchObject({ status: 504, body: "request timeout" });
      await isGone(last(responses));
    },
  );

  test("waiting for a slot counts: a request that never reached the app is a 504 too", async () => {
    const { clock, main, responses } = await setStage({
      CONTAINER_CONCURRENCY: "1",
      REVISION_TIMEOUT_SECONDS: "10",
    });
    const first = ask(main);
    await until(() => responses.length === 1);
    const second = ask(main);
    clock.advance(5000);
    last(responses).end("done");
    expect((await first).status).toBe(200);
    await until(() => responses.length === 2);
    clock.advance(10_000);
    expect((await second).status).toBe(504);
  });

  test("the response-start limit does not touch an answer that has begun", async () => {
    const { clock, main, responses } = await setStage({ REVISION_RESPONSE_START_TIMEOUT_SECONDS: "10" });
    const client = new RawClient(main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 1);
    last(responses).write("begun");
    await client.waitFor("begun");
    clock.advance(200_000);
    last(responses).end(" and done");
    expect(await client.waitFor("0\r\n\r\n")).toContain(" and done");
  });

  test("an answer of unknown length that takes too long ends with the text, its status unchanged", async () => {
    const { clock, main, responses } = await setStage({ REVISION_TIMEOUT_SECONDS: "10" });
    const answer = ask(main);
    await until(() => responses.length === 1);
    last(responses).write("partial response");
    await until(() => responses.length === 1 && last(responses).writableLength === 0);
    const client = new RawClient(main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 2);
    last(responses).write("partial response");
    await client.waitFor("partial response");
    clock.advance(10_000);
    expect(await answer).toMatchObject({ status: 200, body: "partial responserequest timeout" });
    expect(await client.waitFor("0\r\n\r\n")).toContain("f\r\nrequest timeout\r\n0\r\n\r\n");
  });

  test("an answer of declared length that takes too long is broken off, never filled up", async () => {
    const { clock, main, responses } = await setStage({ REVISION_TIMEOUT_SECONDS: "10" });
    const client = new RawClient(main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 1);
    last(responses).writeHead(200, { "content-length": "100" }).write("partial");
    await client.waitFor("partial");
    clock.advance(10_000);
    expect(await client.waitForClose()).toMatch(/partial$/);
    await isGone(last(responses));
  });

  test("each piece of the answer starts the idle time anew; then its silence ends it", async () => {
    const { clock, main, responses } = await setStage({ REVISION_IDLE_TIMEOUT_SECONDS: "10" });
    const client = new RawClient(main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 1);
    for (const piece of ["one.", "two.", "three."]) {
      last(responses).write(piece);
      await client.waitFor(piece);
      clock.advance(9000);
    }
    clock.advance(1000);
    expect(await client.waitFor("0\r\n\r\n")).toContain("request timeout");
  });

  test("what the app says after the time is over goes nowhere", async () => {
    const { clock, main, responses } = await setStage({ REVISION_TIMEOUT_SECONDS: "10" });
    const client = new RawClient(main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 1);
    clock.advance(10_000);
    await client.waitFor("request timeout");
    last(responses).end("too late");
    client.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 2);
    last(responses).end("next");
    expect(await client.waitFor("next")).not.toContain("too late");
  });

  test("a request limit of 0 ends every request at once", async () => {
    const { clock, main } = await setStage({ REVISION_TIMEOUT_SECONDS: "0" });
    const answer = ask(main);
    const ticking = setInterval(() => clock.advance(1), 1);
    expect((await answer).status).toBe(504);
    clearInterval(ticking);
  });
});
