/** What we use of autocannon, which comes without types. */
declare module "autocannon" {
  import type { EventEmitter } from "node:events";

  export interface Client extends EventEmitter {
    /** Sends the client's next request; called once for each connection and after each response. */
    _doRequest(): void;
    destroyed: boolean;
  }

  export interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration: number;
    /** Seconds without an answer after which a connection is given up. */
    timeout: number;
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    setupClient(client: Client): void;
  }

  export interface Instance extends EventEmitter {
    stop(): void;
  }

  export default function autocannon(options: Options, callback: (error: Error | null) => void): Instance;
}
