import type { ParityCase, ParityGroup, ParityStage } from "./case.ts";
import { Conversation } from "./conversation.ts";
import { toLines, type Message } from "./message.ts";
import { ScriptedApp, sayOk } from "./scripted-app.ts";
import type { StartSubject, Subject } from "./subject.ts";

/** What a client and an app saw of one case, in lines. */
export type Outcome = readonly string[];

/** Puts a group's questions to one proxy. Outcomes by the cases' ids. */
export async function runGroup(group: ParityGroup, start: StartSubject): Promise<Map<string, Outcome>> {
  const app = new ScriptedApp();
  await app.open();
  for (const { id, app: script } of group.cases) app.script(id, script ?? sayOk);
  const environment = Object.fromEntries(
    Object.entries(group.environment).map(([name, value]) => [
      name,
      value.replaceAll("$APP", String(app.port)),
    ]),
  );
  const subject = await start(app.port, environment);
  const outcomes = new Map<string, Outcome>();
  const runOne = async (each: ParityCase): Promise<void> => {
    outcomes.set(each.id, await runCase(each, app, subject, group.hasRefusals === true));
  };
  try {
    if (group.isSerial === true) for (const each of group.cases) await runOne(each);
    else await Promise.all(group.cases.map(runOne));
  } finally {
    await subject.stop();
    app.close();
  }
  return outcomes;
}

async function runCase(
  each: ParityCase,
  app: ScriptedApp,
  { ports }: Subject,
  hasRefusals: boolean,
): Promise<Outcome> {
  const conversations: Conversation[] = [];
  const stage: ParityStage = {
    ports,
    connect(port = ports.main) {
      const conversation = new Conversation(port, each.id);
      conversations.push(conversation);
      return conversation;
    },
    async untilAtApp(count) {
      while (app.seen(each.id).length < count) await new Promise((resolve) => setTimeout(resolve, 2));
    },
  };
  const client = stage.connect();
  if (each.send !== undefined) client.send(each.send);
  await (each.talk ?? talkOnce)(client, stage);
  for (const conversation of conversations) conversation.destroy();
  const seen = app.seenLines(each.id);
  const notes = conversations.flatMap((conversation) => conversation.notes);
  const lines = notes.flatMap((note) => toNoteLines(note, hasRefusals && seen.length === 0));
  return [...lines, ...seen].map((line) => line.replaceAll(String(app.port), "APP"));
}

/** How a proxy words an error of its own is its business; scripted apps never say `nosniff`. */
function toNoteLines(note: string | Message, isRefusal: boolean): readonly string[] {
  if (typeof note === "string") return [note];
  const status = note.startLine.split(" ")[1] ?? "";
  if (isRefusal && status >= "400") return [`refused with ${status}`];
  return status === "502" && note.headers.some(([name]) => name.toLowerCase() === "x-content-type-options")
    ? ["the app's failure: 502"]
    : toLines(note);
}

async function talkOnce(client: Conversation): Promise<void> {
  await client.answer();
  await client.fate();
}
