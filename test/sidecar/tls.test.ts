import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { beforeAll, afterAll, describe, expect, onTestFinished, test } from "vitest";
import { startApp, startTestSidecar } from "../support/sidecar-harness.ts";

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
