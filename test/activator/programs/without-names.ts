import { lookup } from "node:dns/promises";
import { Harness } from "../support/activator-harness.ts";

/** Run where nothing but loopback is there: prints what became of a look-up, and of a request that was held at zero. */
const lookedUp = await lookup("example.com").then(
  () => "found",
  (error: NodeJS.ErrnoException) => error.code,
);
await using harness = await Harness.start();
const reply = harness.call();
await harness.aggregator?.until((stats) => stats.length > 0);
await harness.addPod();
const { status, body } = await reply;
process.stdout.write(`${JSON.stringify({ lookedUp, status, body })}\n`);
