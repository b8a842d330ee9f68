import { get, request, type ParityCase, type ParityGroup } from "../case.ts";
import { answerWith } from "../scripted-app.ts";

const agents: Readonly<Record<string, string | undefined>> = {
  kubelet: "kube-probe/1.29",
  "kubelet-slash": "kube-probe/",
  "kubelet-other-case": "Kube-Probe/1.29",
  "kubelet-no-slash": "kube-probe",
  activator: "Knative-Activator-Probe",
  "activator-longer": "Knative-Activator-Probe/2",
  autoscaler: "Knative-Autoscaling-Probe",
  ordinary: "curl/8",
  none: undefined,
};

const questions: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  empty: ["K-Network-Probe:"],
  queue: ["K-Network-Probe: queue"],
  "queue-upper": ["K-Network-Probe: QUEUE"],
  activator: ["K-Network-Probe: activator"],
  html: ["K-Network-Probe: <b>&"],
  probe: ["K-Network-Probe: probe"],
  "probe-hash": ["K-Network-Probe: probe", "K-Network-Hash: h1"],
  "probe-hash-empty": ["K-Network-Probe: probe", "K-Network-Hash:"],
  "kubelet-header": ["K-Kubelet-Probe: yes"],
  "kubelet-header-empty": ["K-Kubelet-Probe:"],
  twice: ["K-Network-Probe: queue", "K-Network-Probe: probe"],
};

const combinations: ParityCase[] = Object.entries(agents).flatMap(([agent, userAgent]) =>
  Object.entries(questions).map(([question, headers]) => ({
    id: `probe-${agent}-${question}`,
    row: "1.4",
    send: get(...(userAgent === undefined ? [] : [`User-Agent: ${userAgent}`]), ...headers),
  })),
);

const kubelet = ["Host: a", "User-Agent: kube-probe/1.29", "K-Network-Probe: queue"];

/** Where and how probes are asked. */
const shapes: ParityCase[] = [
  { id: "probe-root", row: "1.4", send: request("GET / HTTP/1.1", ...kubelet) },
  { id: "probe-healthz", row: "1.4", send: request("GET /healthz?x=1 HTTP/1.1", ...kubelet) },
  { id: "probe-double-slash", row: "6.25", send: request("GET //healthz HTTP/1.1", ...kubelet) },
  { id: "probe-http10", row: "1.4", send: request("GET / HTTP/1.0", ...kubelet) },
  {
    id: "probe-head",
    row: "1.4",
    send: request("HEAD / HTTP/1.1", ...kubelet),
    talk: async (client) => {
      await client.answer("HEAD");
      await client.fate();
    },
  },
  {
    id: "probe-post",
    row: "1.4",
    send: `${request("POST / HTTP/1.1", ...kubelet, "Content-Length: 5")}hello`,
  },
  {
    id: "probe-post-chunked",
    row: "1.4",
    send: `${request("POST / HTTP/1.1", ...kubelet, "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`,
  },
  { id: "probe-close", row: "1.4", send: request("GET / HTTP/1.1", ...kubelet, "Connection: close") },
  { id: "probe-options", row: "1.4", send: request("OPTIONS * HTTP/1.1", ...kubelet) },
  {
    id: "probe-through-activator",
    row: "1.4",
    send: get("User-Agent: kube-probe/1.29", "K-Network-Probe: queue", "K-Proxy-Request: activator"),
  },
  {
    id: "probe-upgrade",
    row: "1.4",
    send: request("GET / HTTP/1.1", ...kubelet, "Connection: Upgrade", "Upgrade: websocket"),
  },
  {
    id: "probe-kubelet-header-host",
    row: "1.4",
    send: get("K-Kubelet-Probe: yes", "K-Original-Host: other.example"),
  },
  {
    id: "probe-autoscaler-host",
    row: "6.25",
    send: request(
      "GET //healthz HTTP/1.1",
      "Host: a",
      "User-Agent: Knative-Autoscaling-Probe",
      "K-Network-Probe: activator",
    ),
  },
];

