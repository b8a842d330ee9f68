import type { Conversation } from "./conversation.ts";
import type { AppScript } from "./scripted-app.ts";

/** Ports of a proxy under test. */
export interface ParityPorts {
  readonly main: number;
  readonly admin: number;
  readonly stats: number;
  readonly metrics: number;
}

/** What a case can do beside its own connection. */
export interface ParityStage {
  readonly ports: ParityPorts;
  /** Another connection; what it notes is appended to the case's notes, in the order of opening. */
  connect(port?: number): Conversation;
  /** Resolves when so many requests of this case have reached the app. */
  untilAtApp(count: number): Promise<void>;
}

/** One question that the same bytes put to two proxies. */
export interface ParityCase {
  readonly id: string;
  /** The item of the reference that it belongs to. */
  readonly row: string;
  /** Default: `sayOk`. */
  readonly app?: AppScript;
  /** Default: one answer to GET, and the connection's fate. */
  readonly talk?: (client: Conversation, stage: ParityStage) => Promise<void>;
  /** Sent first, when there is any. `$` stands for the case's own path. */
  readonly send?: string;
}

/** Cases that share a proxy started with these variables. */
export interface ParityGroup {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly cases: readonly ParityCase[];
  /** One after the other, because they would disturb one another. */
  readonly isSerial?: boolean;
  /** What is no request gets a 4xx or 5xx of the proxy's own: how that is worded is each one's business. */
  readonly hasRefusals?: boolean;
}

/** GET with these headers. */
export function get(...headers: readonly string[]): string {
  return request("GET $ HTTP/1.1", "Host: app.example", ...headers);
}

export function request(startLine: string, ...headers: readonly string[]): string {
  return `${[startLine, ...headers].join("\r\n")}\r\n\r\n`;
}
