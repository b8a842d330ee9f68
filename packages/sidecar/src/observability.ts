import { compileLogTemplate, type LogTemplate } from "./log-template.ts";

/** What the sidecar reads of Knative's observability settings (reference §1.11). */
export interface Observability {
  /** Where request metrics go: only Prometheus is served here; `none` closes its port. */
  readonly requestMetrics: "prometheus" | "none";
  /** The request log's template; undefined when the log is off. */
  readonly requestLogTemplate: LogTemplate | undefined;
}

/** Knative's own template. */
const defaultTemplate =
  '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}';

/**
 * Reads OBSERVABILITY_CONFIG. Without it metrics are served: a port more than Knative opens, and nothing less. Throws an Error for what
 * is no JSON object.
 */
export function parseObservability(text: string): Observability {
  if (text.trim() === "") return { requestMetrics: "prometheus", requestLogTemplate: undefined };
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw notJson();
  const config = value as Readonly<Record<string, unknown>>;
  return {
    requestMetrics: readProtocol(config["requestMetrics"]) === "prometheus" ? "prometheus" : "none",
    requestLogTemplate:
      config["enableRequestLog"] === true ? readTemplate(config["requestLogTemplate"]) : undefined,
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

function readTemplate(value: unknown): LogTemplate {
  return compileLogTemplate(typeof value === "string" && value !== "" ? value : defaultTemplate);
}
