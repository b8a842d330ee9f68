import { injectSidecar, removeSidecar, type InjectOptions, type InjectResult } from "@sluice/manifest";

export type TextResult = Omit<InjectResult, "texts"> & { readonly text: string };

function toOne({ texts, ...rest }: InjectResult): TextResult {
  return { text: texts[0] ?? "", ...rest };
}

/** Injects into one text. */
export function injectText(text: string, options: InjectOptions): TextResult {
  return toOne(injectSidecar([{ text, name: "manifest" }], options));
}

export function removeFromText(text: string): TextResult {
  return toOne(removeSidecar([{ text, name: "manifest" }]));
}
