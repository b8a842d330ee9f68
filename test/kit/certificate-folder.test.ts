import {
  AdminServer,
  CertificateFolder,
  createMetrics,
  StartError,
  toServerTrust,
  WatchClient,
  WatchHub,
  type WatchClientOptions,
} from "@sluice/kit";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import * as v from "valibot";
import { afterEach, describe, expect, test } from "vitest";
import { MountedCertificate } from "../support/certificate.ts";
import { createRecordingLog, type RecordingLog } from "../support/recording-log.ts";
import { waitUntil } from "../support/wait-until.ts";

const schema = v.object({ n: v.number() });
const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function mount(...names: string[]): MountedCertificate {
  const mounted = new MountedCertificate(...names);
  cleanups.push(() => mounted[Symbol.dispose]());
  return mounted;
}

async function serve(folder: string): Promise<{ port: number; hub: WatchHub<{ n: number }> } & RecordingLog> {
  const hub = new WatchHub<{ n: number }>();
  hub.set("a", { n: 1 });
  hub.markListed();
  const recorded = createRecordingLog();
  const server = new AdminServer({
    address: "127.0.0.1",
    port: 0,
    log: recorded.log,
    metrics: createMetrics(),
    routes: hub.toRoutes("/v1/feed"),
    token: "secret",
    certificates: new CertificateFolder(folder),
    certificateReloadMs: 5,
  });
  cleanups.push(() => hub.close());
  cleanups.push(() => server.close());
  return { port: (await server.listen()).port, hub, ...recorded };
}

function read(port: number, options: Partial<WatchClientOptions<{ n: number }>>) {
  const recorded = createRecordingLog();
  const reader = new WatchClient({
    url: `https://127.0.0.1:${port}/v1/feed`,
    schema,
    log: recorded.log,
    token: "secret",
    backoff: { firstMs: 1, capMs: 5 },
    ...options,
  });
  cleanups.push(() => reader.close());
  return { reader, ...recorded };
}

function readCommonName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

describe("a server with mounted certificates", () => {
  test("is followed over TLS by who has the authority, and acknowledgements come the same way", async () => {
    const mounted = mount("127.0.0.1");
    const { port, hub } = await serve(mounted.folder);
    const { reader } = read(port, { trust: toServerTrust(mounted.folder), acknowledgeAs: "activator-0" });
    await reader.ready;
    expect([...reader.objects]).toEqual([["a", { n: 1 }]]);
    const version = hub.set("b", { n: 2 });
    expect(await hub.waitForAcknowledgement(version, ["activator-0"], 10_000)).toEqual([]);
  });

  test("speaks nothing else: plain HTTP gets no answer, and no token is asked for in the clear", async () => {
    const { port } = await serve(mount("127.0.0.1").folder);
    const socket = connectPlain(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (bytes: Buffer) => (answer += bytes.toString("latin1")));
    socket.on("error", () => socket.destroy());
    socket.write(`GET /v1/feed HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer secret\r\n\r\n`);
    await once(socket, "close");
    expect(answer).not.toContain("HTTP/1.1 2");
  });

  test("still needs the token, and refuses web pages", async () => {
    const mounted = mount("127.0.0.1");
    const { port } = await serve(mounted.folder);
    const ask = (headers: Record<string, string>): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const options = { port, host: "127.0.0.1", path: "/v1/feed", rejectUnauthorized: false };
        const sent = request({ ...options, headers, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.on("error", reject).end();
      });
    expect(await ask({})).toBe(401);
    expect(await ask({ authorization: "Bearer secret", origin: "https://evil.example" })).toBe(403);
    expect(await ask({ authorization: "Bearer secret" })).toBe(200);
  });

  test.each([
    ["whose authority is not known", "127.0.0.1", {}],
    ["with another name", "somebody-else", { hasAuthority: true }],
    ["without the name that was agreed on", "127.0.0.1", { hasAuthority: true, name: "sluice-aggregator" }],
  ])("%s is not followed, however often it is asked", async (_what, certifiedName, client) => {
    const { hasAuthority = false, name } = client as { hasAuthority?: boolean; name?: string };
    const mounted = mount(certifiedName);
    const { port } = await serve(mounted.folder);
    let attempts = 0;
    const token = (): string => {
      attempts++;
      return "secret";
    };
    const { reader, messages } = read(port, {
      token,
      trust: toServerTrust(hasAuthority ? mounted.folder : undefined, name),
    });
    await waitUntil("retries", () => attempts > 2);
    expect(reader.version).toBeUndefined();
    expect(messages("warn")[0]).toMatch(/self-signed|altnames|unable to verify/i);
  });

  test("is judged by the name that was agreed on where it is reached by its address", async () => {
    const mounted = mount("sluice-aggregator");
    const { port } = await serve(mounted.folder);
    const { reader } = read(port, { trust: toServerTrust(mounted.folder, "sluice-aggregator") });
    await reader.ready;
    expect(reader.objects.size).toBe(1);
  });

  test("takes a new pair for new connections, and keeps the old one while the new is half there", async () => {
    const mounted = mount("first");
    const { port, messages } = await serve(mounted.folder);
    expect(await readCommonName(port)).toBe("first");
    writeFileSync(join(mounted.folder, "tls.crt"), "half a certificate");
    await waitUntil("the warning", () => messages("warn").some((line) => line.includes("the old one stays")));
    expect(await readCommonName(port)).toBe("first");
    mounted.replace("second");
    await waitUntil("the change", () =>
      messages("info").some((line) => line.includes("the certificate has changed")),
    );
    expect(await readCommonName(port)).toBe("second");
  });

  test("does not start without a pair: whoever asked for TLS must not get plain text", () => {
    const mounted = mount("first");
    rmSync(join(mounted.folder, "tls.key"));
    const create = (): AdminServer =>
      new AdminServer({
        address: "127.0.0.1",
        port: 0,
        log: createRecordingLog().log,
        metrics: createMetrics(),
        certificates: new CertificateFolder(mounted.folder),
      });
    expect(create).toThrow(StartError);
    expect(create).toThrow(/cannot serve TLS .*tls\.key/);
  });
});
