import { connect as connectHttp2 } from "node:http2";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import { createLogger } from "@sluice/kit";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { CertificateStore } from "../../packages/activator/src/certificate-store.ts";
import { MountedCertificate } from "../support/certificate.ts";
import { Harness } from "./support/activator-harness.ts";
import { echo } from "./support/fake-pod.ts";

const host = "hello.default.example.com";
const log = createLogger({ name: "test", level: "silent" });

/** The common name of the certificate that a client who asks for `servername` gets. */
async function seeCertificate(port: number, servername: string): Promise<string | undefined> {
  const socket: TLSSocket = connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return Array.isArray(name) ? name[0] : name;
}

async function startWith(
  settings: Readonly<Record<string, string>>,
  ...certificates: MountedCertificate[]
): Promise<Harness> {
  return await Harness.start({
    settings: {
      ...settings,
      SLUICE_TLS_PORT: "0",
      SLUICE_TLS_FOLDERS: certificates.map(({ folder }) => folder).join(","),
    },
  });
}

describe("the gateway over TLS", () => {
  test("shows each name its certificate: exact, wildcard, else the first", async () => {
    using first = new MountedCertificate("first.example.org");
    using exact = new MountedCertificate(host);
    using wild = new MountedCertificate("*.wild.example.com");
    await using harness = await startWith({}, first, exact, wild);
    const port = harness.activator.tlsPort ?? 0;
    expect(await seeCertificate(port, host)).toBe(host);
    expect(await seeCertificate(port, "any.wild.example.com")).toBe("*.wild.example.com");
    expect(await seeCertificate(port, "unknown.example.net")).toBe("first.example.org");
  });

  test("serves HTTP/1.1 and tells the pod that it was https", async () => {
    using certificate = new MountedCertificate(host);
    await using harness = await startWith({}, certificate);
    await harness.addPod("a", echo);
    const request = httpsRequest({
      host: "127.0.0.1",
      port: harness.activator.tlsPort,
      servername: host,
      headers: { host },
      rejectUnauthorized: false,
      agent: false,
    });
    request.end();
    const [response] = (await once(request, "response")) as [AsyncIterable<Buffer>];
    let text = "";
    for await (const chunk of response) text += String(chunk);
    expect(JSON.parse(text)).toMatchObject({
      headers: { "x-forwarded-proto": "https", "k-original-host": host },
    });
  });

  test("carries WebSockets", async () => {
    using certificate = new MountedCertificate(host);
    await using harness = await startWith({}, certificate);
    const pod = await harness.addPod();
    const server = new WebSocketServer({ server: pod.server });
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const url = `wss://127.0.0.1:${harness.activator.tlsPort}/`;
    const client = new WebSocket(url, { headers: { host }, rejectUnauthorized: false });
    await once(client, "open");
    client.send("hello");
    expect(String((await once(client, "message"))[0])).toBe("hello");
    client.terminate();
  });

  test.each([
    { who: "says nothing", words: "" },
    { who: "never ends its head", words: `GET / HTTP/1.1\r\nHost: ${host}\r\n` },
  ])("a client that $who loses its connection in time", async ({ words }) => {
    using certificate = new MountedCertificate(host);
    await using harness = await startWith({ SLUICE_HEADER_TIMEOUT: "30ms" }, certificate);
    const { tlsPort: port = 0 } = harness.activator;
    const socket = connect({ port, host: "127.0.0.1", servername: host, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    socket.on("error", () => undefined).resume();
    socket.write(words);
    await new Promise((resolve) => socket.once("close", resolve));
    expect(await harness.metric("sluice_activator_inside_requests")).toBe(0);
  });

  test("a stop ends connections that nobody uses", async () => {
    using certificate = new MountedCertificate(host);
    await using harness = await startWith({}, certificate);
    await harness.addPod();
    const { tlsPort: port = 0 } = harness.activator;
    const socket = connect({ port, host: "127.0.0.1", servername: host, rejectUnauthorized: false });
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await once(socket, "data");
    const closed = once(socket, "close");
    expect(await harness.stop()).toEqual([]);
    await closed;
  });

  test("serves HTTP/2 where ALPN agrees on it", async () => {
    using certificate = new MountedCertificate(host);
    await using harness = await startWith({}, certificate);
    await harness.addPod("a", echo);
    const session = connectHttp2(`https://127.0.0.1:${harness.activator.tlsPort}`, {
      servername: host,
      rejectUnauthorized: false,
    });
    const stream = session.request({ ":authority": host, ":path": "/x" });
    let text = "";
    stream.setEncoding("utf8");
    for await (const chunk of stream) text += String(chunk);
    expect(JSON.parse(text)).toMatchObject({ url: "/x", headers: { "x-forwarded-proto": "https" } });
    session.close();
  });
});

describe("certificates on disk", () => {
  test.each([
    { who: "a client that names the host", servername: host },
    { who: "a client that names none", servername: "" },
  ])(
    "replaced under a running gateway: $who gets the new one, open connections go on",
    async ({ servername }) => {
      using certificate = new MountedCertificate(host);
      await using harness = await Harness.start({
        settings: {
          SLUICE_TLS_PORT: "0",
          SLUICE_TLS_FOLDERS: certificate.folder,
          SLUICE_TLS_RELOAD_INTERVAL: "5ms",
        },
      });
      await harness.addPod();
      const port = harness.activator.tlsPort ?? 0;
      const open = connect({ port, host: "127.0.0.1", servername: host, rejectUnauthorized: false });
      await once(open, "secureConnect");
      expect(await seeCertificate(port, servername)).toBe(host);
      certificate.replace("renewed.example.com");
      while ((await seeCertificate(port, servername)) !== "renewed.example.com");
      open.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      let text = "";
      for await (const chunk of open) text += String(chunk);
      expect(text).toMatch(/^HTTP\/1\.1 200 [^]*hello\n$/);
    },
  );

  test("a replaced pair is used after a look; half a pair leaves the old one", () => {
    using certificate = new MountedCertificate("one.example.com");
    const store = new CertificateStore([certificate.folder], log);
    const before = store.find("one.example.com");
    store.reload();
    expect(store.find("one.example.com")).toBe(before);
    certificate.replace("two.example.com");
    store.reload();
    expect(store.find("two.example.com")).not.toBe(before);
  });

  test("a folder without a pair is a reason not to start", () => {
    expect(() => new CertificateStore(["/nowhere"], log)).toThrow(/certificate in \/nowhere cannot be used/);
  });
});
