import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toGoRequest } from "../../packages/sidecar/src/go-template/go-request.ts";
import { compileGoTemplate, type GoTemplate } from "../../packages/sidecar/src/go-template/go-template.ts";
import { GoStruct, type GoValue } from "../../packages/sidecar/src/go-template/go-value.ts";

interface Vector {
  readonly template: string;
  /** What Go's text/template made of it, a character per byte. */
  readonly text?: string;
  readonly fault?: "no template" | "fails";
}

/** Made with Go's own text/template and net/http, for the request below. */
const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "go-template-vectors.json"), "utf8"),
) as readonly Vector[];

const request = toGoRequest({
  method: "POST",
  url: "/a/b%20c?q=1&q=2&x=%3Cy%3E",
  protocol: "HTTP/1.1",
  host: "app.example:8080",
  remoteAddress: "10.1.2.3:4567",
  headers: [
    ["User-Agent", `it's <me> & "you"`],
    ["Referer", "http://r.example/"],
    ["X-One", "1"],
    ["X-One", "2"],
    ["Cookie", "a=1; b=2"],
    ["Traceparent", "00-abc-def-01"],
    ["Content-Length", "5"],
    // One in UTF-8, one that is none.
    ["X-Utf", "caf\u00c3\u00a9"],
    ["X-Latin", "caf\u00e9"],
  ].flat(),
  contentLength: 5n,
  isChunked: false,
  isSecure: false,
  closesConnection: false,
});

function toStruct(name: string, values: Readonly<Record<string, GoValue>>): GoStruct {
  const fields = Object.entries(values).map(([field, value]) => [field, () => value]);
  return new GoStruct(name, Object.fromEntries(fields));
}

const data = toStruct("*http.RequestLogTemplateInput", {
  Request: request,
  Response: toStruct("*http.RequestLogResponse", { Code: 404n, Size: 1234n, Latency: 0.0123456789 }),
  Revision: toStruct("*http.RequestLogRevision", {
    Name: "greeter-00001",
    Namespace: "default",
    Service: "greeter",
    Configuration: "greeter",
    PodName: "greeter-00001-abc",
    PodIP: "10.0.0.9",
  }),
  TraceID: "abc",
});

function fill(source: string): Omit<Vector, "template"> {
  let template: GoTemplate;
  try {
    template = compileGoTemplate(source);
  } catch {
    return { fault: "no template" };
  }
  try {
    return { text: template(data) };
  } catch {
    return { fault: "fails" };
  }
}

describe("Go's templates", () => {
  test("there is something to compare", () => {
    expect(vectors.length).toBeGreaterThan(490);
  });

  test.each(vectors)("$template", ({ template, ...expected }) => {
    expect(fill(template)).toEqual(expected);
  });

  test.each([
    ["{{if .TraceID}}\nyes", /line 1: \{\{if\}\} has no \{\{end\}\}/],
    ["\n\n{{nothing 1}}", /line 3: function "nothing" not defined/],
    ["{{.TraceID", /line 1: unclosed action/],
    ["{{$x}}", /undefined variable "\$x"/],
    ['{{"a}}', /unterminated quoted string/],
  ])("%j is refused with its line and what is wrong", (template, message) => {
    expect(() => compileGoTemplate(template)).toThrow(message);
  });

  test("a template that calls itself ends", () => {
    expect(() => compileGoTemplate('{{define "x"}}{{template "x"}}{{end}}{{template "x"}}')(data)).toThrow(
      /depth/,
    );
  });
});
