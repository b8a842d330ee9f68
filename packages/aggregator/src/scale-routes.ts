import type { Decision, ObjectKey } from "@sluice/core";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { answerJson, answerTagged, type AdminRoute } from "@sluice/kit";
import type { DecisionBook } from "./decision-book.ts";

export interface ScaleRoutesOptions {
  readonly book: DecisionBook;
  /** Why there is no decision, for the 404. */
  readonly explainMissing: (key: ObjectKey) => string;
}

export const scalePath = "/v1/scale";

/** The HTTP scale endpoint: list and watch, one decision, and how it came about. */
export function createScaleRoutes(options: ScaleRoutesOptions): readonly AdminRoute[] {
  return [
    { method: "GET", path: scalePath, handle: (request) => options.book.hub.answer(request) },
    {
      method: "GET",
      path: `${scalePath}/:namespace/:name`,
      handle({ request, response, parameters }) {
        const key = toObjectKey(parameters);
        const decision = options.book.find(key);
        if (decision === undefined) answerJson(response, 404, { error: options.explainMissing(key) });
        else answerDecision(request, response, decision);
      },
    },
    {
      method: "GET",
      path: `${scalePath}/:namespace/:name/history`,
      handle({ response, parameters }) {
        const key = toObjectKey(parameters);
        const items = options.book.historyOf(key);
        if (items.length === 0) answerJson(response, 404, { error: options.explainMissing(key) });
        else answerJson(response, 200, { items });
      },
    },
  ];
}

function answerDecision(request: IncomingMessage, response: ServerResponse, decision: Decision): void {
  const body = `${JSON.stringify(decision)}\n`;
  const tag = createHash("sha256").update(body).digest("base64url").slice(0, 22);
  answerTagged(request, response, tag, () => body);
}

function toObjectKey(parameters: Readonly<Record<string, string>>): ObjectKey {
  return `${parameters["namespace"] ?? ""}/${parameters["name"] ?? ""}`;
}
