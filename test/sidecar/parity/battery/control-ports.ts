import {
  get,
  request,
  type ParityCase,
  type ParityGroup,
  type ParityPorts,
  type ParityStage,
} from "../case.ts";
import type { Conversation } from "../conversation.ts";

/** On loopback ours want to be called by their own address. */
function ask(
  stage: ParityStage,
  port: keyof ParityPorts,
  start: string,
  ...headers: readonly string[]
): Conversation {
  const number = stage.ports[port];
  return stage.connect(number).send(request(start, `Host: 127.0.0.1:${number}`, ...headers));
}

/** What the control ports answer beside their one path. */
const cases: ParityCase[] = (
  [
    ["stats", "root", "GET / HTTP/1.1"],
    ["stats", "other", "GET /other HTTP/1.1"],
    ["stats", "metrics-slash", "GET /metrics/ HTTP/1.1"],
    ["admin", "root", "GET / HTTP/1.1"],
    ["admin", "drain-slash", "GET /wait-for-drain/ HTTP/1.1"],
    ["metrics", "root", "GET / HTTP/1.1"],
    ["metrics", "post", "POST /metrics HTTP/1.1"],
    ["metrics", "delete", "DELETE /metrics HTTP/1.1"],
  ] as const
).map(([port, id, start]) => ({
  id: `control-${port}-${id}`,
  row: "1.2",
  talk: async (_client, stage) => void (await ask(stage, port, start).answer()),
}));

const draining: ParityCase[] = [
  {
    id: "drain-and-back",
    row: "1.9",
    talk: async (client, stage) => {
      const drain = ask(stage, "admin", "GET /wait-for-drain HTTP/1.1");
      await new Promise((resolve) => setTimeout(resolve, 300));
      for (const headers of [
        ["User-Agent: kube-probe/1", "K-Network-Probe: queue"],
        ["User-Agent: kube-probe/1"],
        ["User-Agent: Knative-Activator-Probe", "K-Network-Probe: queue"],
        ["K-Network-Probe: probe", "K-Network-Hash: h"],
        ["K-Network-Probe: probe"],
      ]) {
        client.send(get(...headers));
        await client.answer();
      }
      client.send(get());
      await client.answer();
      await drain.answer();
      const after = stage.connect().send(get("User-Agent: kube-probe/1", "K-Network-Probe: queue"));
      await after.answer();
    },
  },
  {
    id: "drain-by-post",
    row: "1.9",
    talk: async (_client, stage) => {
      const drain = ask(stage, "admin", "POST /wait-for-drain?x=1 HTTP/1.1", "Content-Length: 2").send("ab");
      await drain.answer();
    },
  },
  {
    id: "drain-twice",
    row: "1.9",
    talk: async (_client, stage) => {
      const one = ask(stage, "admin", "GET /wait-for-drain HTTP/1.1");
      const other = ask(stage, "admin", "GET /wait-for-drain HTTP/1.1");
      await one.answer();
      await other.answer();
    },
  },
];

export const controlPortGroups: ParityGroup[] = [
  {
    name: "control ports",
    environment: { OBSERVABILITY_CONFIG: '{"requestMetrics":{"protocol":"prometheus"}}' },
    cases,
  },
  // A quiet period like Knative's own: the drain is taken back before it ends.
  { name: "draining", environment: { SLUICE_QUIET_PERIOD: "30s" }, cases: draining, isSerial: true },
];
