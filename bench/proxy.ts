import type { Bench } from "./harness/bench.ts";
import { compare, type Scenario } from "./harness/compare.ts";
import { direct } from "./subjects/direct.ts";
import { bareServer, requestPipeProxy } from "./subjects/node-program.ts";
import { haproxy, knativeLimited, knativeUnlimited, nginxProxy } from "./subjects/peer-proxies.ts";
import { chain, sidecarLimited, sidecarUnlimited } from "./subjects/sluice-proxies.ts";

const scenarios: readonly Scenario[] = [
  { title: "29 bytes, 50 connections", path: "/", connections: 50 },
  { title: "29 bytes, 1 connection", path: "/", connections: 1 },
];

const subjects = [
  direct,
  bareServer,
  nginxProxy,
  haproxy,
  knativeUnlimited,
  knativeLimited,
  requestPipeProxy,
  sidecarUnlimited,
  sidecarLimited,
  chain,
];

export const bench: Bench = {
  question: "What does a request with a small body cost in the sidecar and in the chain, beside the peers?",
  async run(options) {
    const tables = [];
    for (const scenario of scenarios) tables.push(await compare(subjects, scenario, options));
    return tables;
  },
};
