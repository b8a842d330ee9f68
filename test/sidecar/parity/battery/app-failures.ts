import { get, request, type ParityCase, type ParityGroup } from "../case.ts";
import type { AppScript, Visit } from "../scripted-app.ts";

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n";
const chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

/** What the app says before it dies. */
const lastWords: Readonly<Record<string, string>> = {
  nothing: "",
  "half-a-start-line": "HTTP/1.1 20",
  "half-a-head": "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-",
  "a-head": head,
  "half-a-body": `${head}hello`,
  "a-chunked-head": chunkedHead,
  "a-chunk": `${chunkedHead}5\r\nhello\r\n`,
  "half-a-chunk": `${chunkedHead}5\r\nhe`,
  "no-last-trailer": `${chunkedHead}5\r\nhello\r\n0\r\nX-T: 1\r\n`,
  "a-103": "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n",
};

const deaths: Readonly<Record<string, (visit: Visit) => void>> = {
  closes: (visit) => void visit.socket.end(),
  resets: (visit) => void visit.socket.resetAndDestroy(),
};

const posted = `${request("POST $ HTTP/1.1", "Host: a", "Content-Length: 5")}hello`;

const cases: ParityCase[] = Object.entries(deaths).flatMap(([way, die]) =>
  Object.entries(lastWords).flatMap(([words, text]) =>
    [
      ["get", get()],
      ["post", posted],
    ].map(([method = "", send = ""]) => ({
      id: `app-${way}-after-${words}-${method}`,
      row: "1.7",
      send,
      app: dyingApp(text, die),
      talk: async (client) => {
        await client.finalAnswer();
        await client.fate();
      },
    })),
  ),
);

function dyingApp(text: string, die: (visit: Visit) => void): AppScript {
  return async (visit) => {
    await visit.until((soFar) => soFar.isWhole);
    visit.send(text);
    // A reset drops what was not read yet, so that the proxy gets time to read.
    await new Promise((resolve) => setTimeout(resolve, 30));
    die(visit);
    await visit.untilClosed();
  };
}

const clientLeaves: ParityCase[] = [
  {
    id: "client-leaves-before-the-answer",
    row: "1.7",
    send: get(),
    app: (visit) => visit.untilClosed(),
    talk: async (client, stage) => {
      await stage.untilAtApp(1);
      client.destroy();
      const other = stage.connect();
      other.send(get());
      await stage.untilAtApp(2);
      other.destroy();
    },
  },
  {
    id: "extra-bytes-after-the-answer",
    row: "1.7",
    send: get(),
    app: async (visit) => {
      visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nokEXTRA");
    },
  },
];

export const appFailureGroups: ParityGroup[] = [
  { name: "the app dies", environment: {}, isSerial: true, cases: [...cases, ...clientLeaves] },
  {
    name: "no app",
    environment: { USER_PORT: "1" },
    cases: [
      { id: "no-app-get", row: "1.7", send: get() },
      { id: "no-app-post", row: "1.7", send: posted },
      {
        id: "no-app-upgrade",
        row: "1.7",
        send: get("Connection: Upgrade", "Upgrade: websocket"),
      },
      {
        id: "no-app-expect",
        row: "1.7",
        send: request("POST $ HTTP/1.1", "Host: a", "Content-Length: 5", "Expect: 100-continue"),
      },
    ],
  },
];
