import { createInterface } from "node:readline";
import { StartError } from "@sluice/kit";

/**
 * A spare sidecar has its code loaded and binds nothing: it waits for one line on standard input, a JSON object with its
 * variables. Undefined when the input ends before: nobody wants it any more.
 */
export async function readEnvironmentLine(
  input: NodeJS.ReadableStream,
): Promise<Readonly<Record<string, string>> | undefined> {
  const lines = createInterface({ input });
  try {
    for await (const line of lines) return toEnvironment(line);
    return undefined;
  } finally {
    lines.close();
  }
}

function toEnvironment(line: string): Record<string, string> {
  const value = parse(line);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw notVariables();
  return Object.fromEntries(
    Object.entries(value).map(([name, text]) => {
      if (typeof text !== "string") throw notVariables();
      return [name, text];
    }),
  );
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw notVariables();
  }
}

function notVariables(): StartError {
  return new StartError(
    "the line on standard input is not a JSON object of variables",
    'write one line such as {"USER_PORT": "8080", …}, or unset SLUICE_ENVIRONMENT',
  );
}
