import { expect, test } from "vitest";
import { SteadyLoad } from "../support/steady-load.ts";
import { startTestPlatform } from "../support/test-platform.ts";
import { waitUntil } from "../support/wait-until.ts";

test("with a limit of one, 20 clients never have two requests in an app at a time", async () => {
  // The app answers 500 when a second request comes while one is running.
  const platform = await startTestPlatform([
    { name: "one", containerConcurrency: 1, annotations: { "autoscaling.knative.dev/max-scale": "3" } },
  ]);
  try {
    const { ports } = await platform.control.status();
    const load = new SteadyLoad({
      port: ports.public,
      host: "one.default.example.com",
      path: "/exclusive?sleep=10",
      clients: 20,
    });
    await waitUntil(
      "300 answers",
      () => Object.values(load.count.answers).reduce((sum, count) => sum + count, 0) > 300,
      30_000,
    );
    const { answers } = await load.stop();
    expect(answers).toEqual({ "200": expect.any(Number) });
  } finally {
    await platform.stop();
  }
});
