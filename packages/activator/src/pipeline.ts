import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { SluiceError, toKey, type ObjectKey } from "@sluice/core";
import {
  checkFraming,
  createUpgradeClient,
  EarlyBytes,
  Http1Client,
  readRequestHead,
  toRequestTarget,
  type ClientSide,
  type Http1Handler,
  type Http2Arrival,
  type Http2Handler,
  type RequestHead,
  type RequestTarget,
} from "@sluice/dataplane";
import type { ActiveRevision } from "./active-revision.ts";
import { answerRequestError } from "./error-response.ts";
import { Exchange, type ExchangeContext } from "./exchange.ts";
import { toForwardHeaders, toPlainAddress } from "./forward-headers.ts";
import { isGrpc } from "./grpc-error.ts";
import { normalizeHost, parseLocalName } from "./host-name.ts";
import type { ExchangeRequest } from "./pod-forwarder.ts";
import { decideProbeAnswer } from "./probe-answer.ts";
import type { RevisionBook } from "./revision-book.ts";
import { nowhere, type RouteTable } from "./route-table.ts";

/** What a listener believes of its callers. */
export interface ListenerTrust {
  /** Knative's internal headers and cluster-local names mean something. */
  readonly isInternal: boolean;
  readonly isSecure: boolean;
  /** Whether what this peer says about whom it forwards for counts. */
  readonly mayForward: (peerAddress: string) => boolean;
}

export interface PipelineContext extends ExchangeContext {
  readonly routes: RouteTable;
  readonly revisions: RevisionBook;
  /** Why this activator should get no traffic; undefined when it should. */
  readonly findUnready: () => string | undefined;
  readonly onUnrouted: () => void;
  /** The feed has been read once, so a host that is not in the routes does not exist. */
  readonly isRouted: () => boolean;
}

/** Of a body that a pod refused, so much may have been taken and the request still goes to another pod. */
const replayBytes = 64 * 1024;

/** The whole life of a request, outermost first; what happens from `begin` on is in `Exchange`. */
export class Pipeline implements Http1Handler, Http2Handler {
  readonly #context: PipelineContext;
  readonly #trust: ListenerTrust;

  constructor(context: PipelineContext, trust: ListenerTrust) {
    this.#context = context;
    this.#trust = trust;
  }

  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    // A client that keeps its connection would come back to a process that is gone.
    if (this.#context.isDraining()) response.shouldKeepAlive = false;
    this.#run(toArrival(request, new Http1Client(request, response, replayBytes), undefined));
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const client = createUpgradeClient(request, socket);
    this.#run(toArrival(request, client, { client, socket, early: new EarlyBytes(socket, head) }));
  }

  handleStream(arrival: Http2Arrival): void {
    this.#run({ ...arrival, httpVersion: "2.0", upgrade: undefined });
  }

