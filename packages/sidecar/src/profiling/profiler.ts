import type { HeapProfiler, Profiler, Session } from "node:inspector/promises";
import { PprofWriter, type Frame } from "./pprof-writer.ts";

/** V8 looks so often where the program is. */
const samplingIntervalUs = 10_000;
/** Go's: one sample for each half mebibyte that is allocated. */
const heapSampleBytes = 512 * 1024;

/** Takes profiles of this very process. */
export class ProcessProfiler {
  readonly #session: Session;
  readonly #startedMs = performance.now();
  #isBusy = false;

  constructor(session: Session) {
    this.#session = session;
    session.connect();
  }

  /** Memory is sampled from here on, as in Go; it costs next to nothing. */
  async start(): Promise<void> {
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.setSamplingInterval", { interval: samplingIntervalUs });
    await this.#session.post("HeapProfiler.startSampling", { samplingInterval: heapSampleBytes });
  }

  close(): void {
    this.#session.disconnect();
  }

  /** CPU time of the next while; undefined when somebody else's profile is being taken. */
  async takeCpuProfile(durationMs: number, signal: AbortSignal): Promise<Buffer | undefined> {
    if (this.#isBusy) return undefined;
    this.#isBusy = true;
    try {
      await this.#session.post("Profiler.start");
      await sleep(durationMs, signal);
      const { profile } = await this.#session.post("Profiler.stop");
      return await toCpuPprof(profile);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Memory that is in use now, by where it was allocated. */
  async takeHeapProfile(): Promise<Buffer> {
    const { profile } = await this.#session.post("HeapProfiler.getSamplingProfile");
    return await toHeapPprof(profile, performance.now() - this.#startedMs);
  }
}

function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, durationMs);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}

async function toCpuPprof(profile: Profiler.Profile): Promise<Buffer> {
  const stacks = toStacks(profile.nodes);
  const micros = new Map<number, { count: number; us: number }>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const sum = micros.get(id) ?? { count: 0, us: 0 };
    sum.count++;
    sum.us += profile.timeDeltas?.[index] ?? 0;
    micros.set(id, sum);
  }
  const writer = new PprofWriter();
  for (const [id, { count, us }] of micros) {
    const stack = stacks.get(id) ?? [];
    // What V8 calls idle is no CPU time.
    if (stack[0]?.functionName !== "(idle)") writer.add(stack, [count, Math.max(0, us) * 1000]);
  }
  return await writer.encode({
    values: [
      { type: "samples", unit: "count" },
      { type: "cpu", unit: "nanoseconds" },
    ],
    period: { type: "cpu", unit: "nanoseconds", value: samplingIntervalUs * 1000 },
    durationMs: (profile.endTime - profile.startTime) / 1000,
  });
}

/** The frames of each node up to the program's entry, the innermost first. */
function toStacks(nodes: readonly Profiler.ProfileNode[]): Map<number, readonly Frame[]> {
  const parents = new Map<number, Profiler.ProfileNode>();
  for (const node of nodes) for (const child of node.children ?? []) parents.set(child, node);
  return new Map(
    nodes.map((node) => {
      const stack: Frame[] = [];
      for (let at: Profiler.ProfileNode | undefined = node; at !== undefined; at = parents.get(at.id)) {
        if (at.callFrame.functionName !== "(root)") stack.push(at.callFrame);
      }
      return [node.id, stack];
    }),
  );
}

async function toHeapPprof(profile: HeapProfiler.SamplingHeapProfile, durationMs: number): Promise<Buffer> {
  const writer = new PprofWriter();
  const walk = (node: HeapProfiler.SamplingHeapProfileNode, outer: readonly Frame[]): void => {
    const stack = node.callFrame.functionName === "(root)" ? outer : [node.callFrame, ...outer];
    if (node.selfSize > 0) writer.add(stack, [node.selfSize]);
    for (const child of node.children) walk(child, stack);
  };
  walk(profile.head, []);
  return await writer.encode({
    values: [{ type: "inuse_space", unit: "bytes" }],
    period: { type: "space", unit: "bytes", value: heapSampleBytes },
    durationMs,
  });
}
