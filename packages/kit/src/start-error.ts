/** Why a process could not start, for the person who started it: what failed and why, and what to do next. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly next: string;

  constructor(message: string, next: string, options?: { cause?: unknown }) {
    super(message, options);
    this.next = next;
  }
}

/** One line: what failed, why, what to do next. Never a stack trace. */
export function describeStartError(error: unknown): string {
  if (error instanceof StartError) return oneLine(`${error.message}; ${error.next}`);
  if (!isSystemError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return oneLine(`cannot start: ${message}`);
  }
  const known = error.path !== undefined && error.code === "EACCES" ? fileDenied : reasons[error.code];
  const reason = known ?? { why: error.message, next: "see what the system says about it" };
  return oneLine(`${describeCall(error)}: ${reason.why}; ${reason.next}`);
}

interface SystemError extends Error {
  code: string;
  syscall?: string;
  address?: string;
  port?: number;
  path?: string;
}

const reasons: Readonly<Record<string, { why: string; next: string }>> = {
  EADDRINUSE: {
    why: "something else listens there",
    next: "stop it, or choose another port (--help lists the settings)",
  },
  EADDRNOTAVAIL: {
    why: "this machine does not have that address",
    next: "choose an address of this machine (--help lists the settings)",
  },
  EACCES: {
    why: "permission denied",
    next: "choose a port above 1023, or give this user the permission",
  },
  EPERM: { why: "not permitted", next: "give this user the permission" },
  ENOENT: { why: "there is no such file", next: "create it, or name another (--help lists the settings)" },
  ENOTDIR: { why: "it is not a folder", next: "name a folder (--help lists the settings)" },
  EISDIR: { why: "it is a folder", next: "name a file (--help lists the settings)" },
  EMFILE: { why: "too many open files", next: "raise the limit (ulimit -n)" },
  ECONNREFUSED: { why: "nobody listens there", next: "start what should, or name another address" },
  ENOTFOUND: { why: "the name cannot be resolved", next: "check the name and the resolver" },
};

const fileDenied = { why: "permission denied", next: "let this user read it, or name another" };

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}

function describeCall(error: SystemError): string {
  const target = error.path ?? describeAddress(error);
  const verb = error.syscall === "listen" || error.syscall === "bind" ? "listen on" : (error.syscall ?? "do");
  return `cannot ${verb}${target === undefined ? "" : ` ${target}`}`;
}

function describeAddress(error: SystemError): string | undefined {
  if (error.address === undefined) return undefined;
  const host = error.address.includes(":") ? `[${error.address}]` : error.address;
  return error.port === undefined ? host : `${host}:${error.port}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}
