export { answerError } from "./error-answer.ts";
export type { ClientListener, ClientSide } from "./client-side.ts";
export { DeadlineQueue, type Deadline, type DeadlineOwner } from "./deadline-queue.ts";
export { DispatchForward } from "./dispatch-forward.ts";
export type { Forwarding, ForwardFailure, ForwardObserver, ForwardRequest } from "./forward.ts";
export { toForwarded } from "./forwarded.ts";
export { Gate, GatePass, type GateOptions, type GateVisitor } from "./gate.ts";
export { Http1Client } from "./http1-client.ts";
export { createHttp1Server, type Http1Handler, type Http1ServerOptions } from "./http1-server.ts";
export { NodeForward, type NodeForwardRequest } from "./node-forward.ts";
export { readRequestHead, RequestHead, type ForwardedTrust, type HeaderTrust } from "./request-head.ts";
export { RequestDeadlines, RequestLimits, type LimitDurations, type LimitKind } from "./request-limits.ts";
export { checkFraming, toRequestTarget, type RequestTarget } from "./request-target.ts";
export { createUpgradeClient, UpgradeForward, type UpgradeObserver } from "./upgrade-forward.ts";
export { toAuthority, UpstreamPools, type Target, type UpstreamPoolOptions } from "./upstream-pools.ts";
/** What a `dispatch` handler is, for callers of a pool. */
export type { Dispatcher } from "undici";
