import * as v from "valibot";

const version = v.pipe(v.string(), v.regex(/^[0-9A-Za-z-]+\.\d+$/, "a version is {epoch}.{number}"));

/**
 * One line of a list-watch stream (`application/x-ndjson`): a snapshot between begin and end, then changes.
 * Objects are checked by the reader's own schema, so feed and scale endpoint share the protocol.
 */
export const watchLineSchema = v.variant("type", [
  v.object({ type: v.literal("snapshot-begin"), version }),
  v.object({ type: v.literal("put"), version, key: v.string(), object: v.unknown() }),
  v.object({ type: v.literal("delete"), version, key: v.string() }),
  v.object({ type: v.literal("snapshot-end"), version }),
  v.object({ type: v.literal("heartbeat"), version }),
]);

export type WatchLine = v.InferOutput<typeof watchLineSchema>;
