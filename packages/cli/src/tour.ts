import type { StatusView } from "@sluice/local";
import { formatPods, formatServices } from "./commands/get.ts";
import { describePlan } from "./commands/load.ts";
import type { ControlClient } from "./control-client.ts";
import { formatLoadReport } from "./load-report.ts";
import { runLoad, type LoadPlan } from "./load-run.ts";
import { summarizeLoad, type LoadSummary } from "./load-summary.ts";
import { PodCounter, type PodCount } from "./pod-counter.ts";
import { sendTimed, type TimedAnswer } from "./timed-request.ts";

export interface TourOptions {
  readonly control: ControlClient;
  readonly write: (text: string) => void;
  readonly loadMs: number;
  /** Longest wait for the last pod to go: stable window, grace, and what ends the pod. */
  readonly idleLimitMs: number;
}

/** What came out, for programs. */
export interface TourResult {
  readonly helloColdStartMs: number;
  readonly helloLoad: LoadSummary;
  readonly helloPods: PodCount;
  readonly slowColdStartMs: number;
  readonly slowLoad: LoadSummary;
  readonly slowPods: PodCount;
  readonly idleMs: number;
}

/** A step that did not come out as the article shows it. */
export class TourFailure extends Error {
  override readonly name = "TourFailure";
}

/** What the article measured on a cloud cluster, shown beside ours. */
const article = {
  helloColdStartMs: 2775,
  slowColdStartMs: 2999,
  hello: "39,752 x 200, 1,323.27 requests/s, p50 37.1 ms, p99 49.5 ms, 1 pod",
  slow: "8,755 x 200, 290.44 requests/s, p50 138.3 ms, p99 157.4 ms, 5 pods",
} as const;

const hello = { name: "helloworld-go", path: "/", text: "helloworld-go-07" } as const;
const slow = { name: "autoscale-go", path: "/?sleep=100&prime=10000&bloat=5" } as const;
const clients = 50;
/** What the article's clients reached; theirs were 27 ms away, so ours are paced to it. */
const helloRate = 1323;
const helloPods = 1;
/** On average; moments above the target of 10 are certain then, and a second pod is right. */
const plentyInFlight = 5;
/** 50 requests in flight at a target of 10. */
const slowPods = 5;
const requestLimitMs = 60_000;
const pollMs = 200;
const progressMs = 10_000;

/** The article from beginning to end. Throws TourFailure at the first step that comes out otherwise. */
export async function runTour(options: TourOptions): Promise<TourResult> {
  const tour = new Tour(options, await options.control.status());
  await tour.showDeployed();
  const helloColdStartMs = await tour.startFromZero(hello, article.helloColdStartMs, hello.text);
  const fast = await tour.load(hello, helloRate, article.hello);
  expect(
    fast.pods.ready === helloPods && fast.pods.most === helloPods,
    `fast requests need 1 pod, but ${hello.name} has ${describePods(fast.pods)}: ${describeInFlight(fast.summary)}`,
  );
  const slowColdStartMs = await tour.startFromZero(
    slow,
    article.slowColdStartMs,
    "The largest prime below 10000 is 9973.",
  );
  const busy = await tour.load(slow, undefined, article.slow);
  expect(
    busy.pods.ready === slowPods && busy.pods.most === slowPods,
    `50 clients at target 10 need exactly 5 pods, but ${slow.name} has ${describePods(busy.pods)}`,
  );
  const idleMs = await tour.waitForZero();
  return {
    helloColdStartMs,
    helloLoad: fast.summary,
    helloPods: fast.pods,
    slowColdStartMs,
    slowLoad: busy.summary,
    slowPods: busy.pods,
    idleMs,
  };
}

interface Target {
  readonly name: string;
  readonly path: string;
}

class Tour {
  readonly #options: TourOptions;
  readonly #status: StatusView;
  #step = 0;

  constructor(options: TourOptions, status: StatusView) {
    this.#options = options;
    this.#status = status;
  }

  async showDeployed(): Promise<void> {
    this.#title("Two services are deployed, and nothing runs");
    const { control, write } = this.#options;
    write(`${formatServices(await control.services())}\n\n`);
    await this.#showPods();
    const pods = await control.pods();
    expect(pods.length === 0, `no pod should run yet, but there are ${pods.length}`);
  }

