export { answerError } from "./error-answer.ts";
export type { BodyKeeper, ClientListener, ClientSide } from "./client-side.ts";
export { DeadlineQueue, type Deadline, type DeadlineOwner } from "./deadline-queue.ts";
export type { Forwarding, ForwardFailure, ForwardObserver, ForwardRequest } from "./forward.ts";
export { EarlyBytes } from "./early-bytes.ts";
export { toForwarded } from "./forwarded.ts";
export { Gate, GatePass, type GateOptions, type GateVisitor } from "./gate.ts";
export { Http1Client } from "./http1-client.ts";
export { Http1Forward } from "./http1-forward.ts";
export {
  createHttp1Server,
  createHttps1Server,
  type Http1Handler,
  type Http1ServerOptions,
} from "./http1-server.ts";
export { Http2Forward } from "./http2-forward.ts";
export {
  Http2Front,
  type Http2Arrival,
  type Http2Handler,
  type Http2ServerOptions,
  type PeerSocket,
} from "./http2-server.ts";
export { shareWithHttp2 } from "./shared-port.ts";
export { Http2Pool } from "./http2-pool.ts";
export { NodeHttp2Client } from "./node-http2-client.ts";
export { readRequestHead, RequestHead, type ForwardedTrust, type HeaderTrust } from "./request-head.ts";
export { RequestDeadlines, RequestLimits, type LimitDurations, type LimitKind } from "./request-limits.ts";
export { checkFraming, checkHost, toRequestTarget, type RequestTarget } from "./request-target.ts";
export { createUpgradeClient, UpgradeForward, type UpgradeObserver } from "./upgrade-forward.ts";
export type { ResponseHead } from "./response-head.ts";
export type { ConnectionUser, UpstreamConnection } from "./upstream-connection.ts";
export { UpstreamPool, type ConnectionWaiter, type UpstreamPoolOptions } from "./upstream-pool.ts";
export { TargetPools } from "./target-pools.ts";
export { toAuthority, type Target } from "./target.ts";
export { closeForClient, FrameTracker } from "./websocket-close.ts";
