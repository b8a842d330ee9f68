import { describe, expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

describe("bounds of what is held", () => {
  test.each([
    {
      settings: { SLUICE_MAX_HELD_REQUESTS_PER_REVISION: "2" },
      bound: "revision-requests",
      body: "too many requests wait for this revision\n",
    },
    {
      settings: { SLUICE_MAX_HELD_BYTES_PER_REVISION: "2200" },
      bound: "revision-bytes",
      body: "requests that wait for this revision take too much memory\n",
    },
    {
      settings: { SLUICE_MAX_HELD_REQUESTS: "2" },
      bound: "process-requests",
      body: "too many requests wait in this activator\n",
    },
    {
      settings: { SLUICE_MAX_HELD_BYTES: "2200" },
      bound: "process-bytes",
      body: "requests that wait in this activator take too much memory\n",
    },
  ])("$bound", async ({ settings, bound, body }) => {
    await using harness = await Harness.start({ settings });
    const held = [0, 1].map(() => harness.call({ method: "POST", body: "x".repeat(600) }));
    await harness.untilHeld(2);
    const reply = await harness.call({ method: "POST", body: "x".repeat(600) });
    expect([reply.status, reply.body, reply.headers["retry-after"]]).toEqual([503, body, "1"]);
    const series = `sluice_activator_hold_rejections_total{namespace="default",revision="hello-00001",bound="${bound}"}`;
    expect(await harness.metric(series)).toBe(1);
    await harness.addPod();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await harness.metric("sluice_activator_held_bytes")).toBe(0);
  });

  test("time: who waited long enough is told so", async () => {
    await using harness = await Harness.start({ settings: { SLUICE_MAX_HOLD_TIME: "30ms" } });
    await harness.aggregator?.until(() => harness.aggregator?.handshakes.length === 1);
    const reply = await harness.call();
    expect([reply.status, reply.body, reply.headers["retry-after"]]).toEqual([
      503,
      "no pod became ready in time\n",
      "1",
    ]);
    const series = `sluice_activator_hold_rejections_total{namespace="default",revision="hello-00001",bound="process-time"}`;
    expect(await harness.metric(series)).toBe(1);
  });
});

