import { createLogger } from "@sluice/kit";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect, type PeerCertificate } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ApiClient } from "../../packages/scaler/src/api-client.ts";
import { CertificateKeeper } from "../../packages/scaler/src/certificate-keeper.ts";
import { decideRenewal, renewCertificates, type KeyPair } from "../../packages/scaler/src/certificate.ts";
import { createAuthority, createServerCertificate } from "../../packages/scaler/src/certificate-maker.ts";
import { WebhookServer } from "../../packages/scaler/src/webhook-server.ts";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { paths, ScalerHarness, toDeployment } from "../support/scaler-harness.ts";
import { waitUntil } from "../support/wait-until.ts";

const host = "sluice-webhook.sluice-system.svc";
const hosts = [host, `${host}.cluster.local`];
const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 23);
const log = createLogger({ name: "test", level: "silent" });

type PodSpec = Record<string, unknown> & { containers: Record<string, unknown>[] };

interface Review {
  request: {
    uid: string;
    namespace: string;
    object: {
      metadata: Record<string, unknown> & { labels: Record<string, string> };
      spec: PodSpec;
    };
  };
}

interface Answer {
  response: {
    uid: string;
    allowed: boolean;
    patchType?: string;
    patch?: string;
    status?: { message: string };
  };
}

/** What a real API server sent, changed by `change`. */
function recordedReview(change: (review: Review) => void = () => undefined): Review {
  const file = join(import.meta.dirname, "..", "vectors", "kubernetes-api.json");
  const exchanges = JSON.parse(readFileSync(file, "utf8")) as { name: string; request: { body: Review } }[];
  const found = exchanges.find((exchange) => exchange.name.startsWith("mutating admission"));
  if (found === undefined) throw new Error("it is recorded");
  change(found.request.body);
  return found.request.body;
}

/** The recorded pod, asking for the sidecar as a working app would. */
function askingReview(change: (review: Review) => void = () => undefined): Review {
  return recordedReview((review) => {
    const { object } = review.request;
    object.metadata.labels["sluice.dev/inject"] = "true";
    object.spec.containers = [
      {
        name: "hello",
        image: "hello",
        ports: [{ containerPort: 3000 }],
        readinessProbe: { httpGet: { path: "/", port: 3000 } },
      },
    ];
    change(review);
  });
}

async function review(port: number, authority: string, body: unknown): Promise<Answer> {
  return JSON.parse((await reviewText(port, authority, JSON.stringify(body))).text) as Answer;
}

async function reviewText(
  port: number,
  authority: string,
  body: string,
): Promise<{ status: number | undefined; text: string }> {
  const sent = request({
    host: "127.0.0.1",
    port,
    path: "/mutate?timeout=10s",
    method: "POST",
    servername: host,
    ca: authority,
    agent: false,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve);
    sent.on("error", reject);
  });
  sent.end(body);
  const response = await answered;
  return { status: response.statusCode, text: await text(response) };
}

interface PatchStep {
  op: string;
  path: string;
  value?: unknown;
}

function patchOf(answer: Answer): PatchStep[] {
  return JSON.parse(Buffer.from(answer.response.patch ?? "", "base64").toString()) as PatchStep[];
}

/** RFC 6902, as far as the answers use it. */
function applyPatch(object: unknown, steps: readonly PatchStep[]): Record<string, unknown> {
  const copy = structuredClone(object) as Record<string, unknown>;
  for (const { op, path, value } of steps) {
    const keys = path
      .split("/")
      .slice(1)
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop() ?? "";
    let parent: unknown = copy;
    for (const key of keys) parent = Reflect.get(parent as object, key);
    if (Array.isArray(parent) && last === "-") parent.push(value);
    else if (op === "remove") Reflect.deleteProperty(parent as object, last);
    else Reflect.set(parent as object, last, value);
  }
  return copy;
}

