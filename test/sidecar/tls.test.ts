import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request, type RequestOptions } from "node:https";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions, type DetailedPeerCertificate } from "node:tls";
import { beforeAll, afterAll, describe, expect, onTestFinished, test } from "vitest";
import { ask, startApp, startTestSidecar, type TestSidecar } from "../support/sidecar-harness.ts";

let folder = "";

/** Two certificates with names of their own, made by openssl, which every machine that runs TLS services has. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  for (const name of ["first", "second"]) {
    const key = [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      join(folder, `${name}.key`),
    ];
    const certificate = ["-out", join(folder, `${name}.crt`), "-days", "2", "-subj", `/CN=${name}`];
    execFileSync("openssl", ["req", "-x509", ...key, ...certificate], { stdio: "ignore" });
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What a kubelet does when a secret is mounted or has changed. */
function mount(name: string, target: string): void {
  copyFileSync(join(folder, `${name}.crt`), join(target, "tls.crt"));
  copyFileSync(join(folder, `${name}.key`), join(target, "tls.key"));
}

function createMount(name: string): string {
  const target = mkdtempSync(join(folder, "mount-"));
  mount(name, target);
  return target;
}

function readPeerName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      const certificate: DetailedPeerCertificate = socket.getPeerCertificate(true);
      socket.destroy();
      resolve(String(certificate.subject.CN));
    });
    socket.on("error", reject);
  });
}

