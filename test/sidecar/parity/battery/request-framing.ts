import { get, request, type ParityCase, type ParityGroup } from "../case.ts";
import { answerWith } from "../scripted-app.ts";

const post = (...headers: readonly string[]): string => request("POST $ HTTP/1.1", "Host: a", ...headers);

const targets: ParityCase[] = [
  ["query", "GET $?a=b&c=d%20e HTTP/1.1"],
  ["query-empty", "GET $? HTTP/1.1"],
  ["query-semicolon", "GET $?a;b HTTP/1.1"],
  ["query-raw", 'GET $?q={}|"<> HTTP/1.1'],
  ["double-slash", "GET /$//x HTTP/1.1"],
  ["dots", "GET $/../x/./y HTTP/1.1"],
  ["encoded-slash", "GET $/a%2Fb HTTP/1.1"],
  ["encoded-odd", "GET $/%zz HTTP/1.1"],
  ["encoded-nul", "GET $/%00 HTTP/1.1"],
  ["backslash", "GET $\\x HTTP/1.1"],
  ["brackets", "GET $[]{}|^ HTTP/1.1"],
  ["fragment", "GET $#f HTTP/1.1"],
  ["utf8", "GET $/caf\u00c3\u00a9 HTTP/1.1"],
  ["no-slash", "GET x$ HTTP/1.1"],
  ["empty", "GET  HTTP/1.1"],
  ["options-star", "OPTIONS * HTTP/1.1"],
  ["get-star", "GET * HTTP/1.1"],
  ["connect", "CONNECT a.example:443 HTTP/1.1"],
  ["connect-path", "CONNECT $ HTTP/1.1"],
  ["long", `GET $/${"x".repeat(8000)} HTTP/1.1`],
].map(([id = "", start = ""]) => ({
  id: `target-${id}`,
  row: "1.12",
  send: request(start, "Host: a", "X-Case: $"),
}));

const methods: ParityCase[] = [
  "PUT",
  "DELETE",
  "PATCH",
  "TRACE",
  "OPTIONS",
  "PROPFIND",
  "MKCOL",
  "REPORT",
  "PURGE",
  "LINK",
  "QUERY",
  "BREW",
  "get",
  "M-SEARCH",
  "X_Y.Z",
].map((method) => ({
  id: `method-${method.replaceAll(/\W/g, "-")}`,
  row: "1.12",
  send: request(`${method} $ HTTP/1.1`, "Host: a"),
}));

const versions: ParityCase[] = [
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "http/1.1",
  "HTTP/1.1 ",
  "HTTP/11",
].map((version, index) => ({
  id: `version-${index}-${version.trim().replaceAll(/\W/g, "-")}`,
  row: "1.12",
  send: request(`GET $ ${version}`, "Host: a"),
}));

