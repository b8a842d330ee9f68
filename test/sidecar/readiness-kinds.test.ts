import {
  loadPackageDefinition,
  Server as GrpcServer,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server as NetServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { MountedCertificate } from "../support/certificate.ts";
import { ask, createSidecarEnvironment, startApp, startTestSidecar } from "../support/sidecar-harness.ts";

const main = join(import.meta.dirname, "..", "..", "packages", "sidecar", "src", "main.ts");
const kubelet = { "user-agent": "kube-probe/1.36", "k-network-probe": "queue" };
const ready = { status: 200, body: "queue" };
const notReady = { status: 503, body: "" };

interface Verdict {
  readonly status: number;
  readonly body: string;
}

/** What a kubelet hears. The period makes it one attempt a question. */
async function askReadiness(
  port: number,
  kind: Record<string, unknown>,
  overrides: Record<string, string> = {},
): Promise<Verdict> {
  const { ports } = await startTestSidecar(port, {
    SERVING_READINESS_PROBE: JSON.stringify({ ...kind, periodSeconds: 1, timeoutSeconds: 10 }),
    ...overrides,
  });
  const answer = await ask(ports.main, { headers: kubelet });
  return { status: answer.status, body: answer.body };
}

async function listenLocally(server: NetServer): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe("gRPC", () => {
  /** The published grpc.health.v1, as far as Check needs it. */
  const definition = fromJSON(
    {
      nested: {
        grpc: {
          nested: {
            health: {
              nested: {
                v1: {
                  nested: {
                    HealthCheckRequest: { fields: { service: { type: "string", id: 1 } } },
                    HealthCheckResponse: {
                      fields: { status: { type: "ServingStatus", id: 1 } },
                      nested: {
                        ServingStatus: {
                          values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 },
                        },
                      },
                    },
                    Health: {
                      methods: {
                        Check: {
                          requestType: "HealthCheckRequest",
                          responseType: "HealthCheckResponse",
                          comment: "",
                        },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
    { enums: String, defaults: true },
  );

  interface HealthApp {
    readonly port: number;
    readonly server: GrpcServer;
    /** The services that were asked about. */
    readonly asked: string[];
  }

  async function startHealthApp(services: Readonly<Record<string, string>>): Promise<HealthApp> {
    const asked: string[] = [];
    const loaded = loadPackageDefinition(definition) as unknown;
    const { grpc } = loaded as { grpc: { health: { v1: { Health: ServiceClientConstructor } } } };
    const server = new GrpcServer();
    server.addService(grpc.health.v1.Health.service, {
      Check(call: ServerUnaryCall<{ service: string }, object>, done: sendUnaryData<object>) {
        const { service } = call.request;
        asked.push(service);
        const found = services[service];
        if (found === undefined) done({ code: status.NOT_FOUND, details: "unknown service" });
        else done(null, { status: found });
      },
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    onTestFinished(() => server.forceShutdown());
    return { port, server, asked };
  }

  // Longer than one byte of length can say.
  const longName = "shop.".repeat(60);
  const services = {
    "": "SERVING",
    cart: "SERVING",
    till: "NOT_SERVING",
    new: "UNKNOWN",
    [longName]: "SERVING",
  };

  test.each([
    ["the server as a whole, SERVING", undefined, "", ready],
    ["a service that is SERVING", "cart", "cart", ready],
    ["a service with a long name", longName, longName, ready],
    ["a service that is NOT_SERVING", "till", "till", notReady],
    ["a service whose state is UNKNOWN", "new", "new", notReady],
    ["a service that the server does not know", "attic", "attic", notReady],
  ])("%s", async (_what, service, asked, expected) => {
    const app = await startHealthApp(services);
    expect(await askReadiness(app.port, { grpc: { port: app.port, service } })).toEqual(expected);
    expect(app.asked).toEqual([asked]);
  });

  test("a server that is gone is not ready any more", async () => {
    const app = await startHealthApp(services);
    const { ports } = await startTestSidecar(app.port, {
      SERVING_READINESS_PROBE: JSON.stringify({ grpc: { port: app.port }, periodSeconds: 1 }),
    });
    expect(await ask(ports.main, { headers: kubelet })).toMatchObject(ready);
    app.server.forceShutdown();
    expect(await ask(ports.main, { headers: kubelet })).toMatchObject(notReady);
  });

  test("a server without the health service is not ready", async () => {
    const server = new GrpcServer();
    const port = await new Promise<number>((resolve) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_error, bound) => resolve(bound));
    });
    onTestFinished(() => server.forceShutdown());
    expect(await askReadiness(port, { grpc: { port } })).toEqual(notReady);
  });
});

describe("h2c detection", () => {
  const detection = { ENABLE_HTTP2_AUTO_DETECTION: "true" };
  const httpHeaders = [
    { name: "X-Probe", value: "1" },
    { name: "X-Probe", value: "2" },
    { name: "Host", value: "other" },
    { name: "Connection", value: "close" },
  ];
  const probe = { httpGet: { path: "/up", httpHeaders } };

  async function startHttp2App(
    answer: (headers: IncomingHttpHeaders) => number,
  ): Promise<{ port: number; seen: IncomingHttpHeaders[] }> {
    const seen: IncomingHttpHeaders[] = [];
    const server = createHttp2Server().on("stream", (stream: ServerHttp2Stream, headers) => {
      seen.push(headers);
      stream.respond({ ":status": answer(headers) }, { endStream: true });
    });
    return { port: await listenLocally(server), seen };
  }

  test("an app that speaks h2c only is asked plainly, then with the probe's headers", async () => {
    const app = await startHttp2App(() => 200);
    expect(await askReadiness(app.port, probe, detection)).toEqual(ready);
    const common = {
      ":method": "GET",
      ":path": "/up",
      ":authority": `127.0.0.1:${app.port}`,
      "user-agent": "kube-probe//",
    };
    expect(app.seen).toMatchObject([common, { ...common, "x-probe": "1, 2" }]);
    expect(app.seen[0]).not.toHaveProperty("x-probe");
  });

  test("the answer to the probe's headers is the one that counts", async () => {
    const app = await startHttp2App((headers) => (headers["x-probe"] === undefined ? 200 : 500));
    expect(await askReadiness(app.port, probe, detection)).toEqual(notReady);
    expect(app.seen).toHaveLength(2);
  });

  test("a header that cannot be sent makes the app not ready, nothing worse", async () => {
    const app = await startHttp2App(() => 200);
    const bad = { httpGet: { httpHeaders: [{ name: "X Probe", value: "1" }] } };
    expect(await askReadiness(app.port, bad, detection)).toEqual(notReady);
    expect(app.seen).toHaveLength(1);
  });

  test("without detection an app that speaks h2c only is not ready, and sees no request", async () => {
    const app = await startHttp2App(() => 200);
    expect(await askReadiness(app.port, probe)).toEqual(notReady);
    expect(app.seen).toEqual([]);
  });

  test.each([
    [200, ready],
    [500, notReady],
  ])("an app that speaks HTTP/1.1 only and answers %i sees one request", async (code, expected) => {
    const app = await startApp((_request, response) => response.writeHead(code).end());
    expect(await askReadiness(app.port, probe, detection)).toEqual(expected);
    expect(app.requests).toHaveLength(1);
    expect(app.requests[0]).toMatchObject({ method: "GET", url: "/up", httpVersion: "1.1" });
  });
});

describe("https", () => {
  test.each([
    [200, ready],
    [302, ready],
    [399, ready],
    [400, notReady],
    [500, notReady],
  ])("an app whose certificate nobody vouches for answers %i", async (code, expected) => {
    using certificate = new MountedCertificate("app.example");
    const [key, cert] = ["tls.key", "tls.crt"].map((name) => readFileSync(join(certificate.folder, name)));
    const seen: (string | undefined)[] = [];
    const server = createHttpsServer({ key, cert }, (request, response) => {
      seen.push(request.url, request.headers["user-agent"]);
      response.writeHead(code).end();
    });
    const port = await listenLocally(server);
    expect(await askReadiness(port, { httpGet: { path: "/up", scheme: "HTTPS" } })).toEqual(expected);
    expect(seen).toEqual(["/up", "kube-probe//"]);
  });

  test("an app that speaks no TLS is not ready", async () => {
    const app = await startApp((_request, response) => response.end());
    expect(await askReadiness(app.port, { httpGet: { scheme: "HTTPS" } })).toEqual(notReady);
    expect(app.requests).toEqual([]);
  });
});

test.each([
  [{ exec: { command: ["true"] } }, "exec probe not supported"],
  [{}, "no probe found"],
])("%j is never ready, and the log says why", async (kind, why) => {
  const app = await startApp((_request, response) => response.end());
  expect(await askReadiness(app.port, kind)).toEqual(notReady);
  expect(app.requests).toEqual([]);

  const environment = createSidecarEnvironment(app.port, {
    SERVING_READINESS_PROBE: JSON.stringify(kind),
    SERVING_LOGGING_LEVEL: "error",
  });
  const child = spawn(process.execPath, [main], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  expect(JSON.parse(line.toString())).toMatchObject({
    msg: `the app is never ready: SERVING_READINESS_PROBE: ${why}; use httpGet, tcpSocket or grpc`,
  });
});