describe("what was held is released in the order in which it came", () => {
  async function holdInOrder(harness: Harness, count: number): Promise<Promise<{ status: number }>[]> {
    const replies: Promise<{ status: number }>[] = [];
    for (let index = 0; index < count; index++) {
      replies.push(harness.call({ path: `/${index}` }));
      await harness.untilHeld(index + 1);
    }
    return replies;
  }

  const numberOf = ({ url }: { url?: string | undefined }): number => Number(url?.slice(1));

  test("exactly, to a pod that runs one request at a time", async () => {
    await using harness = await Harness.start({
      objects: [makeRevision({ containerConcurrency: 1 }), makeService()],
    });
    const replies = await holdInOrder(harness, 50);
    const pod = await harness.addPod();
    await Promise.all(replies);
    expect(pod.requests.map(numberOf)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  test("to three pods of two: whoever has a free slot gets the one that came first", async () => {
    await using harness = await Harness.start({
      objects: [makeRevision({ containerConcurrency: 2 }), makeService()],
    });
    const replies = await holdInOrder(harness, 30);
    const arrived: number[] = [];
    const finish: (() => void)[] = [];
    for (const name of ["a", "b", "c"])
      await harness.addPod(name, (request, response) => {
        arrived.push(numberOf(request));
        finish.push(() => response.end("ok"));
      });
    // One request ends at a time, so that nothing but the policy decides who is next.
    for (let ended = 0; ended < 30; ended++) {
      const running = Math.min(30, ended + 6);
      while (arrived.length < running) await new Promise((resolve) => setImmediate(resolve));
      finish[ended]?.();
    }
    await Promise.all(replies);
    expect(arrived.slice(0, 6).toSorted((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(arrived.slice(6)).toEqual(Array.from({ length: 24 }, (_, index) => index + 6));
  });
});

describe("a revision that cannot start", () => {
  test("is not waited for: whoever is held and whoever comes gets the platform's reason", async () => {
    await using harness = await Harness.start();
    const held = harness.call();
    await harness.untilHeld(1);
    harness.feed.put(makeRevision({ failure: { reason: "ImagePullBackOff", message: "no such image" } }));
    const expected = [503, "the revision cannot start: ImagePullBackOff: no such image\n"];
    const first = await held;
    expect([first.status, first.body]).toEqual(expected);
    const second = await harness.call();
    expect([second.status, second.body]).toEqual(expected);
  });
});

describe("clients that go away", () => {
  test("leave the queue at once and count as 499, not as an error of ours", async () => {
    await using harness = await Harness.start();
    const abort = new AbortController();
    const gone = Array.from({ length: 30 }, () => harness.call({ signal: abort.signal }));
    await harness.untilHeld(30);
    abort.abort();
    await Promise.allSettled(gone);
    await harness.untilHeld(0);
    const series = `sluice_activator_requests_total{namespace="default",revision="hello-00001",code="499"}`;
    await harness.untilMetric(series, (count) => count === 30);
    const pod = await harness.addPod();
    expect((await harness.call()).status).toBe(200);
    expect(pod.requests.length).toBe(1);
  });

  test("cancel what runs for them", async () => {
    await using harness = await Harness.start();
    const abort = new AbortController();
    const pod = await harness.addPod("a", () => undefined);
    const reply = harness.call({ signal: abort.signal });
    while (pod.running === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    await expect(reply).rejects.toThrow(/abort/i);
    while (pod.running > 0) await new Promise((resolve) => setImmediate(resolve));
    await harness.untilMetric("sluice_activator_inside_requests", (inside) => inside === 0);
  });
});

describe("the waiting page", () => {
  const service = makeService({ annotations: { "sluice.dev/waiting-page": "enabled" } });
  const navigate = { headers: { "Sec-Fetch-Mode": "navigate" } };

  test("is for browsers that open a page at zero, and wakes the revision", async () => {
    await using harness = await Harness.start({ objects: [makeRevision(), service] });
    await harness.aggregator?.until(() => harness.aggregator?.handshakes.length === 1);
    const reply = await harness.call(navigate);
    expect(reply.status).toBe(503);
    expect(reply.headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "retry-after": "1",
      "cache-control": "no-store",
    });
    expect(reply.body).toContain('http-equiv="refresh"');
    await harness.aggregator?.until((stats) => stats.some(({ stat }) => stat.requestCount === 1));
    await harness.addPod();
    await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 1);
    expect((await harness.call(navigate)).body).toBe("hello\n");
  });

  test("is not shown for a revision that cannot start: who would wait hears why it is in vain", async () => {
    const failure = { reason: "CrashLoopBackOff", message: "exited with code 1" };
    await using harness = await Harness.start({ objects: [makeRevision({ failure }), service] });
    const reply = await harness.call(navigate);
    expect([reply.status, reply.body]).toEqual([
      503,
      "the revision cannot start: CrashLoopBackOff: exited with code 1\n",
    ]);
  });

  test.each([
    { name: "a program", service, call: {} },
    { name: "a form that is sent", service, call: { ...navigate, method: "POST" } },
    { name: "a browser where the service does not ask for it", service: makeService(), call: navigate },
  ])("$name is held as ever", async ({ service: one, call }) => {
    await using harness = await Harness.start({ objects: [makeRevision(), one] });
    const reply = harness.call(call);
    await harness.untilHeld(1);
    await harness.addPod();
    expect((await reply).body).toBe("hello\n");
  });
});

describe("cold-start anatomy", () => {
  test("a held request says what it waited for; the phases add up to the time to its first byte", async () => {
    await using harness = await Harness.start({ settings: { SLUICE_SERVER_TIMING: "true" } });
    const reply = harness.call();
    await harness.untilHeld(1);
    const now = new Date().toISOString();
    harness.feed.put(
      makeRevision({
        applied: { replicas: 1, mode: "proxy", modeSince: now, decidedAt: now, scaledAt: now },
      }),
    );
    await harness.addPod();
    const { headers } = await reply;
    const timing = String(headers["server-timing"]);
    const phases = new Map(
      timing.split(", ").map((part) => {
        const [name = "", duration = ""] = part.split(";dur=");
        return [name, Number(duration)];
      }),
    );
    expect([...phases.keys()]).toEqual(["queued", "decided", "scaled", "address", "probe", "first-byte"]);
    for (const duration of phases.values()) expect(duration).toBeGreaterThanOrEqual(0);
    const count = await harness.metric(`sluice_activator_cold_start_phase_seconds_count{phase="probe"}`);
    expect(count).toBe(1);
    expect(await harness.metric(`sluice_activator_cold_start_phase_seconds_count{phase="queued"}`)).toBe(1);
    const warm = await harness.call();
    expect(warm.headers["server-timing"]).toBeUndefined();
  });

  test("a request that waited for a slot of a pod that works is no cold start", async () => {
    await using harness = await Harness.start({
      settings: { SLUICE_SERVER_TIMING: "true" },
      objects: [makeRevision({ containerConcurrency: 1 }), makeService()],
    });
    const finish: (() => void)[] = [];
    await harness.addPod("a", (_request, response) => finish.push(() => response.end("ok")));
    await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 1);
    const first = harness.call();
    while (finish.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = harness.call();
    await harness.untilHeld(1);
    finish.shift()?.();
    while (finish.length === 0) await new Promise((resolve) => setImmediate(resolve));
    finish.shift()?.();
    expect([(await first).headers["server-timing"]]).toEqual([undefined]);
    expect((await second).headers["server-timing"]).toMatch(/^queued;dur=/);
    const count = await harness.metric(`sluice_activator_cold_start_phase_seconds_count{phase="probe"}`);
    expect(count).toBe(0);
  });
});
