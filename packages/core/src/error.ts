/** Whose doing it is: decides the status class and the log level. */
export type ErrorOrigin = "client" | "upstream" | "internal";

/**
 * Whether the request may be sent again. `other-pod`: it provably never reached an app.
 * `always`: nothing was done anywhere, the same target may be asked again.
 */
export type ErrorRetry = "never" | "other-pod" | "always";

interface ErrorEntry {
  readonly status: number;
  readonly origin: ErrorOrigin;
  readonly retry: ErrorRetry;
  /** What the client reads. Bodies that Knative's clients and tests compare are Knative's, newline included. */
  readonly body: string;
}

/** Every error that may become a response. Status 499 is for logs and metrics: that client is gone. */
export const errorCatalogue = {
  "bad-request": { status: 400, origin: "client", retry: "never", body: "bad request\n" },
  "host-unknown": { status: 404, origin: "client", retry: "never", body: "no service has this host\n" },
  "client-timeout": { status: 408, origin: "client", retry: "never", body: "request not received in time\n" },
  "body-too-large": { status: 413, origin: "client", retry: "never", body: "request body too large\n" },
  "expectation-failed": {
    status: 417,
    origin: "client",
    retry: "never",
    body: "only 100-continue can be expected\n",
  },
  "headers-too-large": { status: 431, origin: "client", retry: "never", body: "request headers too large\n" },
  "client-gone": { status: 499, origin: "client", retry: "never", body: "" },
  internal: { status: 500, origin: "internal", retry: "never", body: "internal error\n" },
  "version-unsupported": {
    status: 505,
    origin: "client",
    retry: "never",
    body: "unsupported HTTP version\n",
  },
  "transfer-encoding-unsupported": {
    status: 501,
    origin: "client",
    retry: "never",
    body: "unsupported transfer encoding\n",
  },
  "upstream-connect": {
    status: 502,
    origin: "upstream",
    retry: "other-pod",
    body: "cannot connect to the app\n",
  },
  "upstream-reset": {
    status: 502,
    origin: "upstream",
    retry: "never",
    body: "the app closed the connection\n",
  },
  "upstream-invalid": {
    status: 502,
    origin: "upstream",
    retry: "never",
    body: "the app's answer is not valid HTTP\n",
  },
  "connect-unsupported": {
    status: 502,
    origin: "client",
    retry: "never",
    body: "client sent unsupported CONNECT request\n",
  },
  "queue-full": { status: 503, origin: "internal", retry: "other-pod", body: "pending request queue full\n" },
  closing: { status: 503, origin: "internal", retry: "other-pod", body: "shutting down\n" },
  "hold-limit": { status: 503, origin: "internal", retry: "always", body: "too many requests are held\n" },
  "revision-failed": { status: 503, origin: "upstream", retry: "never", body: "the revision cannot start\n" },
  "routes-unknown": {
    status: 503,
    origin: "internal",
    retry: "always",
    body: "starting: the routes are not known yet\n",
  },
  "autoscaler-unreachable": {
    status: 503,
    origin: "internal",
    retry: "always",
    body: "autoscaler unreachable\n",
  },
  "request-timeout": { status: 504, origin: "upstream", retry: "never", body: "request timeout" },
  "activator-request-timeout": {
    status: 504,
    origin: "upstream",
    retry: "never",
    body: "activator request timeout",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/**
 * The one error that crosses module borders. `detail` is for people who run the system and stays in the log,
 * unless `isPublic` says that the client may read it in place of the catalogue's body.
 */
export class SluiceError extends Error {
  override readonly name = "SluiceError";
  readonly code: ErrorCode;
  readonly isPublic: boolean;

  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown; isPublic?: boolean }) {
    super(detail ?? code, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.isPublic = options?.isPublic === true;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }

  get origin(): ErrorOrigin {
    return errorCatalogue[this.code].origin;
  }

  get retry(): ErrorRetry {
    return errorCatalogue[this.code].retry;
  }

  /** What the client reads. */
  get body(): string {
    return this.isPublic ? `${this.message}\n` : errorCatalogue[this.code].body;
  }
}
