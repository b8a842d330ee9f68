import { isJson, textOf } from "./api-object.ts";

/** An answer of the API server that is not a success: its own status, reason and sentence. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** `Conflict`, `NotFound`, `Forbidden`, `Expired`, `Invalid`…; empty when the answer was not the API's own. */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }

  /** From a `Status` object, or from any text. */
  static fromBody(status: number, body: string): ApiError {
    const json = parseJson(body);
    if (isJson(json) && json["kind"] === "Status") {
      return new ApiError(status, textOf(json["reason"]), textOf(json["message"]));
    }
    return new ApiError(status, "", `the API server answered ${status}`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy in between answered with a page of its own.
    return undefined;
  }
}

/** Whether the same request may succeed later: nobody is wrong, the server is busy, gone or behind. */
export function isTransient(error: unknown): boolean {
  return !(error instanceof ApiError) || error.status === 409 || error.status === 429 || error.status >= 500;
}
