import { describe, expect, test } from "vitest";
import { compileLogTemplate, type LogRecord } from "../../packages/sidecar/src/log-template.ts";

const record: LogRecord = {
  Request: {
    Method: "GET",
    RequestURI: '/a?q="x"',
    ContentLength: 0,
    UserAgent: "it's <me>",
    RemoteAddr: "10.0.0.1",
    Referer: "",
    Proto: "HTTP/1.1",
    Host: "a.example",
    header: (name) => (name === "X-B3-Traceid" ? "abc" : ""),
  },
  Response: { Code: 200, Size: 12, Latency: 0.25 },
  Revision: { Name: "r", Namespace: "n", Service: "s", Configuration: "c", PodName: "p", PodIP: "1.2.3.4" },
  TraceID: "t",
};

describe("the request log's template", () => {
  test.each([
    ["{{.Request.Method}} {{.Response.Code}}", "GET 200"],
    ['"{{js .Request.RequestURI}}"', '"/a?q\\u003D\\"x\\""'],
    ["{{.Request.UserAgent | js}}", "it\\'s \\u003Cme\\u003E"],
    ["{{html .Request.UserAgent}}", "it&#39;s &lt;me&gt;"],
    ["{{.Response.Latency}}s {{ .Response.Size }}", "0.25s 12"],
    ["{{- .Revision.PodIP -}}/{{.Revision.Name}}", "1.2.3.4/r"],
    ['{{.Request.Header.Get "X-B3-Traceid"}}', "abc"],
    ['{{index .Request.Header "X-B3-Traceid"}}', "[abc]"],
    ["{{.TraceID}}\n", "t"],
    ["no actions", "no actions"],
  ])("%s", (template, line) => {
    expect(compileLogTemplate(template)(record)).toBe(line);
  });

  test.each([
    "{{.Request.Nothing}}",
    "{{.Nothing}}",
    "{{nothing .TraceID}}",
    "{{.TraceID | nothing}}",
    "{{if .TraceID}}",
  ])("%s is refused when it is read, not when a request comes", (template) => {
    expect(() => compileLogTemplate(template)).toThrow(/template/);
  });
});
