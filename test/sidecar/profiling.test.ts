import { request } from "node:http";
import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";
import { describe, expect, test } from "vitest";
import { ask, startTestSidecar } from "../support/sidecar-harness.ts";

const enabled = { OBSERVABILITY_CONFIG: '{"runtime":{"profiling":"enabled"}}', PROFILING_PORT: "0" };

function getBytes(
  port: number,
  path: string,
): Promise<{ status: number; type: string | undefined; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, agent: false })
      .on("error", reject)
      .on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => void chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers["content-type"],
            bytes: Buffer.concat(chunks),
          }),
        );
      })
      .end();
  });
}

/** What pprof calls the values, and the functions that were seen. */
async function getProfile(
  port: number,
  path: string,
): Promise<{ values: string[]; functions: string[]; total: number }> {
  const { status, type, bytes } = await getBytes(port, path);
  expect({ status, type }).toEqual({ status: 200, type: "application/octet-stream" });
  const profile = Profile.decode(gunzipSync(bytes));
  const { strings } = profile.stringTable;
  return {
    values: profile.sampleType.map(
      ({ type: name, unit }) => `${strings[Number(name)]}/${strings[Number(unit)]}`,
    ),
    functions: profile.function.map(({ name }) => strings[Number(name)] ?? ""),
    total: profile.sample.reduce((sum, { value }) => sum + Number(value[0]), 0),
  };
}

describe("profiling", () => {
  test("there is no port unless it is enabled", async () => {
    expect((await startTestSidecar(1)).ports.profiling).toBe(0);
  });

  test("CPU time and memory are told in pprof's format, with the names of functions", async () => {
    const { ports } = await startTestSidecar(1, enabled);
    const profile = getProfile(ports.profiling, "/debug/pprof/profile?seconds=0.3");
    // Something to see: the sidecar works in this process.
    for (let asked = 0; asked < 50; asked++) await ask(ports.stats, { path: "/metrics" });
    const cpu = await profile;
    expect(cpu.values).toEqual(["samples/count", "cpu/nanoseconds"]);
    expect(cpu.total).toBeGreaterThan(0);
    expect(cpu.functions.length).toBeGreaterThan(5);
    const heap = await getProfile(ports.profiling, "/debug/pprof/heap");
    expect(heap.values).toEqual(["inuse_space/bytes"]);
  });

  test("one CPU profile at a time, as in Go; a caller who leaves makes room", async () => {
    const { ports } = await startTestSidecar(1, enabled);
    const leaving = new AbortController();
    const first = ask(ports.profiling, { path: "/debug/pprof/profile?seconds=60", signal: leaving.signal });
    first.catch(() => undefined);
    let second = await ask(ports.profiling, { path: "/debug/pprof/profile?seconds=0.01" });
    while (second.status === 200)
      second = await ask(ports.profiling, { path: "/debug/pprof/profile?seconds=0.01" });
    expect(second).toMatchObject({ status: 500, body: expect.stringContaining("already in use") });
    leaving.abort();
    while ((await ask(ports.profiling, { path: "/debug/pprof/profile?seconds=0.01" })).status !== 200);
  });

  test("the rest is as in Go: index, command line, and 404 for what is not there", async () => {
    const { ports } = await startTestSidecar(1, enabled);
    const index = await ask(ports.profiling, { path: "/debug/pprof/" });
    expect(index.body).toContain('<a href="heap">');
    expect((await ask(ports.profiling, { path: "/debug/pprof/cmdline" })).body.split("\0")).toEqual(
      process.argv,
    );
    expect(await ask(ports.profiling, { path: "/debug/pprof/nothing" })).toMatchObject({
      status: 404,
      body: "Unknown profile\n",
    });
    expect((await ask(ports.profiling, { path: "/" })).status).toBe(404);
    expect((await ask(ports.profiling, { path: "/debug/pprof/heap", method: "POST" })).status).toBe(405);
  });
});
