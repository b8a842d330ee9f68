import type { Bench } from "./harness/bench.ts";
import { compare } from "./harness/compare.ts";
import { direct } from "./subjects/direct.ts";
import { requestPipeProxy } from "./subjects/node-program.ts";
import { nginxProxy } from "./subjects/peer-proxies.ts";
import { activatorAlone, chain, sidecarLimited } from "./subjects/sluice-proxies.ts";

const subjects = [direct, nginxProxy, requestPipeProxy, activatorAlone, sidecarLimited, chain];

export const bench: Bench = {
  question: "What does the second hop cost: the activator alone, the sidecar alone, and both in a chain?",
  run: async (options) => [
    await compare(subjects, { title: "29 bytes, 50 connections", path: "/", connections: 50 }, options),
  ],
};
