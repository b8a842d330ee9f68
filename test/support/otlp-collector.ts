import { Server as GrpcServer, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";
import { onTestFinished } from "vitest";

/** As much of OpenTelemetry's protocol (OTLP 1) as the tests read. */
const schema = `
syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Scope { string name = 1; }
message Point { repeated KeyValue attributes = 7; double as_double = 4; sfixed64 as_int = 6; }
message HistogramPoint {
  repeated KeyValue attributes = 9; fixed64 count = 4; double sum = 5;
  repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7;
}
message Gauge { repeated Point data_points = 1; }
message Histogram { repeated HistogramPoint data_points = 1; int32 aggregation_temporality = 2; }
message Metric { string name = 1; string unit = 3; Gauge gauge = 5; Gauge sum = 7; Histogram histogram = 9; }
message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; }
message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
message Metrics { repeated ResourceMetrics resource_metrics = 1; }
message Status { string message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  repeated KeyValue attributes = 9; Status status = 15;
}
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Traces { repeated ResourceSpans resource_spans = 1; }
`;
const root = protobuf.parse(schema).root;

type Attributes = Readonly<Record<string, string | number>>;

export interface CollectedSpan {
  readonly scope: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentId: string;
  readonly attributes: Attributes;
  /** 2 is an error. */
  readonly status: number;
}

export interface CollectedMetric {
  readonly scope: string;
  readonly name: string;
  readonly unit: string;
  readonly points: readonly { attributes: Attributes; count?: number; sum?: number; value?: number }[];
}

/** A collector that remembers what it was sent, over HTTP and gRPC. */
export interface OtlpCollector {
  readonly httpUrl: string;
  readonly grpcUrl: string;
  readonly spans: CollectedSpan[];
  /** As they were last sent, by name. */
  readonly metrics: Map<string, CollectedMetric>;
  /** What the sender is, as it was last said. */
  resource: Attributes;
  /** Paths and headers of what came over HTTP. */
  readonly requests: { path: string; headers: IncomingHttpHeaders }[];
}

/** Closed when the test ends. */
export async function startCollector(): Promise<OtlpCollector> {
  const collected: Omit<OtlpCollector, "httpUrl" | "grpcUrl"> = {
    spans: [],
    metrics: new Map(),
    resource: {},
    requests: [],
  };
  const take = { metrics: takeMetrics, traces: takeTraces } as const;
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      collected.requests.push({ path: request.url ?? "", headers: request.headers });
      take[request.url?.endsWith("metrics") === true ? "metrics" : "traces"](collected, bytes);
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, "127.0.0.1", resolve);
  });
  const grpc = new GrpcServer();
  addExport(grpc, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", (bytes) =>
    takeMetrics(collected, bytes),
  );
  addExport(grpc, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", (bytes) =>
    takeTraces(collected, bytes),
  );
  const grpcPort = await new Promise<number>((resolve, reject) => {
    grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
    grpc.forceShutdown();
  });
  const httpUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return Object.assign(collected, { httpUrl, grpcUrl: `http://127.0.0.1:${grpcPort}` });
}

function addExport(server: GrpcServer, path: string, take: (bytes: Buffer) => void): void {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const definition: ServiceDefinition = {
    Export: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  };
  server.addService(definition, {
    Export(call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) {
      take(call.request);
      callback(null, Buffer.alloc(0));
    },
  });
}

interface KeyValue {
  readonly key: string;
  readonly value?: { stringValue?: string; intValue?: number; doubleValue?: number };
}

interface Sent<Scoped> {
  readonly resource?: { attributes?: readonly KeyValue[] };
  readonly scoped: readonly { scope?: { name?: string }; items: readonly Scoped[] }[];
}

function decode(type: string, bytes: Buffer): Readonly<Record<string, unknown>> {
  const message = root.lookupType(type);
  return message.toObject(message.decode(bytes), { longs: Number, bytes: String, arrays: true });
}

function toAttributes(list: readonly KeyValue[] = []): Attributes {
  return Object.fromEntries(
    list.map(({ key, value }) => [key, value?.stringValue ?? value?.intValue ?? value?.doubleValue ?? ""]),
  );
}

interface SentMetric {
  readonly name: string;
  readonly unit?: string;
  readonly gauge?: { dataPoints: readonly SentPoint[] };
  readonly sum?: { dataPoints: readonly SentPoint[] };
  readonly histogram?: { dataPoints: readonly SentPoint[] };
}

interface SentPoint {
  readonly attributes?: readonly KeyValue[];
  readonly count?: number;
  readonly sum?: number;
  readonly asDouble?: number;
  readonly asInt?: number;
}

function takeMetrics(collected: Omit<OtlpCollector, "httpUrl" | "grpcUrl">, bytes: Buffer): void {
  for (const sent of readSent<SentMetric>(
    decode("Metrics", bytes),
    "resourceMetrics",
    "scopeMetrics",
    "metrics",
  )) {
    collected.resource = toAttributes(sent.resource?.attributes);
    for (const { scope, items } of sent.scoped) {
      for (const { name, unit = "", gauge, sum, histogram } of items) {
        const points = (gauge ?? sum ?? histogram)?.dataPoints ?? [];
        collected.metrics.set(name, { scope: scope?.name ?? "", name, unit, points: points.map(toPoint) });
      }
    }
  }
}

function toPoint({ attributes, count, sum, asDouble, asInt }: SentPoint): CollectedMetric["points"][number] {
  const value = asDouble ?? asInt;
  return {
    attributes: toAttributes(attributes),
    ...(count !== undefined && { count }),
    ...(sum !== undefined && { sum }),
    ...(value !== undefined && { value }),
  };
}

interface SentSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes?: readonly KeyValue[];
  readonly status?: { code?: number };
}

function takeTraces(collected: Omit<OtlpCollector, "httpUrl" | "grpcUrl">, bytes: Buffer): void {
  for (const sent of readSent<SentSpan>(decode("Traces", bytes), "resourceSpans", "scopeSpans", "spans")) {
    collected.resource = toAttributes(sent.resource?.attributes);
    for (const { scope, items } of sent.scoped) {
      for (const span of items) {
        collected.spans.push({
          scope: scope?.name ?? "",
          name: span.name,
          kind: span.kind,
          traceId: toHex(span.traceId),
          spanId: toHex(span.spanId),
          parentId: toHex(span.parentSpanId ?? ""),
          attributes: toAttributes(span.attributes),
          status: span.status?.code ?? 0,
        });
      }
    }
  }
}

function toHex(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}

/** Both signals have the same shape: by resource, by scope, items. */
function readSent<Item>(
  message: Readonly<Record<string, unknown>>,
  resources: string,
  scopes: string,
  items: string,
): Sent<Item>[] {
  const list = message[resources] as readonly Readonly<Record<string, unknown>>[];
  return list.map((each) => ({
    resource: each["resource"] as Sent<Item>["resource"],
    scoped: (each[scopes] as readonly Readonly<Record<string, unknown>>[]).map((scoped) => ({
      scope: scoped["scope"] as { name?: string },
      items: scoped[items] as readonly Item[],
    })),
  })) as Sent<Item>[];
}
