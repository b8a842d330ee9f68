import type { Subject } from "../harness/subject.ts";

/** No proxy at all: what the load generator and the upstream can do. */
export const direct: Subject = {
  name: "direct",
  findMissing: () => undefined,
  start: (upstreamPort) =>
    Promise.resolve({
      url: `http://127.0.0.1:${upstreamPort}`,
      processes: {},
      stop: () => Promise.resolve(),
    }),
};
