import * as v from "valibot";

/** The value as the schema has it. Throws an Error that says where and what: `ports.main: Invalid type: …`. */
export function parseObject<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  throw new TypeError(path === null ? issue.message : `${path}: ${issue.message}`);
}
