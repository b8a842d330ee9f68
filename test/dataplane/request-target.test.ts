import { describe, expect, test } from "vitest";
import { checkFraming, readRequestHead, toRequestTarget } from "@sluice/dataplane";

describe("toRequestTarget", () => {
  test.each([
    ["/a?b=c", "example.com", { path: "/a?b=c", host: "example.com" }],
    ["*", "example.com:80", { path: "*", host: "example.com:80" }],
    ["http://other.example/x", "example.com", { path: "/x", host: "other.example" }],
    ["HTTP://other.example:81?q", "example.com", { path: "/?q", host: "other.example:81" }],
    ["/", "[::1]:8080", { path: "/", host: "[::1]:8080" }],
    ["//evil.example/x", "example.com", { path: "//evil.example/x", host: "example.com" }],
  ])("%s for host %s", (url, host, expected) => {
    expect(toRequestTarget(url, readRequestHead(["Host", host], "trusted"))).toEqual(expected);
  });

  test.each([
    ["/", ["Host", "a", "Host", "a"]],
    ["/", ["Host", "a b"]],
    ["/", ["Host", "user@a"]],
    ["/", ["Host", "a/b"]],
    ["/", ["Host", "a:b"]],
    ["http://user@a/", ["Host", "a"]],
    ["http:///x", ["Host", "a"]],
    ["ftp://a/", ["Host", "a"]],
    ["example.com:80", ["Host", "a"]],
    ["x", ["Host", "a"]],
  ])("refuses target %s with %j", (url, rawHeaders) => {
    expect(() => toRequestTarget(url, readRequestHead(rawHeaders, "trusted"))).toThrow(
      expect.objectContaining({ code: "bad-request" }),
    );
  });
});

describe("checkFraming", () => {
  test.each([
    [["Transfer-Encoding", "gzip, chunked"], "1.1", "transfer-encoding-unsupported"],
    [
      ["Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"],
      "1.1",
      "transfer-encoding-unsupported",
    ],
    [["Transfer-Encoding", "identity"], "1.1", "transfer-encoding-unsupported"],
    [["Transfer-Encoding", "chunked", "Content-Length", "3"], "1.1", "bad-request"],
    [["Transfer-Encoding", "chunked"], "1.0", "bad-request"],
  ])("refuses %j over HTTP/%s", (rawHeaders, version, code) => {
    const head = readRequestHead(["Host", "a", ...rawHeaders], "trusted");
    expect(() => checkFraming(head, version)).toThrow(expect.objectContaining({ code }));
  });

  test.each([[["Transfer-Encoding", "Chunked"]], [["Content-Length", "3"]], [[]]])(
    "takes %j",
    (rawHeaders) => {
      const head = readRequestHead(["Host", "a", ...rawHeaders], "trusted");
      expect(() => checkFraming(head, "1.1")).not.toThrow();
    },
  );

  test("HTTP/1.1 says whom it is for; HTTP/1.0 and HTTP/2 need not", () => {
    const head = readRequestHead([], "trusted");
    expect(() => checkFraming(head, "1.1")).toThrow(expect.objectContaining({ code: "bad-request" }));
    for (const version of ["1.0", "2.0"]) expect(() => checkFraming(head, version)).not.toThrow();
  });
});