describe("the webhook of a running scaler", () => {
  let harness: ScalerHarness;
  let port: number;
  let authority: string;
  beforeEach(async () => {
    harness = new ScalerHarness();
    await harness.start();
    harness.api.put(paths.secrets, { metadata: { name: "sluice-webhook", namespace: "sluice-system" } });
    harness.api.put(paths.webhooks, {
      metadata: { name: "sluice-webhook" },
      webhooks: [{ name: "sidecar.sluice.dev", clientConfig: {} }],
    });
    harness.api.put(
      paths.deployments,
      toDeployment("hello2", {
        metadata: {
          name: "hello2",
          labels: { "sluice.dev/service": "shop" },
          annotations: { "sluice.dev/container-concurrency": "7" },
        },
      }),
    );
    const scaler = await harness.startScaler({
      SLUICE_WEBHOOK_PORT: "0",
      SLUICE_SIDECAR_IMAGE: "example/sidecar:9",
    });
    port = await waitUntil("the webhook", () => scaler.webhookPort());
    await harness.waitForFeed(scaler, "revision", "hello2");
    const configuration = harness.api.get(paths.webhooks, "", "sluice-webhook");
    const [webhook] = (configuration?.["webhooks"] ?? []) as { clientConfig: { caBundle: string } }[];
    authority = Buffer.from(webhook?.clientConfig.caBundle ?? "", "base64").toString();
  });
  afterEach(() => harness.stop());

  test("adds the sidecar to a pod that asks, with the settings of its Deployment, over TLS that the API server trusts", async () => {
    const asked = askingReview();
    const answer = await review(port, authority, asked);
    expect(answer.response).toMatchObject({ uid: asked.request.uid, allowed: true, patchType: "JSONPatch" });
    const pod = applyPatch(asked.request.object, patchOf(answer));
    expect(await findKubernetesFaults(pod)).toEqual([]);
    const [app, sidecar] = (pod["spec"] as PodSpec).containers;
    expect(app).not.toHaveProperty("readinessProbe");
    expect(app).toMatchObject({ lifecycle: { preStop: { httpGet: { port: 8022 } } } });
    expect(sidecar).toMatchObject({ name: "queue-proxy", image: "example/sidecar:9" });
    const env = Object.fromEntries(
      ((sidecar?.["env"] ?? []) as { name: string; value?: string }[]).map((entry) => [
        entry.name,
        entry.value,
      ]),
    );
    expect(env).toMatchObject({
      CONTAINER_CONCURRENCY: "7",
      SERVING_REVISION: "hello2",
      SERVING_SERVICE: "shop",
      USER_PORT: "3000",
    });
    expect(JSON.stringify(sidecar?.["env"])).toContain(
      '{"name":"SERVING_NAMESPACE","valueFrom":{"fieldRef":{"fieldPath":"metadata.namespace"}}}',
    );
    // The grace period that the API server filled in is nobody's choice; requests may take longer.
    expect(pod["spec"]).toMatchObject({ terminationGracePeriodSeconds: 300 });
  });

  test.each<[string, Review]>([
    ["does not ask", recordedReview()],
    [
      "is one of ours",
      askingReview(({ request: { object } }) => (object.metadata.labels["sluice.dev/inject"] = "false")),
    ],
    [
      "has the sidecar already",
      askingReview(
        ({ request: { object } }) => void object.spec.containers.push({ name: "queue-proxy", image: "q" }),
      ),
    ],
  ])("lets a pod be that %s", async (_title, asked) => {
    expect((await review(port, authority, asked)).response).toEqual({
      uid: asked.request.uid,
      allowed: true,
    });
  });

  test.each<[string, Review, string]>([
    [
      "has no port",
      askingReview(
        ({ request: { object } }) => (object.spec.containers = [{ name: "hello", image: "hello" }]),
      ),
      "Deployment default/hello2: spec.template.spec.containers: must name the port that takes requests under ports",
    ],
    [
      "is on the node's network",
      askingReview(({ request: { object } }) => (object.spec["hostNetwork"] = true)),
      "Deployment default/hello2: spec.template.spec.hostNetwork: must not be set: the sidecar's ports would be taken on the node (found true)",
    ],
    [
      "belongs to no Deployment",
      askingReview(({ request: { object } }) => (object.metadata["ownerReferences"] = [])),
      "Pod default: metadata.labels[sluice.dev/inject]: must be on pods of a Deployment only",
    ],
  ])("refuses a pod that %s, and says why", async (_title, asked, message) => {
    const { response } = await review(port, authority, asked);
    expect(response).toMatchObject({ allowed: false, status: { message } });
  });

  const preStop = { exec: { command: ["sleep", "1"] } };

  test.each<[string, Review, string[]]>([
    [
      "a usual pod",
      askingReview(),
      [
        "remove /spec/containers/0/readinessProbe",
        "add /spec/containers/0/lifecycle",
        "add /spec/containers/-",
        "add /spec/terminationGracePeriodSeconds",
      ],
    ],
    [
      "a pod with hooks, a grace period and no probe of its own",
      askingReview(({ request: { object } }) => {
        object.spec["terminationGracePeriodSeconds"] = 60;
        object.spec.containers = [
          {
            name: "a",
            image: "a",
            ports: [{ containerPort: 3000 }],
            lifecycle: { preStop },
            readinessProbe: null,
          },
        ];
      }),
      ["add /spec/containers/-"],
    ],
    [
      "a pod with another hook, beside a mesh's proxy that comes first",
      askingReview(({ request: { object } }) => {
        const app = {
          name: "a",
          image: "a",
          ports: [{ containerPort: 3000 }],
          lifecycle: { postStart: preStop },
        };
        const proxy = {
          name: "istio-proxy",
          image: "p",
          ports: [{ containerPort: 15_090 }],
          lifecycle: { preStop },
        };
        object.spec.containers = [proxy, app];
      }),
      [
        "add /spec/containers/1/lifecycle/preStop",
        "add /spec/containers/-",
        "add /spec/terminationGracePeriodSeconds",
      ],
    ],
    [
      "a pod with init containers and sidecars of Kubernetes' own kind, which stay as they are",
      askingReview(({ request: { object } }) => {
        object.spec["initContainers"] = [
          { name: "init", image: "i" },
          { name: "logs", image: "l", restartPolicy: "Always", ports: [{ containerPort: 9 }] },
        ];
      }),
      [
        "remove /spec/containers/0/readinessProbe",
        "add /spec/containers/0/lifecycle",
        "add /spec/containers/-",
        "add /spec/terminationGracePeriodSeconds",
      ],
    ],
  ])("changes of %s no more than it has to", async (_title, asked, steps) => {
    const answer = await review(port, authority, asked);
    expect(answer.response.allowed).toBe(true);
    const patch = patchOf(answer);
    expect(patch.map(({ op, path }) => `${op} ${path}`)).toEqual(steps);
    const pod = applyPatch(asked.request.object, patch);
    // What the asked pod says beside the sidecar is not complete in every case.
    const faults = await findKubernetesFaults(pod);
    expect(
      faults.filter((fault) => fault.includes("queue-proxy") || fault.includes("no such field")),
    ).toEqual([]);
  });

  test("answers a dry run alike, and writes nothing for any review", async () => {
    const countWrites = (): number =>
      harness.api.requests.filter(({ method, path }) => method !== "GET" && !path.includes("/leases")).length;
    const before = countWrites();
    const dry = askingReview(({ request: reviewed }) => Object.assign(reviewed, { dryRun: true }));
    const real = await review(port, authority, askingReview());
    expect(await review(port, authority, dry)).toEqual(real);
    expect(countWrites()).toBe(before);
  });

  test.each([
    ["no JSON", "{"],
    ["no review", "[]"],
  ])("refuses %s with a sentence, and goes on", async (_title, body) => {
    const answered = await reviewText(port, authority, body);
    expect([answered.status, answered.text]).toEqual([400, "not an AdmissionReview\n"]);
    expect((await review(port, authority, askingReview())).response.allowed).toBe(true);
  });

  test("has one certificate for every replica", async () => {
    const second = await harness.startScaler({ SLUICE_WEBHOOK_PORT: "0" });
    const other = await waitUntil("the second webhook", () => second.webhookPort());
    expect((await review(other, authority, askingReview())).response.allowed).toBe(true);
    expect(harness.api.count("PUT", "/secrets/")).toBe(1);
  });
});