  #run(arrival: Arrival): void {
    const { client } = arrival;
    try {
      // Read once: what strangers may not say is removed here, before anything looks at it.
      const peer = toPlainAddress(arrival.peerAddress);
      const head = this.#readHead(arrival.rawHeaders, peer);
      // Answered here because nothing behind may see it; only callers that are trusted still have the headers.
      if (this.#trust.isInternal && this.#answerProbe(client, head)) return;
      // Refused before it can be read in two ways.
      checkFraming(head, arrival.httpVersion);
      const target = toRequestTarget(arrival.url, head, arrival.authority);
      // Which revision: headers of a trusted ingress, else the host and the service's traffic split.
      const active = this.#route(head, target);
      // Counted, timed, held until a pod has room, forwarded, and over once.
      const request = this.#toRequest(arrival, head, target, peer);
      new Exchange(client, request, active, this.#context).begin();
    } catch (error) {
      const known = toSluiceError(error);
      // A Service that led here leads elsewhere now, and a connection that is kept would never learn it.
      if (this.#trust.isInternal && known.code === "host-unknown") client.closeAfterwards();
      answerRequestError(client, known, isGrpc(arrival.rawHeaders));
    }
  }

  #readHead(rawHeaders: readonly string[], peer: string): RequestHead {
    const { isInternal, mayForward } = this.#trust;
    const forwarded = mayForward(peer) ? "kept" : "replaced";
    return readRequestHead(rawHeaders, isInternal ? "trusted" : "untrusted", forwarded);
  }

  #answerProbe(client: ClientSide, head: RequestHead): boolean {
    const answer = decideProbeAnswer(head, this.#context.findUnready());
    if (answer === undefined) return false;
    const body = Buffer.from(answer.body);
    client.sendHead(answer.status, [...answer.headers, "Content-Length", String(body.length)]);
    client.end(body);
    return true;
  }

  #route(head: RequestHead, target: RequestTarget): ActiveRevision {
    const { routes, revisions, onUnrouted } = this.#context;
    const key = toNamedRevision(head) ?? routes.find(target.host, this.#trust.isInternal);
    const active = key === undefined ? this.#openLocal(target) : revisions.open(key);
    if (active !== undefined) return active;
    // A process that has only just started must not deny a host that it will know in a moment.
    if (!this.#context.isRouted()) throw new SluiceError("routes-unknown");
    onUnrouted();
    if (key === nowhere) throw toNowhere(target.host);
    throw key === undefined ? toUnknownHost(target.host) : toUnknownRevision(key);
  }

  /** Knative names revisions, too, as `{revision}.{namespace}.svc…`. */
  #openLocal(target: RequestTarget): ActiveRevision | undefined {
    if (!this.#trust.isInternal) return undefined;
    const local = parseLocalName(normalizeHost(target.host) ?? "");
    return local === undefined ? undefined : this.#context.revisions.open(toKey(local));
  }

  #toRequest(arrival: Arrival, head: RequestHead, target: RequestTarget, peer: string): ExchangeRequest {
    return {
      method: arrival.method,
      path: target.path,
      headers: toForwardHeaders(head, target.host, { address: peer, isSecure: this.#trust.isSecure }),
      hasBody: arrival.hasBody ?? head.hasBody,
      head,
      upgrade: arrival.upgrade,
    };
  }
}

/** A request as a listener hands it over. */
interface Arrival {
  readonly client: ClientSide;
  readonly method: string;
  /** The request target as the client wrote it. */
  readonly url: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  /** HTTP/2's `:authority`. */
  readonly authority?: string | undefined;
  /** HTTP/2 says by a flag whether a body follows. */
  readonly hasBody?: boolean;
  readonly peerAddress: string;
  readonly upgrade: ExchangeRequest["upgrade"];
}

function toArrival(request: IncomingMessage, client: ClientSide, upgrade: Arrival["upgrade"]): Arrival {
  return {
    client,
    method: request.method ?? "GET",
    url: request.url ?? "/",
    httpVersion: request.httpVersion,
    rawHeaders: request.rawHeaders,
    peerAddress: request.socket.remoteAddress ?? "",
    upgrade,
  };
}

/** Only a trusted head still has these. */
function toNamedRevision(head: RequestHead): ObjectKey | undefined {
  const { servingRevision: name, servingNamespace: namespace } = head;
  if (name === undefined || namespace === undefined || name === "" || namespace === "") return undefined;
  return toKey({ namespace, name });
}

function toUnknownHost(host: string): SluiceError {
  return new SluiceError("host-unknown", `no service has the host "${host}"`, { isPublic: true });
}

function toNowhere(host: string): SluiceError {
  const message = `the service that has the host "${host}" sends its requests to no revision yet`;
  return new SluiceError("host-unknown", message, { isPublic: true });
}

function toUnknownRevision(key: ObjectKey): SluiceError {
  return new SluiceError("host-unknown", `the revision ${key} is not known`, { isPublic: true });
}

function toSluiceError(error: unknown): SluiceError {
  return error instanceof SluiceError ? error : new SluiceError("internal", undefined, { cause: error });
}