describe("TLS", () => {
  test("is served beside plain text, HTTP/1.1 and HTTP/2 by ALPN", async () => {
    const app = await startApp((_request, response) => response.end("hello"));
    const { ports } = await startTestSidecar(app.port, { SLUICE_CERTIFICATE_FOLDER: createMount("first") });
    const body = await new Promise<string>((resolve, reject) => {
      request({ port: ports.tls, host: "127.0.0.1", rejectUnauthorized: false, agent: false }, (response) => {
        response.setEncoding("utf8").on("data", resolve);
      })
        .on("error", reject)
        .end();
    });
    expect(body).toBe("hello");
    const session = connectHttp2(`https://127.0.0.1:${ports.tls}`, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const probe = session.request({ ":path": "/", "user-agent": "kube-probe/1", "k-network-probe": "queue" });
    const answer = await new Promise<string>((resolve) => probe.setEncoding("utf8").on("data", resolve));
    expect(answer).toBe("queue");
    expect(session.alpnProtocol).toBe("h2");
  });

  test("takes nothing below 1.3", async () => {
    const { ports } = await startTestSidecar(1, { SLUICE_CERTIFICATE_FOLDER: createMount("first") });
    const code = await new Promise((resolve) => {
      connect({ port: ports.tls, host: "127.0.0.1", rejectUnauthorized: false, maxVersion: "TLSv1.2" }).on(
        "error",
        (error: NodeJS.ErrnoException) => resolve(error.code),
      );
    });
    expect(code).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  test("new connections get a certificate that was rotated", async () => {
    const target = createMount("first");
    const { ports } = await startTestSidecar(1, {
      SLUICE_CERTIFICATE_FOLDER: target,
      SLUICE_CERTIFICATE_RELOAD: "10ms",
    });
    expect(await readPeerName(ports.tls)).toBe("first");
    mount("second", target);
    let name = "first";
    while (name === "first") name = await readPeerName(ports.tls);
    expect(name).toBe("second");
  });

  test("there is no TLS port without a certificate", async () => {
    const { ports } = await startTestSidecar(1, { SLUICE_CERTIFICATE_FOLDER: join(folder, "nowhere") });
    expect(ports.tls).toBe(0);
  });
});

/** What a handshake agreed on. */
function shake(
  port: number,
  options: ConnectionOptions,
): Promise<{ protocol: string | null; cipher: string; curve: string | undefined }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options }, () => {
      const key = socket.getEphemeralKeyInfo();
      const curve = key !== null && "name" in key ? String(key.name) : undefined;
      resolve({ protocol: socket.getProtocol(), cipher: socket.getCipher().name, curve });
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

describe("Knative's TLS settings", () => {
  const suites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";

  test("versions and cipher suites by Go's names; suites of 1.3 stay whatever is named", async () => {
    const { ports } = await startTestSidecar(1, {
      SLUICE_CERTIFICATE_FOLDER: createMount("first"),
      QUEUE_PROXY_TLS_MIN_VERSION: "1.2",
      QUEUE_PROXY_TLS_CIPHER_SUITES: suites,
    });
    const old = await shake(ports.tls, { maxVersion: "TLSv1.2" });
    expect(old).toMatchObject({ protocol: "TLSv1.2", cipher: "ECDHE-ECDSA-AES256-GCM-SHA384" });
    const other = shake(ports.tls, { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" });
    await expect(other).rejects.toThrow(/handshake|alert/i);
    expect((await shake(ports.tls, {})).protocol).toBe("TLSv1.3");
    for (const cipher of ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"]) {
      expect((await shake(ports.tls, { ciphers: cipher, minVersion: "TLSv1.3" })).cipher).toBe(cipher);
    }
  });

  test("a highest version of 1.2 is kept to", async () => {
    const { ports } = await startTestSidecar(1, {
      SLUICE_CERTIFICATE_FOLDER: createMount("first"),
      QUEUE_PROXY_TLS_MIN_VERSION: "1.2",
      QUEUE_PROXY_TLS_MAX_VERSION: "1.2",
    });
    expect((await shake(ports.tls, {})).protocol).toBe("TLSv1.2");
  });

  test.each([
    ["CurveP384", "P-384", "secp384r1", "P-521"],
    ["P-256,CurveP521", "prime256v1", "prime256v1", "P-384"],
    ["X25519", "X25519", "X25519", "P-256"],
  ])("key exchanges by Go's names: %s", async (names, offered, expected, other) => {
    const { ports } = await startTestSidecar(1, {
      SLUICE_CERTIFICATE_FOLDER: createMount("first"),
      QUEUE_PROXY_TLS_CURVE_PREFERENCES: names,
    });
    expect((await shake(ports.tls, { ecdhCurve: offered })).curve).toBe(expected);
    await expect(shake(ports.tls, { ecdhCurve: other })).rejects.toThrow(/handshake|alert/i);
  });

  test.each([
    ["QUEUE_PROXY_TLS_MIN_VERSION", "1.1", "must be 1.2 or 1.3"],
    ["QUEUE_PROXY_TLS_CIPHER_SUITES", "TLS_RSA_WITH_RC4_128_SHA", '"TLS_RSA_WITH_RC4_128_SHA" is none'],
    ["QUEUE_PROXY_TLS_CURVE_PREFERENCES", "X25519,P-1", '"P-1" is none'],
    ["METRICS_PROMETHEUS_TLS_CLIENT_AUTH", "always", "must be none, optional or require"],
    ["METRICS_PROMETHEUS_TLS_CERT", "/a", "METRICS_PROMETHEUS_TLS_KEY must be set as well"],
    ["METRICS_PROMETHEUS_TLS_CLIENT_CA_FILE", "/a", "METRICS_PROMETHEUS_TLS_CERT must be set"],
    ["METRICS_PROMETHEUS_PORT", "80", "must be a port, 1024 to 65535"],
  ])("%s=%s is refused at the start", async (name, value, rule) => {
    await expect(startTestSidecar(1, { [name]: value })).rejects.toThrow(rule);
  });
});

/** How a client hears it depends on what it was doing. */
const refusal = /certificate|alert|hang up|ECONNRESET|EPIPE/i;

describe("metrics over TLS", () => {
  function readMetrics(port: number, options: RequestOptions): Promise<number> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { port, host: "127.0.0.1", path: "/metrics", agent: false, rejectUnauthorized: false, ...options },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      sent.on("error", reject);
      sent.end();
    });
  }

  function toFiles(name: string): { cert: Buffer; key: Buffer } {
    return {
      cert: readFileSync(join(folder, `${name}.crt`)),
      key: readFileSync(join(folder, `${name}.key`)),
    };
  }

  function startWith(auth: string): Promise<TestSidecar> {
    return startTestSidecar(1, {
      METRICS_PROMETHEUS_TLS_CERT: join(folder, "first.crt"),
      METRICS_PROMETHEUS_TLS_KEY: join(folder, "first.key"),
      METRICS_PROMETHEUS_TLS_CLIENT_AUTH: auth,
      METRICS_PROMETHEUS_TLS_CLIENT_CA_FILE: auth === "none" ? "" : join(folder, "second.crt"),
    });
  }

  test("need no certificate of Prometheus unless they are told to", async () => {
    const { ports } = await startWith("none");
    expect(await readMetrics(ports.metrics, {})).toBe(200);
    await expect(ask(ports.metrics, { path: "/metrics" })).rejects.toThrow(/hang up|ECONNRESET/);
  });

  test("require: only who shows one of the authority's", async () => {
    const { ports } = await startWith("require");
    expect(await readMetrics(ports.metrics, toFiles("second"))).toBe(200);
    await expect(readMetrics(ports.metrics, {})).rejects.toThrow(refusal);
    await expect(readMetrics(ports.metrics, toFiles("first"))).rejects.toThrow(refusal);
  });

  test("optional: who shows one must show a good one", async () => {
    const { ports } = await startWith("optional");
    expect(await readMetrics(ports.metrics, {})).toBe(200);
    expect(await readMetrics(ports.metrics, toFiles("second"))).toBe(200);
    await expect(readMetrics(ports.metrics, toFiles("first"))).rejects.toThrow(refusal);
  });
});
