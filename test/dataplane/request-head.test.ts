import { describe, expect, test } from "vitest";
import { readRequestHead } from "@sluice/dataplane";

describe("readRequestHead", () => {
  test("sends on what is end to end, in order, as it was spelled", () => {
    const head = readRequestHead(["Host", "a", "X-B", "2", "accept", "*/*", "X-b", "3"], "trusted");
    expect(head.endToEnd).toEqual(["X-B", "2", "accept", "*/*", "X-b", "3"]);
    expect(head.host).toBe("a");
  });

  test.each([
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
  ])("keeps hop-by-hop %s to itself", (name) => {
    expect(readRequestHead([name, "x", "X-Kept", "1"], "trusted").endToEnd).toEqual(["X-Kept", "1"]);
  });

  test("drops what Connection names, but never the length of the body", () => {
    const head = readRequestHead(
      ["X-Secret", "1", "Connection", "close, X-SECRET,content-length", "Content-Length", "5"],
      "trusted",
    );
    expect(head.endToEnd).toEqual(["Content-Length", "5"]);
  });

  test("joins a header that came twice", () => {
    const head = readRequestHead(["X-Forwarded-For", "10.0.0.1", "X-Forwarded-For", "10.0.0.2"], "trusted");
    expect(head.forwardedFor).toBe("10.0.0.1, 10.0.0.2");
  });

  test("hears internal headers from the trusted", () => {
    const head = readRequestHead(
      ["K-Original-Host", "a", "K-Proxy-Request", "activator", "Knative-Serving-Revision", "r"],
      "trusted",
    );
    expect(head).toMatchObject({ originalHost: "a", proxyRequest: "activator", servingRevision: "r" });
    expect(head.endToEnd).toEqual(["K-Proxy-Request", "activator"]);
  });

  test.each([
    "K-Original-Host",
    "K-Proxy-Request",
    "K-Network-Probe",
    "K-Network-Hash",
    "K-Kubelet-Probe",
    "K-Passthrough-Lb",
    "Knative-Serving-Revision",
    "Knative-Serving-Namespace",
    "Knative-Serving-Tag",
    "Knative-Serving-Default-Route",
    "Knative-Serving-Anything",
    "Sluice-Refused",
  ])("removes a stranger's %s unread", (name) => {
    const head = readRequestHead([name, "x", "X-Kept", "1"], "untrusted");
    expect(head.endToEnd).toEqual(["X-Kept", "1"]);
    expect(Object.values(head).filter((value) => value === "x")).toEqual([]);
  });

  test.each([
    [[], false],
    [["Content-Length", "0"], false],
    [["Content-Length", "3"], true],
    [["Transfer-Encoding", "chunked"], true],
  ])("%j has a body: %s", (rawHeaders, expected) => {
    expect(readRequestHead(rawHeaders, "trusted").hasBody).toBe(expected);
  });

  test("forgets whom a sender claims to forward for where its word does not count", () => {
    const raw = [
      "X-Forwarded-For",
      "1.2.3.4",
      "X-Forwarded-Host",
      "evil",
      "X-Forwarded-Port",
      "1",
      "Forwarded",
      "for=x",
      "X-Kept",
      "1",
    ];
    const head = readRequestHead(raw, "untrusted", "replaced");
    expect(head.endToEnd).toEqual(["X-Kept", "1"]);
    expect([head.forwardedFor, head.forwardedHost, head.forwarded]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(readRequestHead(raw, "untrusted").forwardedFor).toBe("1.2.3.4");
  });
});