const bodies: ParityCase[] = [
  { id: "length", send: `${post("Content-Length: 5")}hello` },
  { id: "length-0", send: post("Content-Length: 0") },
  { id: "no-length", send: post() },
  { id: "get-body", send: `${get("Content-Length: 5")}hello` },
  { id: "get-chunked", send: `${get("Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n` },
  { id: "delete-body", send: `${request("DELETE $ HTTP/1.1", "Host: a", "Content-Length: 2")}ab` },
  { id: "chunked", send: `${post("Transfer-Encoding: chunked")}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n` },
  { id: "chunked-upper", send: `${post("Transfer-Encoding: CHUNKED")}5\r\nhello\r\n0\r\n\r\n` },
  { id: "chunked-empty", send: `${post("Transfer-Encoding: chunked")}0\r\n\r\n` },
  { id: "chunked-extension", send: `${post("Transfer-Encoding: chunked")}5;a=b\r\nhello\r\n0\r\n\r\n` },
  {
    id: "chunked-trailers",
    send: `${post("Transfer-Encoding: chunked", "Trailer: X-T")}5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
  },
  {
    id: "chunked-trailers-unannounced",
    send: `${post("Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
  },
  {
    id: "chunked-trailers-forbidden",
    send: `${post("Transfer-Encoding: chunked", "Trailer: X-T, Content-Length")}5\r\nhello\r\n0\r\nX-T: 1\r\nContent-Length: 3\r\n\r\n`,
  },
  {
    id: "chunked-http10",
    send: `${request("POST $ HTTP/1.0", "Host: a", "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`,
  },
  { id: "coding-gzip", send: `${post("Transfer-Encoding: gzip")}hello` },
  { id: "coding-gzip-chunked", send: `${post("Transfer-Encoding: gzip, chunked")}0\r\n\r\n` },
  { id: "coding-identity", send: `${post("Transfer-Encoding: identity")}hello` },
  {
    id: "coding-twice",
    send: `${post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")}0\r\n\r\n`,
  },
  { id: "two-framings", send: `${post("Content-Length: 5", "Transfer-Encoding: chunked")}0\r\n\r\n` },
  { id: "lengths-same", send: `${post("Content-Length: 5", "Content-Length: 5")}hello` },
  { id: "lengths-same-list", send: `${post("Content-Length: 5, 5")}hello` },
  { id: "lengths-differ", send: `${post("Content-Length: 5", "Content-Length: 6")}hello!` },
  { id: "length-negative", send: post("Content-Length: -1") },
  { id: "length-plus", send: `${post("Content-Length: +5")}hello` },
  { id: "length-text", send: post("Content-Length: x") },
  { id: "length-empty", send: post("Content-Length:") },
  { id: "length-huge", send: post("Content-Length: 99999999999999999999") },
  { id: "bare-lf", send: "GET $ HTTP/1.1\nHost: a\n\n" },
  { id: "bare-lf-header", send: "GET $ HTTP/1.1\r\nHost: a\nX: y\r\n\r\n" },
  { id: "folded", send: get("X-A: 1", " 2") },
  { id: "no-colon", send: get("nonsense") },
  { id: "space-before-colon", send: get("X-A : 1") },
  { id: "empty-name", send: get(": 1") },
  { id: "control-in-value", send: get("X-A: a\u0001b") },
  { id: "nul-in-value", send: get("X-A: a\u0000b") },
  { id: "name-odd", send: get("X(A): 1") },
  { id: "leading-crlf", send: `\r\n${get()}` },
  { id: "garbage", send: "garbage\r\n\r\n" },
  { id: "tls-hello", send: "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\r\n\r\n" },
].map(({ id, send }) => ({ id: `body-${id}`, row: "1.12", send }));

const large: ParityCase[] = [
  { id: "large-body", row: "1.12", send: `${post("Content-Length: 300000")}${"x".repeat(300_000)}` },
  {
    id: "many-headers",
    row: "1.12",
    send: get(...Array.from({ length: 300 }, (_, index) => `X-${index}: v`)),
  },
  { id: "header-64k", row: "1.12", send: get(`X-A: ${"y".repeat(64_000)}`) },
  { id: "header-1m", row: "1.12", send: get(`X-A: ${"y".repeat(1_048_000)}`) },
  { id: "header-2m", row: "1.12", send: get(`X-A: ${"y".repeat(2_100_000)}`) },
];

const conversations: ParityCase[] = [
  {
    id: "keep-alive",
    row: "1.12",
    talk: async (client) => {
      for (let count = 0; count < 3; count++) {
        client.send(get());
        await client.answer();
      }
      await client.fate();
    },
  },
  {
    id: "pipelined",
    row: "1.12",
    send: get("X-N: 1") + get("X-N: 2") + `${post("Content-Length: 2", "X-N: 3")}ab` + get("X-N: 4"),
    talk: async (client) => {
      for (let count = 0; count < 4; count++) await client.answer();
      await client.fate();
    },
  },
  {
    id: "pipelined-close",
    row: "1.12",
    send: get("Connection: close") + get(),
    talk: async (client) => {
      await client.answer();
      await client.fate();
    },
  },
  { id: "http10", row: "1.12", send: request("GET $ HTTP/1.0", "Host: a") },
  {
    id: "http10-keep-alive",
    row: "1.12",
    send: request("GET $ HTTP/1.0", "Host: a", "Connection: keep-alive"),
  },
  {
    id: "http10-no-length",
    row: "1.12",
    send: request("GET $ HTTP/1.0", "Host: a", "Connection: keep-alive"),
    app: answerWith(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
  },
  {
    id: "expect-continue",
    row: "1.12",
    send: post("Content-Length: 5", "Expect: 100-continue"),
    app: async (visit) => {
      visit.send("HTTP/1.1 100 Continue\r\n\r\n");
      await visit.until((soFar) => soFar.isWhole);
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
    },
    talk: async (client) => {
      await client.answer();
      client.send("hello");
      await client.answer();
      await client.fate();
    },
  },
  {
    id: "expect-silent-app",
    row: "1.12",
    send: post("Content-Length: 5", "Expect: 100-continue"),
    talk: async (client) => {
      await client.answer();
      client.send("hello");
      await client.answer();
      await client.fate();
    },
  },
  {
    id: "expect-refused",
    row: "1.12",
    send: post("Content-Length: 5", "Expect: 100-continue"),
    app: (visit) =>
      visit.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    talk: async (client) => {
      await client.answer();
      client.send("hello");
      await client.untilEnded();
      client.noteReceived();
    },
  },
  {
    id: "expect-eager",
    row: "1.12",
    send: `${post("Content-Length: 5", "Expect: 100-continue")}hello`,
    talk: async (client) => {
      await client.answer();
      await client.answer();
      await client.fate();
    },
  },
  {
    id: "answer-before-body",
    row: "1.12",
    send: `${post("Content-Length: 10")}hello`,
    app: (visit) =>
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nearly"),
    talk: async (client) => {
      await client.answer();
    },
  },
  {
    id: "duplex",
    row: "1.12",
    send: `${post("Transfer-Encoding: chunked")}1\r\na\r\n`,
    app: async (visit) => {
      visit.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n",
      );
      await visit.until((soFar) => soFar.body.includes("b"));
      visit.send("1\r\nB\r\n");
      await visit.until((soFar) => soFar.isWhole);
      visit.send("0\r\n\r\n");
    },
    talk: async (client) => {
      await client.untilReceived("A");
      client.send("1\r\nb\r\n");
      await client.untilReceived("B");
      client.send("0\r\n\r\n");
      await client.answer();
      await client.fate();
    },
  },
];

export const requestFramingGroups: ParityGroup[] = [
  {
    name: "request framing",
    hasRefusals: true,
    environment: { ENABLE_HTTP_FULL_DUPLEX: "true" },
    cases: [...targets, ...methods, ...versions, ...bodies, ...large, ...conversations],
  },
];
