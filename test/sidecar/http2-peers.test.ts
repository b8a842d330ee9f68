import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { findProgram } from "../../bench/harness/find-program.ts";
import { findFreePort } from "../../bench/harness/free-port.ts";
import { startProcess } from "../../bench/harness/started-process.ts";
import { waitUntilServed } from "../../bench/harness/wait-until-served.ts";
import { askStream, connectHttp2, startHttp2App } from "../support/http2-harness.ts";
import { startTestSidecar, until } from "../support/sidecar-harness.ts";

const run = promisify(execFile);
const same = (bytes: Buffer): Buffer => bytes;

function toMethod(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const methods = {
  unary: toMethod("Unary", false, false),
  upload: toMethod("Upload", true, false),
  download: toMethod("Download", false, true),
  chat: toMethod("Chat", true, true),
};

/** A gRPC service; `cancelled` are calls that it heard were given up. */
function createService(cancelled: string[]) {
  return {
    unary(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void {
      call.on("cancelled", () => void cancelled.push("unary"));
      const text = call.request.toString();
      if (text === "hang") return;
      if (text === "fail") {
        answer({ code: status.FAILED_PRECONDITION, details: "not now: ä" });
        return;
      }
      const trailers = new Metadata();
      trailers.set("x-echo", String(call.metadata.get("x-said")[0]));
      answer(null, call.request, trailers);
    },
    upload(call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void {
      let bytes = 0;
      call.on("data", (chunk: Buffer) => (bytes += chunk.length));
      call.on("end", () => answer(null, Buffer.from(String(bytes))));
    },
    download(call: ServerWritableStream<Buffer, Buffer>): void {
      call.on("cancelled", () => void cancelled.push("download"));
      const count = Number(call.request.toString());
      for (let index = 0; index < count; index++) call.write(Buffer.from(String(index)));
      if (count > 1) call.end();
    },
    chat(call: ServerDuplexStream<Buffer, Buffer>): void {
      call.on("data", (chunk: Buffer) => call.write(Buffer.from(`<${chunk.toString()}>`)));
      call.on("end", () => call.end());
    },
  };
}

/** grpc-js on both sides of a sidecar. */
async function startGrpc(): Promise<{ client: Client; cancelled: string[] }> {
  const cancelled: string[] = [];
  const options = { "grpc.max_receive_message_length": -1 };
  const server = new Server(options);
  server.addService(methods, createService(cancelled));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const { ports } = await startTestSidecar(port);
  const client = new Client(`127.0.0.1:${ports.main}`, credentials.createInsecure(), options);
  onTestFinished(() => {
    client.close();
    server.forceShutdown();
  });
  return { client, cancelled };
}

interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly value: string;
  readonly echo: string;
}

function callUnary(client: Client, request: Buffer | string, deadlineMs = 10_000): Promise<Outcome> {
  const metadata = new Metadata();
  metadata.set("x-said", "hello");
  return new Promise((resolve) => {
    let outcome = { code: -1, details: "", value: "" };
    client
      .makeUnaryRequest(
        methods.unary.path,
        same,
        same,
        Buffer.from(request),
        metadata,
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, value?: Buffer) => {
          outcome = { code: error?.code ?? 0, details: error?.details ?? "", value: value?.toString() ?? "" };
        },
      )
      .on("status", ({ metadata: trailers }) =>
        resolve({ ...outcome, echo: String(trailers.get("x-echo")[0]) }),
      );
  });
}

describe("gRPC, with grpc-js on both sides", () => {
  test("unary calls: a thousand at once, with metadata both ways", async () => {
    const { client } = await startGrpc();
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, id) => callUnary(client, `call ${id}`)),
    );
    const expected = answers.map((_, id) => ({ code: 0, details: "", value: `call ${id}`, echo: "hello" }));
    expect(answers).toEqual(expected);
  });

  test("a message of 8 MiB goes and comes whole", async () => {
    const { client } = await startGrpc();
    const message = Buffer.alloc(8 * 1024 * 1024, "0123456789");
    expect((await callUnary(client, message)).value === message.toString()).toBe(true);
  });

  test("an error keeps its code and its words", async () => {
    const { client } = await startGrpc();
    expect(await callUnary(client, "fail")).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: "not now: ä",
    });
  });

  test("a deadline cancels the call at the server", async () => {
    const { client, cancelled } = await startGrpc();
    expect((await callUnary(client, "hang", 200)).code).toBe(status.DEADLINE_EXCEEDED);
    await until(() => cancelled.length === 1);
    expect((await callUnary(client, "next")).value).toBe("next");
  });

  test("a stream of requests", async () => {
    const { client } = await startGrpc();
    const total = await new Promise<string>((resolve, reject) => {
      const call = client.makeClientStreamRequest(methods.upload.path, same, same, (error, value) =>
        error === null ? resolve(String(value)) : reject(error),
      );
      for (let count = 0; count < 500; count++) call.write(Buffer.alloc(1000));
      call.end();
    });
    expect(total).toBe("500000");
  });

  test("a stream of answers, read to its end, and one that its client gives up", async () => {
    const { client, cancelled } = await startGrpc();
    const download = (count: number) =>
      client.makeServerStreamRequest(methods.download.path, same, same, Buffer.from(String(count)));
    const received: string[] = [];
    for await (const message of download(2000)) received.push(String(message));
    expect(received).toEqual(Array.from({ length: 2000 }, (_, index) => String(index)));
    const endless = download(1).on("error", () => undefined);
    await new Promise((resolve) => endless.once("data", resolve));
    endless.cancel();
    await until(() => cancelled.includes("download"));
  });

  test("a conversation: each message is answered before the next is said", async () => {
    const { client } = await startGrpc();
    const call = client.makeBidiStreamRequest(methods.chat.path, same, same);
    for (const text of ["one", "two", "three"]) {
      const answer = new Promise((resolve) => call.once("data", resolve));
      call.write(Buffer.from(text));
      expect(String(await answer)).toBe(`<${text}>`);
    }
    call.end();
    await new Promise((resolve) => call.on("end", resolve).resume());
  });
});

