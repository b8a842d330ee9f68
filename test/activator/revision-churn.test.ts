import { expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { FakePod } from "./support/fake-pod.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

test("revisions that come and go leave nothing behind, and later ones still have series of their own", async () => {
  await using harness = await Harness.start({ settings: { SLUICE_METRIC_REVISIONS: "2" } });
  const pod = await FakePod.start("shared");
  const toSeries = (name: string): string =>
    `sluice_activator_requests_total{namespace="default",revision="${name}",code="200"}`;
  for (let number = 1; number <= 5; number++) {
    const revision = makeRevision({ name: `hello-${number}` });
    const placed = pod.toFeed({ revision: revision.name, name: `pod-${number}` });
    harness.feed.put(revision);
    harness.feed.put(makeService({ traffic: [{ revision: revision.name, percent: 100 }] }));
    harness.feed.put(placed);
    await harness.untilMetric(toSeries(revision.name), (count) => {
      if (count === 0) void harness.call();
      return count > 0;
    });
    harness.feed.delete(revision);
    harness.feed.delete(placed);
    await harness.untilMetric(toSeries(revision.name), (count) => count === 0);
  }
  await pod.close();
  const labels = (name: string): string => `{namespace="default",revision="${name}"}`;
  expect(await harness.metric(`sluice_activator_request_duration_seconds_count${labels("hello-1")}`)).toBe(0);
  expect(await harness.metric(`sluice_activator_request_duration_seconds_count${labels("other")}`)).toBe(0);
  await harness.untilMetric("sluice_activator_inside_requests", (inside) => inside === 0);
});