  async startFromZero(target: Target, articleMs: number, wanted: string): Promise<number> {
    this.#title(`From zero to one: the first request to ${target.name} is held until a pod can take it`);
    const answer = await this.#send(target);
    const { write } = this.#options;
    write(`  HTTP ${answer.status} after ${answer.totalMs.toFixed(0)} ms (the article: ${articleMs} ms)\n`);
    write(`  ${answer.body.trim().replaceAll("\n", "\n  ")}\n`);
    if (answer.serverTiming !== "") write(`  where the time went: ${answer.serverTiming}\n`);
    write("\n");
    await this.#showPods();
    expect(answer.status === 200, `the first request to ${target.name} got ${answer.status}, not 200`);
    expect(answer.body.includes(wanted), `${target.name} answered something else than ${wanted}`);
    return answer.totalMs;
  }

  async load(
    target: Target,
    rate: number | undefined,
    articleText: string,
  ): Promise<{ summary: LoadSummary; pods: PodCount }> {
    const pace = rate === undefined ? "as fast as they are answered" : `${rate} requests/s together`;
    this.#title(`${clients} clients on ${target.name}${target.path}, ${pace}`);
    const { control, loadMs, write } = this.#options;
    const plan: LoadPlan = {
      url: `http://127.0.0.1:${this.#status.ports.public}${target.path}`,
      host: await this.#findHost(target),
      clients,
      durationMs: loadMs,
      timeoutMs: requestLimitMs,
      ...(rate === undefined ? {} : { rate }),
    };
    write(describePlan(plan));
    const counter = PodCounter.start(control, target.name);
    const summary = summarizeLoad(await runLoad(plan));
    const pods = await counter.stop();
    write(`${formatLoadReport(summary)}\n\n`);
    await this.#showPods();
    write(
      `  ${target.name}: ${pods.ready} ready pods now, ${pods.most} at most\n  the article: ${articleText}\n`,
    );
    const refused = Object.entries(summary.statuses).filter(([status]) => status !== "200");
    expect(summary.requests > 0, "no request was answered");
    expect(
      refused.length === 0,
      `every answer must be 200, but there were ${JSON.stringify(summary.statuses)}`,
    );
    expect(summary.errors === 0, `${summary.errors} requests got no answer`);
    return { summary, pods };
  }

  async waitForZero(): Promise<number> {
    const { control, idleLimitMs, write } = this.#options;
    this.#title("Idle: back to zero");
    const startMs = performance.now();
    let nextMs = progressMs;
    for (;;) {
      const pods = await control.pods();
      const elapsedMs = performance.now() - startMs;
      if (pods.length === 0) {
        write(`  no pod is left after ${toSeconds(elapsedMs)} s\n\n`);
        await this.#showPods();
        return elapsedMs;
      }
      expect(
        elapsedMs < idleLimitMs,
        `${pods.length} pods still run after ${toSeconds(elapsedMs)} s without a request`,
      );
      if (elapsedMs >= nextMs) {
        const reasons = (await control.revisions()).filter((revision) => revision.pods > 0);
        write(
          `  ${toSeconds(elapsedMs)} s: ${pods.length} pods; ${reasons.map(({ name, reason }) => `${name}: ${reason}`).join("; ")}\n`,
        );
        nextMs += progressMs;
      }
      await new Promise<void>((resolve) => void setTimeout(resolve, pollMs));
    }
  }

  async #send(target: Target): Promise<TimedAnswer> {
    return await sendTimed(
      this.#status.ports.public,
      await this.#findHost(target),
      target.path,
      requestLimitMs,
    );
  }

  async #findHost(target: Target): Promise<string> {
    const services = await this.#options.control.services();
    const service = services.find((candidate) => candidate.name === target.name);
    expect(service !== undefined, `the tour needs the service ${target.name} of examples/`);
    return service?.host ?? "";
  }

  async #showPods(): Promise<void> {
    const { control, write } = this.#options;
    write(`${formatPods(await control.pods(), Date.now())}\n\n`);
  }

  #title(text: string): void {
    this.#step++;
    this.#options.write(`\n── ${this.#step}. ${text}\n\n`);
  }
}

function expect(isTrue: boolean, otherwise: string): void {
  if (!isTrue) throw new TourFailure(otherwise);
}

/** Little's law, for whoever wonders why there are so many pods. */
function describeInFlight({ averageMs, requestsPerSecond }: LoadSummary): string {
  const inFlight = (averageMs / 1000) * requestsPerSecond;
  const found = `answers took ${averageMs.toFixed(1)} ms on average, so ${inFlight.toFixed(1)} were in flight`;
  return inFlight > plentyInFlight ? `${found}; a machine that is busy with something else does that` : found;
}

function describePods(pods: PodCount): string {
  return `${pods.ready} ready and had ${pods.most} at most`;
}

function toSeconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(0);
}