describe("certificates", () => {
  test.each([
    ["nothing is there", 0, undefined, "authority"],
    ["all is fresh", 1, hosts, "none"],
    ["the certificate has a month left", 61, hosts, "server"],
    ["the certificate has ended", 100, hosts, "server"],
    ["the names have changed", 1, ["other.svc"], "server"],
    ["the authority has a year left", 3300, hosts, "authority"],
  ] as const)("are renewed as needed when %s", async (_title, days, names, expected) => {
    const made = names === undefined ? undefined : await renewCertificates(undefined, names, nowMs);
    expect(decideRenewal(made, hosts, nowMs + days * dayMs)).toBe(expected);
  });

  test("of a Secret that somebody spoilt are made anew", () => {
    const spoilt = { certificate: "no", key: "no" };
    expect(decideRenewal({ bundle: "", authority: spoilt, server: spoilt }, hosts, nowMs)).toBe("authority");
  });

  test("of the former authority stay trusted beside a new one", async () => {
    const first = await renewCertificates(undefined, hosts, nowMs);
    const second = await renewCertificates(first, hosts, nowMs + 3300 * dayMs);
    expect(second.bundle).toBe(second.authority.certificate + first.authority.certificate);
    expect(second.server.certificate).not.toBe(first.server.certificate);
  });

  async function peerCertificate(port: number, authority: string): Promise<PeerCertificate> {
    const socket = connect({ port, host: "127.0.0.1", servername: host, ca: authority });
    await new Promise<void>((resolve, reject) => {
      socket.on("secureConnect", resolve);
      socket.on("error", reject);
    });
    const certificate = socket.getPeerCertificate();
    socket.destroy();
    return certificate;
  }

  test("that are renewed are used for new connections without a restart", async () => {
    const authority = await createAuthority(Date.now());
    const make = (): Promise<KeyPair> => createServerCertificate(authority, hosts, Date.now());
    const options = {
      address: "127.0.0.1",
      port: 0,
      log,
      image: "sidecar",
      findOwner: () => undefined,
      onAnswer: () => undefined,
    };
    const server = new WebhookServer(options, await make());
    const { port } = await server.listen();
    const first = await peerCertificate(port, authority.certificate);
    server.setCertificate(await make());
    const second = await peerCertificate(port, authority.certificate);
    await server.close();
    expect(first.subjectaltname).toBe(hosts.map((name) => `DNS:${name}`).join(", "));
    expect(second.serialNumber).not.toBe(first.serialNumber);
  });

  test("are looked at each minute, and renewed while the process runs", async () => {
    const harness = new ScalerHarness();
    await harness.start();
    const { api } = harness;
    api.put(paths.secrets, { metadata: { name: "sluice-webhook", namespace: "sluice-system" } });
    api.put(paths.webhooks, { metadata: { name: "sluice-webhook" }, webhooks: [{ clientConfig: {} }] });
    const clock = new ManualClock(nowMs);
    const seen: KeyPair[] = [];
    const keeper = new CertificateKeeper({
      client: new ApiClient(api.toConfig()),
      clock,
      log,
      namespace: "sluice-system",
      secretName: "sluice-webhook",
      webhookName: "sluice-webhook",
      dnsNames: hosts,
      onCertificate: (pair) => seen.push(pair),
    });
    await keeper.start();
    expect(seen).toHaveLength(1);
    clock.jump(61 * dayMs);
    clock.advance(60_000);
    await waitUntil("a new certificate", () => seen.length === 2);
    expect(api.count("PUT", "/secrets/")).toBe(2);
    // The authority is the same, so the API server need not be told.
    expect(api.count("PATCH", "mutatingwebhookconfigurations")).toBe(1);
    // Somebody put the configuration as it is in the manifest.
    api.put(paths.webhooks, { metadata: { name: "sluice-webhook" }, webhooks: [{ clientConfig: {} }] });
    clock.advance(60_000);
    await waitUntil("the authority again", () => api.count("PATCH", "mutatingwebhookconfigurations") === 2);
    keeper.close();
    await harness.stop();
  });
});
