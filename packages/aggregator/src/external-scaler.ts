import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import type { CancelTimer, Clock, Decision, ObjectKey } from "@sluice/core";
import type { DecisionBook } from "./decision-book.ts";
import { externalScalerProto } from "./external-scaler-proto.ts";

export interface ExternalScalerOptions {
  readonly address: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly book: DecisionBook;
  readonly clock: Clock;
}

interface ScaledObjectRef {
  readonly name: string;
  readonly namespace: string;
  readonly scalerMetadata: Readonly<Record<string, string>>;
}

interface MetricsRequest {
  readonly scaledObjectRef: ScaledObjectRef | null;
  readonly metricName: string;
}

interface IsActiveResponse {
  readonly result: boolean;
}

interface Specs {
  readonly metricSpecs: readonly { metricName: string; targetSize: number; targetSizeFloat: number }[];
}

interface Values {
  readonly metricValues: readonly { metricName: string; metricValue: number; metricValueFloat: number }[];
}

/** The number of pods itself, with a target of one each: the HPA then asks for exactly that many. */
const metricName = "sluice-pods";
const specs: Specs = { metricSpecs: [{ metricName, targetSize: 1, targetSizeFloat: 1 }] };
const maxStreams = 4096;
/** Says that a stream lives, for whoever stands between. */
const keepAliveMs = 30_000;
const servingStatus = "SERVING";

/**
 * KEDA's external scaler (trigger `external-push`), so that KEDA can scale what we decide about. The revision is
 * named by the trigger's metadata `revision`, else it has the ScaledObject's name.
 */
export class ExternalScaler {
  readonly #options: ExternalScalerOptions;
  readonly #server = new Server();
  readonly #streams = new Map<ServerWritableStream<ScaledObjectRef, IsActiveResponse>, ActivityStream>();
  readonly #unsubscribe: () => void;
  #cancelKeepAlive: CancelTimer | undefined;

  constructor(options: ExternalScalerOptions) {
    this.#options = options;
    const services = fromJSON(externalScalerProto as Parameters<typeof fromJSON>[0], {
      longs: Number,
      defaults: true,
      enums: String,
    });
    this.#server.addService(services["externalscaler.ExternalScaler"] as ServiceDefinition, {
      IsActive: this.#isActive,
      StreamIsActive: this.#streamIsActive,
      GetMetricSpec: this.#getMetricSpec,
      GetMetrics: this.#getMetrics,
      StreamMetricSpec: this.#streamMetricSpec,
    });
    this.#server.addService(services["grpc.health.v1.Health"] as ServiceDefinition, { Check: this.#check });
    this.#unsubscribe = options.book.subscribe((key, decision) => this.#push(key, decision));
  }

  /** Binds; resolves with the port. */
  listen(): Promise<number> {
    const { address, port } = this.#options;
    const host = address.includes(":") ? `[${address}]` : address;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
  }

  /** Ends every call. */
  close(): void {
    this.#unsubscribe();
    this.#cancelKeepAlive?.();
    this.#server.forceShutdown();
  }

  readonly #isActive = (
    call: ServerUnaryCall<ScaledObjectRef, IsActiveResponse>,
    answer: sendUnaryData<IsActiveResponse>,
  ): void => {
    const decision = this.#find(call.request);
    if (decision === undefined) answer(toNotFound(call.request));
    else answer(null, { result: isActive(decision) });
  };

  readonly #streamIsActive = (call: ServerWritableStream<ScaledObjectRef, IsActiveResponse>): void => {
    if (this.#streams.size >= maxStreams) {
      call.emit("error", { code: status.RESOURCE_EXHAUSTED, details: "too many streams" });
      return;
    }
    const stream: ActivityStream = { key: toRevision(call.request), last: undefined };
    this.#streams.set(call, stream);
    call.on("cancelled", () => this.#streams.delete(call));
    call.on("error", () => this.#streams.delete(call));
    const decision = this.#options.book.find(stream.key);
    if (decision !== undefined) send(call, stream, isActive(decision));
    this.#cancelKeepAlive ??= this.#options.clock.setTimer(() => this.#keepAlive(), keepAliveMs);
  };

  readonly #getMetricSpec = (
    _call: ServerUnaryCall<ScaledObjectRef, Specs>,
    answer: sendUnaryData<Specs>,
  ): void => answer(null, specs);

  readonly #getMetrics = (
    call: ServerUnaryCall<MetricsRequest, Values>,
    answer: sendUnaryData<Values>,
  ): void => {
    const { scaledObjectRef, metricName: asked } = call.request;
    const decision = scaledObjectRef === null ? undefined : this.#find(scaledObjectRef);
    if (asked !== "" && asked !== metricName) {
      answer({ code: status.NOT_FOUND, details: `there is no metric ${asked}, only ${metricName}` });
    } else if (decision === undefined) answer(toNotFound(scaledObjectRef));
    else {
      const { desiredPods } = decision;
      answer(null, {
        metricValues: [{ metricName, metricValue: desiredPods, metricValueFloat: desiredPods }],
      });
    }
  };

  /** The specs never change, so one message is the whole stream. */
  readonly #streamMetricSpec = (call: ServerWritableStream<ScaledObjectRef, Specs>): void => {
    call.write(specs);
  };

  readonly #check = (
    _call: ServerUnaryCall<unknown, { status: string }>,
    answer: sendUnaryData<{ status: string }>,
  ): void => answer(null, { status: servingStatus });

  #find(reference: ScaledObjectRef): Decision | undefined {
    return this.#options.book.find(toRevision(reference));
  }

  #push(key: ObjectKey, decision: Decision): void {
    const active = isActive(decision);
    for (const [call, stream] of this.#streams) {
      if (stream.key === key && stream.last !== active) send(call, stream, active);
    }
  }

  #keepAlive(): void {
    for (const [call, stream] of this.#streams) {
      if (stream.last !== undefined) send(call, stream, stream.last);
    }
    this.#cancelKeepAlive =
      this.#streams.size === 0
        ? undefined
        : this.#options.clock.setTimer(() => this.#keepAlive(), keepAliveMs);
  }
}

interface ActivityStream {
  readonly key: ObjectKey;
  last: boolean | undefined;
}

function send(
  call: ServerWritableStream<ScaledObjectRef, IsActiveResponse>,
  stream: ActivityStream,
  result: boolean,
): void {
  stream.last = result;
  call.write({ result });
}

function toRevision(reference: ScaledObjectRef): ObjectKey {
  return `${reference.namespace}/${reference.scalerMetadata["revision"] ?? reference.name}`;
}

function isActive(decision: Decision): boolean {
  return decision.desiredPods > 0;
}

function toNotFound(reference: ScaledObjectRef | null) {
  const name = reference === null ? "nothing" : toRevision(reference);
  return { code: status.NOT_FOUND, details: `there is no decision about ${name} yet` };
}
