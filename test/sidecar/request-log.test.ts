import { describe, expect, test } from "vitest";
import { createSidecarEnvironment, RawClient, startApp } from "../support/sidecar-harness.ts";
import { runSidecar, waitForLine } from "../support/sidecar-process.ts";

/** Everything of a request that a line can say and that is the same in every run. */
const everything =
  "{{.Request.Method}}|{{.Request.RequestURI}}|{{.Request.URL}}|{{.Request.Host}}|{{.Request.Proto}}|{{.Request.ContentLength}}|{{.Request.TransferEncoding}}|{{.Request.Close}}|{{.Request.Header}}|{{.Response.Code}}|{{.Response.Size}}|{{.TraceID}}|{{.Request.Referer}}|{{.Request.UserAgent}}|{{.Revision.PodIP}}";

/** Bytes of a request and the line that Knative's queue-proxy writes about it, in front of an app that says 201 and `hello`. */
const requests: readonly (readonly [string, string])[] = [
  [
    "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nUser-Agent: x\r\nReferer: r\r\n\r\n",
    "GET|/a?b=c|/a?b=c|a.example|HTTP/1.1|0|[]|false|map[Referer:[r] User-Agent:[x]]|201|5||r|x|127.0.0.1",
  ],
  [
    "POST /a HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\n\r\nhello",
    "POST|/a|/a|a.example:80|HTTP/1.1|5|[]|false|map[Content-Length:[5]]|201|5||||127.0.0.1",
  ],
  [
    "POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST|/a|/a|a.example|HTTP/1.1|-1|[chunked]|false|map[]|201|5||||127.0.0.1",
  ],
  [
    "GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET|http://b.example/x|http://b.example/x|b.example|HTTP/1.1|0|[]|false|map[]|201|5||||127.0.0.1",
  ],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nK-Original-Host: o.example\r\nK-Proxy-Request: activator\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[Forwarded:[for=1.2.3.4] K-Proxy-Request:[activator] X-Forwarded-For:[1.2.3.4]]|201|5||||127.0.0.1",
  ],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent: 00-aaaa-bbbb-01\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|true|map[Connection:[close] Traceparent:[00-aaaa-bbbb-01]]|201|5|aaaa|||127.0.0.1",
  ],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nx-b3-traceid: b3b3\r\ntraceparent: nodash\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[Traceparent:[nodash] X-B3-Traceid:[b3b3]]|201|5|b3b3|||127.0.0.1",
  ],
  ["GET / HTTP/1.0\r\n\r\n", "GET|/|/||HTTP/1.0|0|[]|true|map[]|201|5||||127.0.0.1"],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nKnative-Serving-Revision: r\r\nKeep-Alive: x\r\nTE: trailers\r\nX-Latin: caf\u00e9\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[Keep-Alive:[x] Knative-Serving-Revision:[r] Te:[trailers] X-Latin:[caf\u00e9]]|201|5||||127.0.0.1",
  ],
  [
    "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET|/hang|/hang|a|HTTP/1.1|0|[]|false|map[]|504|15||||127.0.0.1",
  ],
  ["HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD|/|/|a|HTTP/1.1|0|[]|false|map[]|201|0||||127.0.0.1"],
];

/** What Knative logs only when it is told to log probes, and the one that it does not take for a probe. */
const probes: readonly (readonly [string, string])[] = [
  [
    "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: kube-probe/1\r\nK-Network-Probe: queue\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[K-Network-Probe:[queue] User-Agent:[kube-probe/1]]|200|5|||kube-probe/1|127.0.0.1",
  ],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: kube-probe/1\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[User-Agent:[kube-probe/1]]|400|32|||kube-probe/1|127.0.0.1",
  ],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nK-Network-Probe: foo\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[K-Network-Probe:[foo]]|201|5||||127.0.0.1",
  ],
  [
    "GET / HTTP/1.1\r\nHost: a\r\nK-Kubelet-Probe: foo\r\n\r\n",
    "GET|/|/|a|HTTP/1.1|0|[]|false|map[K-Kubelet-Probe:[foo]]|201|5||||127.0.0.1",
  ],
];

const noProbe = [
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Knative-Activator-Probe\r\n\r\n",
  "GET|/|/|a|HTTP/1.1|0|[]|false|map[User-Agent:[Knative-Activator-Probe]]|400|32|||Knative-Activator-Probe|127.0.0.1",
] as const;

/** Sends each on a connection of its own, and the last one to know that all lines have been written. */
async function logLines(
  config: Readonly<Record<string, unknown>>,
  sent: readonly (readonly [string, string])[],
): Promise<string[]> {
  const app = await startApp((request, response) => {
    request.resume();
    if (request.url !== "/hang") response.writeHead(201).end("hello");
  });
  const sidecar = runSidecar(
    createSidecarEnvironment(app.port, {
      SERVING_LOGGING_LEVEL: "info",
      REVISION_TIMEOUT_SECONDS: "1",
      OBSERVABILITY_CONFIG: JSON.stringify({ enableRequestLog: true, ...config }),
    }),
  );
  const main = Number((await waitForLine(sidecar, /"main":(\d+)/))[1]);
  for (const [bytes] of [...sent, ["GET /last HTTP/1.1\r\nHost: a\r\n\r\n"] as const]) {
    const client = new RawClient(main).write(bytes);
    await client.waitFor("\r\n\r\n");
  }
  await waitForLine(sidecar, /\/last.*\n/);
  return sidecar.out
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith('{"level') && !line.includes("/last"));
}

describe("the request log", () => {
  test("says of each request what Knative's says; probes are left out", async () => {
    const sent = [...requests, ...probes, noProbe];
    const lines = await logLines({ requestLogTemplate: everything }, sent);
    expect(lines).toEqual([...requests, noProbe].map(([, line]) => line));
  });

  test("says it of probes, too, when it is told to", async () => {
    const lines = await logLines({ requestLogTemplate: everything, enableProbeRequestLog: true }, probes);
    expect(lines).toEqual(probes.map(([, line]) => line));
  });

  test("is Knative's own line when no template is given", async () => {
    const [line] = await logLines({}, [
      ['GET /a?q="x" HTTP/1.1\r\nHost: a\r\nUser-Agent: it\'s\r\n\r\n', ""],
    ]);
    expect(line).toMatch(
      /^\{"httpRequest": \{"requestMethod": "GET", "requestUrl": "\/a\?q\\u003D\\"x\\"", "requestSize": "0", "status": 201, "responseSize": "5", "userAgent": "it\\'s", "remoteIp": "127\.0\.0\.1:\d+", "serverIp": "127\.0\.0\.1", "referer": "", "latency": "[\d.e-]+s", "protocol": "HTTP\/1\.1"\}, "traceId": ""\}$/,
    );
  });

  test("says in Knative's words when a line cannot be filled in, and goes on", async () => {
    const get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    const template = '{{if eq .Request.RequestURI "/x"}}{{.Nothing}}{{end}}{{.Request.RequestURI}}';
    const lines = await logLines({ requestLogTemplate: template }, [
      [get, ""],
      [get.replace("/x", "/y"), ""],
    ]);
    expect(lines).toEqual([
      expect.stringMatching(
        /^Invalid request log template: method: GET, response code: 201, latency: [\d.e-]+, url: \/x$/,
      ),
      "/y",
    ]);
  });
});
