import { get, request, type ParityCase, type ParityGroup } from "../case.ts";
import { answerWith } from "../scripted-app.ts";

function respond(id: string, row: string, ...lines: readonly string[]): ParityCase {
  return { id: `answer-${id}`, row, send: get(), app: answerWith(lines.join("\r\n")) };
}

const ok = ["HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Length: 2"];

const headers: ParityCase[] = [
  ["repeated", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-A: 1", "x-a: 2"],
  [
    "hop-by-hop",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: x",
    "Proxy-Authenticate: Basic",
    "Proxy-Authorization: x",
    "TE: x",
    "Upgrade: h2c",
  ],
  ["connection-names", "Connection: x-private", "X-Private: 1", "X-Other: 2"],
  ["connection-close", "Connection: close"],
  ["connection-keep-alive", "Connection: keep-alive"],
  ["trailer-unused", "Trailer: X-T"],
  ["date", "Date: Mon, 01 Jan 2024 00:00:00 GMT"],
  ["date-odd", "Date: yesterday"],
  ["server", "Server: app", "X-Powered-By: me"],
  ["content-encoding", "Content-Encoding: gzip"],
  ["empty", "X-A:"],
  ["spaces", "X-A:   b   "],
  ["latin1", "X-A: caf\u00e9"],
  ["underscore", "X_A: 1"],
  ["refused", "Sluice-Refused: queue-full"],
  ["k-headers", "K-Network-Hash: x", "K-Proxy-Request: activator", "Knative-Serving-Revision: r"],
  ["alt-svc", "Alt-Svc: h3", "Strict-Transport-Security: x", "Via: 1.1 a"],
  ["event-stream-length", "Content-Type: text/event-stream"],
].map(([id = "", ...lines]) => respond(`header-${id}`, "1.4", ...ok, ...lines, "", "ok"));

const statuses: ParityCase[] = [
  [200, "OK"],
  [201, "Created"],
  [204, "No Content"],
  [205, "Reset Content"],
  [206, "Partial Content"],
  [299, "status code 299"],
  [300, "Multiple Choices"],
  [301, "Moved Permanently"],
  [304, "Not Modified"],
  [400, "Bad Request"],
  [401, "Unauthorized"],
  [404, "Not Found"],
  [418, "I'm a teapot"],
  [429, "Too Many Requests"],
  [499, "status code 499"],
  [500, "Internal Server Error"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
  [504, "Gateway Timeout"],
  [599, "status code 599"],
  [600, "status code 600"],
  [999, "status code 999"],
].map(([status, reason]) => ({
  id: `status-${status}`,
  row: "1.4",
  send: get(),
  app: answerWith(
    `HTTP/1.1 ${status} ${reason}\r\n${status === 204 || status === 304 ? "" : "Content-Type: text/plain\r\nContent-Length: 2\r\n"}X-A: 1\r\n\r\n${status === 204 || status === 304 ? "" : "ok"}`,
  ),
}));

const startLines: ParityCase[] = [
  ["no-reason", "HTTP/1.1 200"],
  ["empty-reason", "HTTP/1.1 200 "],
  ["own-reason", "HTTP/1.1 200 Very Well"],
  ["http10", "HTTP/1.0 200 OK"],
  ["bad-version", "HTTP/3.0 200 OK"],
  ["status-99", "HTTP/1.1 99 Low"],
  ["status-20", "HTTP/1.1 20 Low"],
  ["status-1000", "HTTP/1.1 1000 High"],
  ["garbage", "what is this"],
  ["lower", "http/1.1 200 OK"],
].map(([id, start = ""]) =>
  respond(`start-${id}`, "1.7", start, "Content-Type: text/plain", "Content-Length: 2", "", "ok"),
);

const framings: ParityCase[] = [
  respond(
    "chunked",
    "1.12",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Transfer-Encoding: chunked",
    "",
    "5",
    "hello",
    "0",
    "",
    "",
  ),
  respond(
    "chunked-empty",
    "1.12",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Transfer-Encoding: chunked",
    "",
    "0",
    "",
    "",
  ),
  respond(
    "chunked-trailers",
    "1.12",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Transfer-Encoding: chunked",
    "Trailer: X-T",
    "",
    "5",
    "hello",
    "0",
    "X-T: 1",
    "",
    "",
  ),
  respond(
    "chunked-trailers-unannounced",
    "1.12",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Transfer-Encoding: chunked",
    "",
    "5",
    "hello",
    "0",
    "X-T: 1",
    "",
    "",
  ),
  respond("length-0", "1.12", "HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Length: 0", "", ""),
  respond(
    "length-differ",
    "1.7",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Content-Length: 2",
    "Content-Length: 3",
    "",
    "okk",
  ),
  respond("length-text", "1.7", "HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Length: x", "", "ok"),
  respond(
    "length-and-chunked",
    "1.7",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "",
    "5",
    "hello",
    "0",
    "",
    "",
  ),
  respond(
    "coding-gzip",
    "1.7",
    "HTTP/1.1 200 OK",
    "Content-Type: text/plain",
    "Transfer-Encoding: gzip",
    "",
    "ok",
  ),
  respond("no-colon", "1.7", "HTTP/1.1 200 OK", "nonsense", "Content-Length: 2", "", "ok"),
  respond("space-in-name", "1.7", "HTTP/1.1 200 OK", "X A: 1", "Content-Length: 2", "", "ok"),
  respond("folded", "1.7", "HTTP/1.1 200 OK", "X-A: 1", " 2", "Content-Length: 2", "", "ok"),
  respond("control-in-value", "1.7", "HTTP/1.1 200 OK", "X-A: a\u0001b", "Content-Length: 2", "", "ok"),
  respond("204-body", "1.12", "HTTP/1.1 204 No Content", "Content-Length: 2", "", ""),
  respond("304-length", "1.12", "HTTP/1.1 304 Not Modified", "Content-Length: 20", "", ""),
  respond(
    "header-2m",
    "1.7",
    "HTTP/1.1 200 OK",
    `X-A: ${"y".repeat(2_000_000)}`,
    "Content-Length: 2",
    "",
    "ok",
  ),
  {
    id: "answer-until-close",
    row: "1.12",
    send: get(),
    app: async (visit) => {
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
      visit.socket.end();
    },
  },
  {
    id: "answer-until-close-http10",
    row: "1.12",
    send: request("GET $ HTTP/1.0", "Host: a"),
    app: async (visit) => {
      visit.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
      visit.socket.end();
    },
  },
  {
    id: "answer-empty-until-close",
    row: "1.12",
    send: get(),
    app: (visit) => {
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n");
      visit.socket.end();
    },
  },
  ...["content-length: 5", "transfer-encoding: chunked", "x-a: 1"].map((line, index) => ({
    id: `answer-head-${index}`,
    row: "1.12",
    send: request("HEAD $ HTTP/1.1", "Host: a"),
    app: answerWith(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${line}\r\n\r\n`),
    talk: async (client: Parameters<NonNullable<ParityCase["talk"]>>[0]) => {
      await client.answer("HEAD");
      await client.fate();
    },
  })),
  {
    id: "answer-chunk-then-wait",
    row: "1.7",
    send: get(),
    app: async (visit) => {
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
      visit.send("7\r\ndata: 1\r\n");
      await visit.untilClosed();
    },
    talk: async (client) => {
      await client.untilReceived("data: 1");
      client.note("the first event came while the answer goes on");
    },
  },
  {
    id: "answer-head-then-wait",
    row: "1.7",
    send: get(),
    app: async (visit) => {
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
      await visit.untilClosed();
    },
    talk: async (client) => {
      await client.untilReceived("\r\n\r\n");
      client.note("the head came while the answer goes on");
    },
  },
];

const information: ParityCase[] = [
  ["100", "HTTP/1.1 100 Continue"],
  ["102", "HTTP/1.1 102 Processing"],
  ["103", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload"],
  ["103-twice", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <b>"],
].map(([id, head]) => ({
  id: `information-${id}`,
  row: "1.7",
  send: get(),
  app: answerWith(
    `${head}\r\n\r\nHTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok`,
  ),
  talk: async (client) => {
    await client.finalAnswer();
    await client.fate();
  },
}));

export const responseGroups: ParityGroup[] = [
  {
    name: "answers",
    environment: {},
    cases: [...headers, ...statuses, ...startLines, ...framings, ...information],
  },
];
