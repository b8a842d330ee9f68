import type { ClientSide, Forwarding, PeerSocket } from "@sluice/dataplane";
import type { Exchange } from "./exchange.ts";

/** Starts to send an exchange's request to the app. */
export type StartForwarding = (exchange: Exchange) => Forwarding;

/** A request as a listener hands it over. */
export interface Arrival {
  readonly client: ClientSide;
  readonly method: string;
  /** The request target as the client wrote it. */
  readonly url: string;
  /** `1.0`, `1.1` or `2.0`. */
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  /** HTTP/2's `:authority`. */
  readonly authority?: string | undefined;
  /** HTTP/2 says by a flag whether a body follows. */
  readonly hasBody?: boolean;
  readonly peerAddress: string;
  readonly socket: PeerSocket;
  /** How this arrival's protocol reaches the app. */
  readonly startForwarding: StartForwarding;
}
