import { compileGoTemplate, type GoTemplate } from "./go-template/go-template.ts";

const metricProtocols = ["none", "prometheus", "grpc", "http/protobuf"] as const;
const traceProtocols = ["none", "grpc", "http/protobuf", "stdout"] as const;

/** Where request metrics go. */
export interface MetricsExport {
  readonly protocol: (typeof metricProtocols)[number];
  /** A collector's address; for `prometheus` where to listen, `host:port`. */
  readonly endpoint: string;
  /** Milliseconds between two exports; undefined is OpenTelemetry's minute. */
  readonly intervalMs: number | undefined;
}

/** Where traces go. */
export interface TracesExport {
  readonly protocol: (typeof traceProtocols)[number];
  readonly endpoint: string;
  /** Share of traces that is kept, where the client has not decided. */
  readonly samplingRate: number;
}

/** What the sidecar reads of Knative's observability settings (reference §1.11). */
export interface Observability {
  readonly requestMetrics: MetricsExport;
  readonly tracing: TracesExport;
  readonly isProfilingEnabled: boolean;
  /** The request log's template; undefined when the log is off. */
  readonly requestLogTemplate: GoTemplate | undefined;
  readonly logsProbes: boolean;
}

/** Knative's own template. */
const defaultTemplate =
  '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}';

/**
 * Reads OBSERVABILITY_CONFIG. Without it metrics are served: a port more than Knative opens, and nothing less. Throws an Error that says
 * what is wrong.
 */
export function parseObservability(text: string): Observability {
  const isGiven = text.trim() !== "";
  const config = new JsonFields(isGiven ? parseJson(text) : {}, "");
  return {
    requestMetrics: readMetricsExport(config.fields("requestMetrics"), isGiven ? "none" : "prometheus"),
    tracing: readTracesExport(config.fields("tracing")),
    isProfilingEnabled: config.fields("runtime").oneOf("profiling", ["disabled", "enabled"]) === "enabled",
    requestLogTemplate: config.boolean("enableRequestLog")
      ? readTemplate(config.text("requestLogTemplate", defaultTemplate))
      : undefined,
    logsProbes: config.boolean("enableProbeRequestLog"),
  };
}

function readMetricsExport(fields: JsonFields, fallback: "none" | "prometheus"): MetricsExport {
  const nanoseconds = fields.number("exportInterval", 0);
  return {
    protocol: fields.has("protocol") ? fields.oneOf("protocol", metricProtocols) : fallback,
    endpoint: fields.text("endpoint", ""),
    intervalMs: nanoseconds === 0 ? undefined : nanoseconds / 1e6,
  };
}

function readTracesExport(fields: JsonFields): TracesExport {
  return {
    protocol: fields.oneOf("protocol", traceProtocols),
    endpoint: fields.text("endpoint", ""),
    samplingRate: fields.number("samplingRate", 0),
  };
}

/** An empty template turns the log off, as in Knative. A line ends with a newline, whoever wrote it. */
function readTemplate(text: string): GoTemplate | undefined {
  if (text === "") return undefined;
  try {
    return compileGoTemplate(text.endsWith("\n") ? text : `${text}\n`);
  } catch (error) {
    throw new TypeError(`must have a requestLogTemplate in Go's language (${String(error)})`, {
      cause: error,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError("must be a JSON object");
  }
}

/** A JSON object as Go reads it into a struct: names in any case, missing fields and null keep the default, other types are refused. */
class JsonFields {
  readonly #values = new Map<string, unknown>();
  readonly #path: string;

  constructor(value: unknown, path: string) {
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new TypeError(path === "" ? "must be a JSON object" : `must have an object as ${path}`);
    }
    for (const [name, each] of Object.entries(value)) this.#values.set(name.toLowerCase(), each);
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  fields(name: string): JsonFields {
    return new JsonFields(this.#find(name) ?? {}, this.#name(name));
  }

  text(name: string, fallback: string): string {
    const value = this.#find(name) ?? fallback;
    if (typeof value !== "string") throw new TypeError(`must have a text as ${this.#name(name)}`);
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#find(name) ?? false;
    if (typeof value !== "boolean") throw new TypeError(`must have true or false as ${this.#name(name)}`);
    return value;
  }

  number(name: string, fallback: number): number {
    const value = this.#find(name) ?? fallback;
    if (typeof value !== "number" || value < 0) {
      throw new TypeError(`must have a number of at least 0 as ${this.#name(name)}`);
    }
    return value;
  }

  /** The first choice is the default. */
  oneOf<Choice extends string>(name: string, choices: readonly [Choice, ...Choice[]]): Choice {
    const value = this.#find(name);
    if (value === undefined) return choices[0];
    const choice = choices.find((each) => each === value);
    if (choice === undefined) throw new RangeError(`must have ${choices.join(", ")} as ${this.#name(name)}`);
    return choice;
  }

  #find(name: string): unknown {
    return this.#values.get(name.toLowerCase()) ?? undefined;
  }

  #name(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }
}
