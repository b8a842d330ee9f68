import { get, request, type ParityGroup } from "../case.ts";
import type { Conversation } from "../conversation.ts";

/** CONTAINER_CONCURRENCY 1: one runs, ten wait, the twelfth is refused. */
export const limitGroups: ParityGroup[] = [
  {
    name: "a full queue",
    environment: { CONTAINER_CONCURRENCY: "1" },
    isSerial: true,
    cases: [
      {
        id: "queue-full",
        row: "1.5",
        app: async (visit) => {
          await new Promise((resolve) => setTimeout(resolve, 100));
          visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
        },
        talk: async (client, stage) => {
          client.send(get());
          await stage.untilAtApp(1);
          const waiting: Conversation[] = [];
          for (let count = 0; count < 10; count++) waiting.push(stage.connect().send(get("X-Waits: 1")));
          // Refusals begin when all ten have been taken in.
          await new Promise((resolve) => setTimeout(resolve, 50));
          const refused = stage.connect().send(get());
          await refused.answer();
          await refused.fate();
          const posted = stage
            .connect()
            .send(`${request("POST $ HTTP/1.1", "Host: a", "Content-Length: 5")}hello`);
          await posted.answer();
          await client.answer();
          for (const each of waiting) await each.answer();
        },
      },
      {
        id: "queue-kubelet-passes",
        row: "1.5",
        app: async (visit) => {
          if (!visit.head.includes("K-Kubelet-Probe")) await visit.untilClosed();
          else visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
        },
        talk: async (client, stage) => {
          client.send(get());
          await stage.untilAtApp(1);
          const probe = stage.connect().send(get("K-Kubelet-Probe: yes"));
          await probe.answer();
          const question = stage.connect().send(get("User-Agent: kube-probe/1", "K-Network-Probe: queue"));
          await question.answer();
        },
      },
      {
        id: "queue-leaver-frees-slot",
        row: "1.5",
        app: async (visit) => {
          if (visit.head.includes("X-First")) await visit.untilClosed();
          else visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
        },
        talk: async (client, stage) => {
          client.send(get("X-First: 1"));
          await stage.untilAtApp(1);
          const waits = stage.connect().send(get());
          client.destroy();
          await waits.answer();
        },
      },
    ],
  },
  {
    name: "a limit below nothing",
    environment: { CONTAINER_CONCURRENCY: "-3" },
    cases: [{ id: "concurrency-negative", row: "1.5", send: get() }],
  },
];
