import { statSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StatusView } from "@sluice/local";
import type { ChildPlatform } from "../../packages/cli/src/child-platform.ts";
import { startTestPlatform, toManifest } from "../support/test-platform.ts";

let platform: ChildPlatform;
let ports: StatusView["ports"];

beforeAll(async () => {
  platform = await startTestPlatform([{ name: "hello" }, { name: "other" }]);
  ({ ports } = await platform.control.status());
});

afterAll(async () => void (await platform.stop()));

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function send(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, method, path, agent: false, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    call.once("error", reject);
    call.end(body);
  });
}

const controlEndpoints = [
  { name: "activator admin", port: "admin", path: "/metrics" },
  { name: "scale endpoint", port: "aggregator", path: "/v1/scale" },
  { name: "feed", port: "feed", path: "/v1/feed" },
] as const;

describe("control endpoints answer programs of this machine and no web page", () => {
  test.each(controlEndpoints)("$name", async ({ port, path }) => {
    const own = { host: `127.0.0.1:${ports[port]}` };
    expect((await send(ports[port], "GET", path, own)).status).toBe(200);
    expect((await send(ports[port], "GET", path, { host: "evil.example" })).status).toBe(403);
    expect((await send(ports[port], "GET", path, { host: `evil.example:${ports[port]}` })).status).toBe(403);
    expect((await send(ports[port], "GET", path, { ...own, origin: "http://evil.example" })).status).toBe(
      403,
    );
    expect((await send(ports[port], "GET", path, { ...own, origin: "null" })).status).toBe(403);
  });
});

describe("a manifest, which starts a command, is taken from nobody but the owner of the socket", () => {
  test.each(["public", "admin", "internal", "aggregator", "feed"] as const)(
    "not on the %s port",
    async (name) => {
      const manifest = toManifest({ name: "smuggled" });
      const body = JSON.stringify({ manifests: [{ text: manifest, name: "x", folder: "/" }] });
      const headers = { host: `127.0.0.1:${ports[name]}`, "content-type": "application/json" };
      for (const path of ["/v1/apply", "/v1/services", "/apply"]) {
        const { status } = await send(ports[name], "POST", path, headers, body);
        expect([404, 405]).toContain(status);
      }
      const services = await platform.control.services();
      expect(services.map(({ name }) => name)).toEqual(["hello", "other"]);
    },
  );

  test("the socket and its folder are closed to everybody else", () => {
    expect(statSync(platform.folder).mode & 0o777).toBe(0o700);
    expect(statSync(`${platform.folder}/control.sock`).mode & 0o777).toBe(0o600);
  });
});

describe("nobody on the public listener is trusted", () => {
  const host = "hello.default.example.com";

  test("a revision that a header names is not the one that answers", async () => {
    const { body } = await send(ports.public, "GET", "/env", {
      host,
      "knative-serving-namespace": "default",
      "knative-serving-revision": "other-00001",
    });
    expect(JSON.parse(body)).toMatchObject({ K_SERVICE: "hello" });
  });

  test("an internal header from outside does not reach the app", async () => {
    const sent = {
      "k-original-host": "evil.example",
      "k-proxy-request": "queue",
      "k-kubelet-probe": "queue",
      "sluice-refused": "closing",
      "x-forwarded-for": "6.6.6.6",
      "x-forwarded-proto": "gopher",
    };
    const { status, body } = await send(ports.public, "GET", "/headers", { host, ...sent });
    const seen = JSON.parse(body) as Record<string, string>;
    expect(status).toBe(200);
    expect(seen["host"]).toBe(host);
    for (const [name, value] of Object.entries(sent)) {
      expect(seen[name] ?? "").not.toContain(value);
    }
  });

  test("a probe's headers and user agent get what anybody gets", async () => {
    const { status, body } = await send(ports.public, "GET", "/pid", {
      host,
      "k-network-probe": "activator",
      "user-agent": "kube-probe/1.36",
    });
    expect(status).toBe(200);
    expect(Number(body)).toBeGreaterThan(0);
  });

  test("a host that no service has is told so", async () => {
    const { status, body } = await send(ports.public, "GET", "/", { host: "nobody.example.com" });
    expect(status).toBe(404);
    expect(body).toContain("nobody.example.com");
  });

  test("a host of the cluster alone is not known outside", async () => {
    expect(
      (await send(ports.public, "GET", "/pid", { host: "hello.default.svc.cluster.local" })).status,
    ).toBe(404);
    expect(
      (await send(ports.internal, "GET", "/pid", { host: "hello.default.svc.cluster.local" })).status,
    ).toBe(200);
  });
});
