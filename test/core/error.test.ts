import { errorCatalogue, SluiceError } from "@sluice/core";
import { describe, expect, test } from "vitest";

describe("errors", () => {
  test("keep what is internal from the client", () => {
    const error = new SluiceError("upstream-connect", "connect ECONNREFUSED 127.0.0.1:8080");
    expect(error.message).toContain("ECONNREFUSED");
    expect(error.body).toBe(errorCatalogue["upstream-connect"].body);
    expect(error.status).toBe(502);
  });

  test("show a detail that was meant for the client, as a line", () => {
    const error = new SluiceError("host-unknown", "no service has the host a.example.com", {
      isPublic: true,
    });
    expect(error.body).toBe("no service has the host a.example.com\n");
  });

  test("carry their cause", () => {
    const cause = new Error("reset");
    expect(new SluiceError("upstream-reset", undefined, { cause }).cause).toBe(cause);
  });

  // Knative's own tests and clients compare these (queue-proxy and activator handlers).
  test.each([
    ["queue-full", 503, "pending request queue full\n"],
    ["closing", 503, "shutting down\n"],
    ["request-timeout", 504, "request timeout"],
    ["activator-request-timeout", 504, "activator request timeout"],
    ["connect-unsupported", 502, "client sent unsupported CONNECT request\n"],
  ] as const)("%s is Knative's answer", (code, status, body) => {
    const error = new SluiceError(code);
    expect([error.status, error.body]).toEqual([status, body]);
  });

  test.each(["upstream-reset", "request-timeout", "internal"] as const)(
    "%s never tells anybody to try again, because an app may have worked",
    (code) => {
      expect(new SluiceError(code).retry).toBe("never");
    },
  );
});