describe("other peers, where they are installed", () => {
  const curl = findProgram("curl");
  const h2load = findProgram("h2load");
  const nginx = findProgram("nginx");
  for (const [name, path] of Object.entries({ curl, h2load, nginx })) {
    if (path === undefined) console.log(`skipped: ${name} is not on the PATH`);
  }

  test.skipIf(curl === undefined)("curl: a body each way, and HTTP/1.1 on the same port", async () => {
    const app = await startHttp2App((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    const { ports } = await startTestSidecar(app.port);
    const url = `http://127.0.0.1:${ports.main}/`;
    const body = "x".repeat(100_000);
    const answer = await run(
      curl ?? "",
      ["-sS", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}", "-d", body, url],
      {
        maxBuffer: 1_000_000,
      },
    );
    expect(answer.stdout).toBe(`${body} 2 200`);
    const probe = [
      "-sS",
      "-A",
      "kube-probe/1",
      "-H",
      "K-Network-Probe: queue",
      "-w",
      " %{http_version}",
      url,
    ];
    expect((await run(curl ?? "", probe)).stdout).toBe("queue 1.1");
  });

  test.skipIf(h2load === undefined)("h2load: ten thousand streams, with and without bodies", async () => {
    const app = await startHttp2App((stream) => {
      stream.resume().on("end", () => {
        stream.respond({ ":status": 200 });
        stream.end("ok");
      });
    });
    const { ports } = await startTestSidecar(app.port);
    const folder = mkdtempSync(join(tmpdir(), "sluice-h2load-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "body"), "x".repeat(3000));
    for (const extra of [[], ["-d", join(folder, "body")]]) {
      const args = ["-n5000", "-c5", "-m50", "-t1", ...extra, `http://127.0.0.1:${ports.main}/`];
      expect((await run(h2load ?? "", args)).stdout).toContain("5000 succeeded, 0 failed, 0 errored");
    }
  });

  test.skipIf(nginx === undefined)("nginx behind: a large file, whole, and a HEAD of it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-nginx-"));
    const port = await findFreePort();
    const text = "0123456789abcdef".repeat(200_000);
    mkdirSync(join(folder, "files"));
    writeFileSync(join(folder, "files", "index.html"), text);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    writeFileSync(
      join(folder, "nginx.conf"),
      `${process.getuid?.() === 0 ? "user root;" : ""} daemon off; pid ${folder}/pid; error_log stderr crit; events {}
      http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
        server { listen 127.0.0.1:${port} http2; root ${folder}/files; } }`,
    );
    const child = startProcess({
      command: nginx ?? "",
      args: ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")],
    });
    onTestFinished(async () => {
      await child.stop();
      rmSync(folder, { recursive: true });
    });
    await waitUntilServed(`http://127.0.0.1:${port}/`, child, { isHttp2: true });
    const { ports } = await startTestSidecar(port);
    const client = connectHttp2(ports.main);
    const answer = await askStream(client);
    expect(answer.body === text).toBe(true);
    expect(await askStream(client, { ":method": "HEAD" })).toMatchObject({
      status: 200,
      body: "",
      headers: { "content-length": String(text.length) },
    });
  });
});
