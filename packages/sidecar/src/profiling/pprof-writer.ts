import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Profile, StringTable, type FunctionInput, type LocationInput, type SampleInput } from "pprof-format";

/** Where in the code a sample was taken. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
  /** From 0; -1 is unknown. */
  readonly lineNumber: number;
}

export interface ValueName {
  readonly type: string;
  readonly unit: string;
}

export interface PprofOptions {
  readonly values: readonly ValueName[];
  /** What one sample stands for. */
  readonly period: ValueName & { readonly value: number };
  readonly durationMs: number;
}

/** Gathers samples in pprof's format, which `go tool pprof` and most viewers read. */
export class PprofWriter {
  readonly #strings = new StringTable();
  readonly #locations = new Map<string, LocationInput>();
  readonly #functions: FunctionInput[] = [];
  readonly #samples: SampleInput[] = [];

  /** `stack`: the innermost frame first. */
  add(stack: readonly Frame[], values: readonly number[]): void {
    const locationId = stack.map((frame) => this.#toLocation(frame));
    this.#samples.push({ locationId, value: values.map(Math.round) });
  }

  /** The whole profile, compressed as pprof wants it. */
  async encode({ values, period, durationMs }: PprofOptions): Promise<Buffer> {
    const profile = new Profile({
      sampleType: values.map((value) => this.#toValueType(value)),
      sample: this.#samples,
      location: [...this.#locations.values()],
      function: this.#functions,
      stringTable: this.#strings,
      timeNanos: BigInt(Date.now()) * 1_000_000n,
      durationNanos: BigInt(Math.round(durationMs * 1e6)),
      periodType: this.#toValueType(period),
      period: period.value,
    });
    return await promisify(gzip)(profile.encode());
  }

  #toValueType({ type, unit }: ValueName): { type: number; unit: number } {
    return { type: this.#strings.dedup(type), unit: this.#strings.dedup(unit) };
  }

  #toLocation(frame: Frame): number {
    const key = `${frame.url} ${frame.functionName} ${frame.lineNumber}`;
    const known = this.#locations.get(key);
    if (known !== undefined) return Number(known.id);
    const id = this.#locations.size + 1;
    const line = Math.max(0, frame.lineNumber + 1);
    const name = this.#strings.dedup(frame.functionName === "" ? "(anonymous)" : frame.functionName);
    const filename = this.#strings.dedup(frame.url);
    this.#functions.push({ id, name, systemName: name, filename, startLine: line });
    this.#locations.set(key, { id, line: [{ functionId: id, line }] });
    return id;
  }
}
