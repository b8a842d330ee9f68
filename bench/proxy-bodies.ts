import type { Bench } from "./harness/bench.ts";
import { compare, type Scenario } from "./harness/compare.ts";
import { nginxProxy, haproxy, knativeLimited } from "./subjects/peer-proxies.ts";
import { requestPipeProxy } from "./subjects/node-program.ts";
import { sidecarLimited } from "./subjects/sluice-proxies.ts";

const scenarios: readonly Scenario[] = [
  { title: "GET 64 KiB, 20 connections", path: "/64k", connections: 20 },
  { title: "POST 64 KiB, 20 connections", path: "/", connections: 20, bodyBytes: 64 * 1024 },
  { title: "GET 1 MiB, 20 connections", path: "/1m", connections: 20 },
];

const subjects = [nginxProxy, haproxy, knativeLimited, requestPipeProxy, sidecarLimited];

export const bench: Bench = {
  question: "What do bodies of 64 KiB (both ways) and 1 MiB cost?",
  async run(options) {
    const tables = [];
    for (const scenario of scenarios) tables.push(await compare(subjects, scenario, options));
    return tables;
  },
};
