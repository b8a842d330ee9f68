import { get, request, type ParityCase, type ParityGroup } from "../case.ts";
import { answerWith, type AppScript } from "../scripted-app.ts";

const switching =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";

const asked = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Key: k",
  "Sec-WebSocket-Version: 13",
];

/** Agrees, and says back what it hears. */
const echo: AppScript = async (visit) => {
  visit.send(switching);
  visit.socket.on("data", (text: string) => visit.send(text.toUpperCase()));
  await visit.untilClosed();
};

const talkAcross: ParityCase["talk"] = async (client) => {
  await client.answer();
  client.send("hello");
  await client.untilReceived("HELLO");
  client.noteReceived();
};

const upgrades: Omit<ParityCase, "row">[] = [
  { id: "upgrade-echo", send: get(...asked), app: echo, talk: talkAcross },
  {
    id: "upgrade-lower",
    send: get("connection: upgrade", "upgrade: websocket"),
    app: echo,
    talk: talkAcross,
  },
  {
    id: "upgrade-keep-alive",
    send: get("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
    app: echo,
    talk: talkAcross,
  },
  {
    id: "upgrade-other-protocol",
    send: get("Connection: Upgrade", "Upgrade: own/1"),
    app: async (visit) => {
      visit.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: own/1\r\nConnection: Upgrade\r\nX-A: 1\r\n\r\n",
      );
      visit.socket.on("data", (text: string) => visit.send(text.toUpperCase()));
      await visit.untilClosed();
    },
    talk: talkAcross,
  },
  {
    id: "upgrade-protocols-differ",
    send: get("Connection: Upgrade", "Upgrade: own/1"),
    app: async (visit) => {
      visit.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: own/2\r\nConnection: Upgrade\r\n\r\n");
      await visit.untilClosed();
    },
  },
  {
    id: "upgrade-protocol-case",
    send: get("Connection: Upgrade", "Upgrade: WebSocket"),
    app: echo,
    talk: talkAcross,
  },
  {
    id: "upgrade-list",
    send: get("Connection: Upgrade", "Upgrade: own/1, websocket"),
    app: echo,
    talk: async (client) => void (await client.answer()),
  },
  {
    id: "upgrade-refused",
    send: get(...asked),
    app: answerWith("HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"),
  },
  {
    id: "upgrade-ignored",
    send: get(...asked),
    app: answerWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"),
  },
  {
    id: "upgrade-unasked",
    send: get(),
    app: async (visit) => {
      visit.send(switching);
      await visit.untilClosed();
    },
  },
  {
    id: "upgrade-h2c",
    send: get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    // Knative goes on in HTTP/2, which is not compared here.
    talk: async (client) => void (await client.answer()),
  },
  {
    id: "upgrade-early-bytes",
    send: `${get(...asked)}early`,
    app: echo,
    talk: async (client) => {
      await client.answer();
      client.send("hello");
      await client.untilReceived("HELLO");
      client.noteReceived();
    },
  },
  {
    id: "upgrade-app-closes",
    send: get(...asked),
    app: (visit) => {
      visit.send(`${switching}bye`);
      visit.socket.end();
    },
    talk: async (client) => {
      await client.answer();
      await client.untilEnded();
      client.noteReceived();
    },
  },
  {
    id: "upgrade-client-closes",
    send: get(...asked),
    app: async (visit) => {
      visit.send(switching);
      await visit.untilClosed();
    },
    talk: async (client) => {
      await client.answer();
      client.socket.end();
      await client.untilEnded();
      client.note("ended");
    },
  },
  {
    id: "upgrade-post-body",
    send: `${request("POST $ HTTP/1.1", "Host: a", ...asked, "Content-Length: 5")}hello`,
    app: echo,
    talk: async (client) => void (await client.answer()),
  },
  {
    id: "upgrade-http10",
    send: request("GET $ HTTP/1.0", "Host: a", ...asked),
    app: echo,
    talk: async (client) => void (await client.answer()),
  },
  {
    id: "upgrade-app-dies",
    send: get(...asked),
    app: async (visit) => {
      visit.socket.end();
      await visit.untilClosed();
    },
  },
  {
    id: "upgrade-framed-101",
    send: get(...asked),
    app: async (visit) => {
      visit.send(switching.replace("\r\n\r\n", "\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n"));
      visit.socket.on("data", (text: string) => visit.send(text.toUpperCase()));
      await visit.untilClosed();
    },
    talk: async (client) => {
      await client.untilReceived("\r\n\r\n");
      client.send("hello");
      await client.untilReceived("HELLO");
      client.noteReceived();
    },
  },
];

const cases: ParityCase[] = upgrades.map((each) => ({ ...each, row: "1.12" }));

function limited(prefix: string): ParityCase[] {
  return [
    {
      id: `${prefix}-upgrade-quiet`,
      row: "1.6",
      send: get(...asked),
      app: echo,
      talk: async (client) => {
        await client.answer();
        await client.untilEnded();
        client.note("ended");
      },
    },
  ];
}

export const upgradeGroups: ParityGroup[] = [
  { name: "upgrades", environment: {}, cases },
  {
    name: "upgrades and the request's limit",
    environment: { REVISION_TIMEOUT_SECONDS: "1" },
    cases: limited("limit"),
  },
  {
    name: "upgrades and the start limit",
    environment: { REVISION_TIMEOUT_SECONDS: "3", REVISION_RESPONSE_START_TIMEOUT_SECONDS: "1" },
    cases: limited("start"),
  },
  {
    name: "upgrades and the idle limit",
    environment: { REVISION_TIMEOUT_SECONDS: "4", REVISION_IDLE_TIMEOUT_SECONDS: "1" },
    cases: limited("idle"),
  },
];
