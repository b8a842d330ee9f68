import {
  headerNames,
  probeTargets,
  probeUserAgentPrefixes,
  type CancelTimer,
  type Clock,
} from "@sluice/core";
import {
  toAuthority,
  type ConnectionUser,
  type ConnectionWaiter,
  type ResponseHead,
  type UpstreamConnection,
  type UpstreamPool,
  type TargetPools,
} from "@sluice/dataplane";
import type { ProbePod } from "./pod-prober.ts";

const expectedBody: string = probeTargets.queue;

/**
 * Probes pods as Knative's activator does (reference §2.4): `GET /healthz` with `K-Network-Probe: queue`; healthy is 200 with
 * the body `queue`. It uses the connections of requests, so the first request finds one open.
 */
export function createPodProbe(pools: TargetPools<UpstreamPool>, clock: Clock): ProbePod {
  return (tracker, timeoutMs, done) => {
    const target = { address: tracker.pod.address, port: tracker.pod.ports.main };
    const probe = new RunningProbe(pools.get(target), toAuthority(target), done);
    probe.cancelTimer = clock.setTimer(() => probe.expire(), timeoutMs);
    probe.start();
  };
}

class RunningProbe implements ConnectionWaiter, ConnectionUser {
  cancelTimer: CancelTimer | undefined;
  readonly #pool: UpstreamPool;
  readonly #host: string;
  #done: ((isHealthy: boolean) => void) | undefined;
  #connection: UpstreamConnection | undefined;
  #status = 0;
  #body = "";

  constructor(pool: UpstreamPool, host: string, done: (isHealthy: boolean) => void) {
    this.#pool = pool;
    this.#host = host;
    this.#done = done;
  }

  start(): void {
    this.#pool.take(this);
  }

  expire(): void {
    this.#pool.leave(this);
    this.#giveUp();
  }

  onConnection(connection: UpstreamConnection): void {
    this.#connection = connection;
    connection.send(this, toProbeText(this.#host), false, false);
  }

  onConnectFailed(): void {
    this.#settle(false);
  }

  onInformation(): void {}

  onHead(head: ResponseHead): void {
    this.#status = head.status;
  }

  onData(piece: Buffer): boolean {
    this.#body += piece.toString("latin1");
    if (this.#body.length > expectedBody.length) this.#giveUp();
    return false;
  }

  onComplete(): void {
    this.#settle(this.#status === 200 && this.#body === expectedBody);
  }

  onDrain(): void {}

  onLost(): void {
    this.#settle(false);
  }

  #giveUp(): void {
    this.#connection?.destroy();
    this.#settle(false);
  }

  #settle(isHealthy: boolean): void {
    this.cancelTimer?.();
    this.#connection = undefined;
    const done = this.#done;
    this.#done = undefined;
    done?.(isHealthy);
  }
}

function toProbeText(host: string): string {
  return (
    `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: ${probeUserAgentPrefixes[1]}\r\n` +
    `${headerNames.networkProbe}: ${probeTargets.queue}\r\n\r\n`
  );
}
