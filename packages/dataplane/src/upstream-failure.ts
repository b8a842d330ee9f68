import { SluiceError } from "@sluice/core";
import type { ForwardFailure } from "./forward.ts";

const invalidAnswerCodes = new Set([
  "HPE_HEADER_OVERFLOW",
  "ERR_HTTP2_PROTOCOL_ERROR",
  "ERR_HTTP_INVALID_STATUS_CODE",
  "ERR_HTTP_INVALID_HEADER_VALUE",
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
]);

/** Problems with the request itself that only the client library notices. */
const badRequestCodes = new Set([
  "ERR_INVALID_CHAR",
  "ERR_HTTP_INVALID_HEADER_VALUE",
  "ERR_INVALID_HTTP_TOKEN",
  "ERR_UNESCAPED_CHARACTERS",
]);

/** Names what Node reported. `isSent`: writing the request had begun. */
export function toForwardFailure(cause: Error, isSent: boolean): ForwardFailure {
  if (cause instanceof SluiceError) return { error: cause, mayHaveReachedApp: isSent };
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const options = { cause };
  if (!isSent) {
    if (badRequestCodes.has(code)) {
      return { error: new SluiceError("bad-request", cause.message, options), mayHaveReachedApp: false };
    }
    return { error: new SluiceError("upstream-connect", cause.message, options), mayHaveReachedApp: false };
  }
  const isInvalid = code.startsWith("HPE_") || invalidAnswerCodes.has(code);
  return {
    error: new SluiceError(isInvalid ? "upstream-invalid" : "upstream-reset", cause.message, options),
    mayHaveReachedApp: true,
  };
}

/** The sidecar answered that the app saw nothing; another pod may be asked unless the body is already on its way. */
export function toRefusal(reason: string | string[] | undefined, isBodyTouched: boolean): ForwardFailure {
  const code = reason === "closing" ? "closing" : "queue-full";
  return { error: new SluiceError(code), mayHaveReachedApp: isBodyTouched };
}
