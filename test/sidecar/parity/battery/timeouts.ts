import { get, request, type ParityCase, type ParityGroup } from "../case.ts";
import type { Conversation } from "../conversation.ts";
import type { AppScript } from "../scripted-app.ts";

const talkTwice = async (client: Conversation): Promise<void> => {
  await client.answer();
  await client.fate();
};

const stall =
  (...words: readonly string[]): AppScript =>
  async (visit) => {
    await visit.until((soFar) => soFar.isWhole);
    for (const text of words) visit.send(text);
    await visit.untilClosed();
  };

/** Says something every 300 ms for ever. */
const drip =
  (head: string, piece: string): AppScript =>
  async (visit) => {
    visit.send(head);
    while (!visit.socket.closed) {
      visit.send(piece);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  };

const chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

function cases(prefix: string, row: string): ParityCase[] {
  const each: Readonly<Record<string, AppScript>> = {
    silent: stall(),
    head: stall(chunked),
    "head-length": stall("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"),
    chunk: stall(chunked, "5\r\nhello\r\n"),
    "length-part": stall("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhello"),
    "until-close": stall("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"),
    information: stall("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
    "half-head": stall("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-"),
  };
  return [
    ...Object.entries(each).map(([id, app]) => ({
      id: `${prefix}-${id}`,
      row,
      send: get(),
      app,
      talk: talkTwice,
    })),
    {
      id: `${prefix}-http10-chunk`,
      row,
      send: request("GET $ HTTP/1.0", "Host: a"),
      app: stall(chunked, "5\r\nhello\r\n"),
      talk: talkTwice,
    },
    {
      id: `${prefix}-slow-body`,
      row,
      send: `${request("POST $ HTTP/1.1", "Host: a", "Content-Length: 10")}hello`,
      app: stall(),
      talk: talkTwice,
    },
    {
      id: `${prefix}-silent-close`,
      row,
      send: get("Connection: close"),
      app: stall(),
      talk: talkTwice,
    },
    {
      id: `${prefix}-head-method`,
      row,
      send: request("HEAD $ HTTP/1.1", "Host: a"),
      app: stall(),
      talk: async (client) => {
        await client.answer("HEAD");
        await client.fate();
      },
    },
    { id: `${prefix}-kubelet-header`, row, send: get("K-Kubelet-Probe: yes"), app: stall(), talk: talkTwice },
  ];
}

export const timeoutGroups: ParityGroup[] = [
  {
    name: "the request's limit",
    environment: { REVISION_TIMEOUT_SECONDS: "1" },
    cases: cases("limit", "1.6"),
  },
  {
    name: "the limit of the response's start",
    environment: { REVISION_TIMEOUT_SECONDS: "3", REVISION_RESPONSE_START_TIMEOUT_SECONDS: "1" },
    cases: cases("start", "1.6").filter(
      ({ id }) => !/chunk|length|until-close|information|start-head$|slow/.test(id),
    ),
  },
  {
    name: "the idle limit",
    environment: { REVISION_TIMEOUT_SECONDS: "10", REVISION_IDLE_TIMEOUT_SECONDS: "1" },
    cases: cases("idle", "1.6"),
  },
  {
    name: "a limit of 0 seconds",
    environment: { REVISION_TIMEOUT_SECONDS: "0" },
    cases: [{ id: "limit-0", row: "1.6", send: get(), talk: talkTwice }],
  },
  {
    name: "a limit on an endless answer",
    environment: { REVISION_TIMEOUT_SECONDS: "2", REVISION_IDLE_TIMEOUT_SECONDS: "1" },
    cases: [
      {
        id: "limit-endless",
        row: "1.6",
        send: get(),
        app: drip(chunked, "1\r\nx\r\n"),
        talk: async (client) => {
          await client.untilReceived("timeout");
          client.note("the text ends the body");
          await client.untilReceived("0\r\n\r\n");
          client.note("and the body ends properly");
        },
      },
    ],
  },
];
