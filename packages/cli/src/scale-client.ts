import { decisionSchema, type Decision } from "@sluice/core";
import { StartError } from "@sluice/kit";
import * as v from "valibot";
import { openControl } from "./control-client.ts";

const listSchema = v.object({ items: v.array(decisionSchema) });
const queueSchema = v.record(v.string(), v.object({ Concurrency: v.number(), RequestCount: v.number() }));

export const aggregatorOption = [
  "--aggregator <url>",
  "where the scale endpoint is (default: the one of sluice up)",
] as const;

/** Asks an aggregator's scale endpoint. Methods throw StartError with what to do next. */
export class ScaleClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url.replace(/\/+$/, "");
  }

  /** The newest revision of a service, or the revision of that name. */
  async findRevision(name: string): Promise<Decision> {
    const { items } = v.parse(listSchema, await this.#get("/v1/scale"));
    const isRevision = items.filter((decision) => decision.name === name);
    const ofService = items.filter((decision) => decision.name.replace(/-\d{5}$/, "") === name);
    const found = [...isRevision, ...ofService.toSorted((a, b) => b.name.localeCompare(a.name))][0];
    if (found !== undefined) return found;
    const known = items.map((decision) => decision.name).join(", ");
    throw new StartError(
      `there is no decision about ${name}`,
      known === "" ? "apply a service first: sluice apply -f service.yaml" : `it knows ${known}`,
    );
  }

  /** The last decisions, oldest first. */
  async history(of: { readonly namespace: string; readonly name: string }): Promise<Decision[]> {
    const path = `/v1/scale/${encodeURIComponent(of.namespace)}/${encodeURIComponent(of.name)}/history`;
    return v.parse(listSchema, await this.#get(path)).items;
  }

  /** Requests in flight now and requests counted so far, by `namespace/revision`. */
  async queue(): Promise<v.InferOutput<typeof queueSchema>> {
    return v.parse(queueSchema, await this.#get("/queue"));
  }

  async #get(path: string): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(`${this.#url}${path}`, { signal: AbortSignal.timeout(5000) });
    } catch (cause) {
      throw new StartError(
        `no aggregator answers at ${this.#url}`,
        "start one with sluice up, or name another with --aggregator",
        { cause },
      );
    }
    if (!response.ok) {
      throw new StartError(
        `${this.#url}${path} answered ${response.status}: ${(await response.text()).trim()}`,
        "try again in a moment, or name another aggregator with --aggregator",
      );
    }
    return response.json();
  }
}

/** The aggregator that an option names, else the one of `sluice up`. */
export async function openScale(
  options: { readonly aggregator?: string; readonly runtimeDir?: string },
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ScaleClient> {
  if (options.aggregator !== undefined) return new ScaleClient(options.aggregator);
  const { ports } = await openControl(options.runtimeDir, environment).status();
  return new ScaleClient(`http://127.0.0.1:${ports.aggregator}`);
}
