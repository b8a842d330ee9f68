import { KubeConfig } from "@kubernetes/client-node";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ApiClient } from "../../packages/scaler/src/api-client.ts";
import { MountedCertificate } from "../support/certificate.ts";

/** An API server that speaks HTTP/2, as real ones do, behind a network that can go silent without closing anything. */
let api: Http2SecureServer;
let network: Server;
let client: ApiClient;
const passing = new Set<Socket>();
let connections = 0;

function portOf(server: Server | Http2SecureServer): number {
  return (server.address() as AddressInfo).port;
}

/** What is open now carries nothing any more; new connections do. */
function cut(): void {
  for (const socket of passing) {
    socket.unpipe();
    socket.removeAllListeners("data");
    socket.resume();
  }
  passing.clear();
}

beforeEach(async () => {
  using certificate = new MountedCertificate("localhost");
  const [key, cert] = ["tls.key", "tls.crt"].map((name) => readFileSync(join(certificate.folder, name)));
  if (key === undefined || cert === undefined) throw new Error("openssl made both");
  api = createSecureServer({ key, cert });
  api.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    stream.respond({ ":status": 200, "content-type": "application/json" });
    if (headers[":path"] === "/watch") stream.write("{}\n");
    else stream.end('{"kind":"Status"}');
  });
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
  connections = 0;
  network = createServer((socket) => {
    connections++;
    const upstream = connect(portOf(api), "127.0.0.1");
    socket.pipe(upstream).pipe(socket);
    for (const end of [socket, upstream]) {
      passing.add(end);
      end.on("error", () => undefined);
    }
  });
  network.listen(0, "127.0.0.1");
  await once(network, "listening");
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: "test", server: `https://localhost:${portOf(network)}`, skipTLSVerify: true },
    { name: "user", token: "t" },
  );
  client = new ApiClient(config);
});

afterEach(async () => {
  await client.close();
  network.close();
  api.close();
});

test("a connection that went silent is given up when a call finds out, and its watches end with it", async () => {
  const watch = await client.watch("/watch", "whole", new AbortController().signal);
  const lines = watch[Symbol.asyncIterator]();
  expect(String((await lines.next()).value)).toBe("{}\n");
  expect(await client.call("GET", "/call")).toEqual({ kind: "Status" });
  expect(connections).toBe(1);
  cut();
  const [next, call] = await Promise.allSettled([
    lines.next(),
    client.call("GET", "/call", { timeoutMs: 5000 }),
  ]);
  expect([next.status, call.status]).toEqual(["rejected", "rejected"]);
  expect(await client.call("GET", "/call")).toEqual({ kind: "Status" });
  expect(connections).toBe(2);
});
