import type { SluiceError } from "@sluice/core";
import { answerError, type ClientSide } from "@sluice/dataplane";

/** Seconds after which it is worth coming back. */
const retryAfterSeconds: Partial<Record<SluiceError["code"], string>> = {
  "hold-limit": "1",
  "autoscaler-unreachable": "5",
};

/** The one place where an error becomes an answer of the activator. */
export function answerRequestError(client: ClientSide, error: SluiceError): void {
  const retryAfter = retryAfterSeconds[error.code];
  answerError(client, error, retryAfter === undefined ? [] : ["Retry-After", retryAfter]);
}