const ask: ParityCase = { id: "", row: "1.8", send: request("GET / HTTP/1.1", ...kubelet) };

function readiness(
  name: string,
  probe: string,
  app?: ParityCase["app"],
  environment: Readonly<Record<string, string>> = {},
): ParityGroup {
  return {
    name: `readiness, ${name}`,
    environment: { SERVING_READINESS_PROBE: probe, ...environment },
    cases: [{ ...ask, id: `ready-${name}`, ...(app !== undefined && { app }) }],
  };
}

const http = (more = "", timing = '"periodSeconds":1,"timeoutSeconds":1'): string =>
  `{"httpGet":{"path":"/c/$ID","port":$APP,"host":"127.0.0.1","scheme":"HTTP"${more}},${timing}}`;

function httpReadiness(name: string, probe: string, answer?: string, variables = {}): ParityGroup {
  return readiness(
    name,
    probe.replaceAll("$ID", `ready-${name}`),
    answer === undefined ? undefined : answerWith(answer),
    variables,
  );
}

/** SERVING_READINESS_PROBE in every shape that reaches a pod. */
const readinessGroups: ParityGroup[] = [
  ...[200, 204, 302, 399, 400, 404, 500, 503].map((status) =>
    httpReadiness(`http-${status}`, http(), `HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`),
  ),
  httpReadiness(
    "http-headers",
    http(',"httpHeaders":[{"name":"X-A","value":"1"},{"name":"Host","value":"h"}]'),
  ),
  httpReadiness("http-agent", http(',"httpHeaders":[{"name":"User-Agent","value":"mine"}]')),
  httpReadiness("http-agent-empty", http(',"httpHeaders":[{"name":"User-Agent","value":""}]')),
  httpReadiness("http-accept", http(',"httpHeaders":[{"name":"Accept","value":""}]')),
  httpReadiness("http-aggressive", http("", '"successThreshold":1')),
  httpReadiness(
    "http-close",
    http(),
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nok",
  ),
  httpReadiness("http-query", http().replace("$ID", "$ID?a=b&c")),
  httpReadiness("http-no-leading-slash", http().replace('"/c', '"c')),
  httpReadiness("list", `[${http()}]`, undefined, { ENABLE_MULTI_CONTAINER_PROBES: "true" }),
  httpReadiness(
    "list-one-fails",
    `[${http()},{"tcpSocket":{"host":"127.0.0.1","port":1},"periodSeconds":1}]`,
    undefined,
    {
      ENABLE_MULTI_CONTAINER_PROBES: "true",
    },
  ),
  httpReadiness("port-text", http().replace("$APP", '"$APP"')),
  readiness("tcp", '{"tcpSocket":{"port":$APP,"host":"127.0.0.1"},"periodSeconds":1,"timeoutSeconds":1}'),
  readiness(
    "tcp-refused",
    '{"tcpSocket":{"port":1,"host":"127.0.0.1"},"periodSeconds":1,"timeoutSeconds":1}',
  ),
  readiness("tcp-default", '{"tcpSocket":{"port":$APP,"host":"127.0.0.1"},"successThreshold":1}'),
  readiness("threshold", '{"tcpSocket":{"port":$APP,"host":"127.0.0.1"},"successThreshold":3}'),
  readiness("exec", '{"exec":{"command":["true"]},"periodSeconds":1}'),
  readiness("no-handler", '{"periodSeconds":1}'),
  readiness(
    "null-handlers",
    '{"httpGet":null,"tcpSocket":{"port":$APP,"host":"127.0.0.1"},"exec":null,"periodSeconds":1}',
  ),
  readiness(
    "unknown-fields",
    '{"tcpSocket":{"port":$APP,"host":"127.0.0.1"},"periodSeconds":1,"terminationGracePeriodSeconds":5,"other":{}}',
  ),
  readiness("grpc-not-there", '{"grpc":{"port":1},"periodSeconds":1,"timeoutSeconds":1}'),
];

export const probeGroups: ParityGroup[] = [
  { name: "probes, always ready", environment: {}, cases: [...combinations, ...shapes] },
  ...readinessGroups,
];
