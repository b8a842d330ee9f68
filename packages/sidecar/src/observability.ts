import { compileGoTemplate, type GoTemplate } from "./go-template/go-template.ts";

/** What the sidecar reads of Knative's observability settings (reference §1.11). */
export interface Observability {
  /** Where request metrics go: only Prometheus is served here; `none` closes its port. */
  readonly requestMetrics: "prometheus" | "none";
  /** The request log's template; undefined when the log is off. */
  readonly requestLogTemplate: GoTemplate | undefined;
  readonly logsProbes: boolean;
}

/** Knative's own template. */
const defaultTemplate =
  '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}';

/**
 * Reads OBSERVABILITY_CONFIG. Without it metrics are served: a port more than Knative opens, and nothing less. Throws an Error for what
 * is no JSON object.
 */
export function parseObservability(text: string): Observability {
  if (text.trim() === "")
    return { requestMetrics: "prometheus", requestLogTemplate: undefined, logsProbes: false };
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw notJson();
  const config = value as Readonly<Record<string, unknown>>;
  return {
    requestMetrics: readProtocol(config["requestMetrics"]) === "prometheus" ? "prometheus" : "none",
    requestLogTemplate:
      config["enableRequestLog"] === true ? readTemplate(config["requestLogTemplate"]) : undefined,
    logsProbes: config["enableProbeRequestLog"] === true,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notJson();
  }
}

function notJson(): TypeError {
  return new TypeError("must be a JSON object");
}

function readProtocol(value: unknown): unknown {
  return typeof value === "object" && value !== null && "protocol" in value ? value.protocol : undefined;
}

/** An empty template turns the log off, as in Knative. A line ends with a newline, whoever wrote it. */
function readTemplate(value: unknown): GoTemplate | undefined {
  if (value === "") return undefined;
  const text = typeof value === "string" ? value : defaultTemplate;
  try {
    return compileGoTemplate(text.endsWith("\n") ? text : `${text}\n`);
  } catch (error) {
    throw new TypeError(`must have a requestLogTemplate in Go's language (${String(error)})`, {
      cause: error,
    });
  }
}
