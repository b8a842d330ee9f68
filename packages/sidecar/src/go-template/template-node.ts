import type { GoValue } from "./go-value.ts";

/** A parsed template, piece by piece. */
export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | BranchNode
  | { readonly kind: "break" }
  | { readonly kind: "continue" }
  | { readonly kind: "template"; readonly name: string; readonly pipe: Pipe | undefined };

export interface BranchNode {
  readonly kind: "if" | "with" | "range";
  readonly pipe: Pipe;
  readonly list: readonly TemplateNode[];
  readonly otherwise: readonly TemplateNode[];
}

/** Commands whose value each is the last argument of the next. */
export interface Pipe {
  /** Variables that get the value. */
  readonly variables: readonly string[];
  /** `=` rather than `:=`: they exist already. */
  readonly isAssignment: boolean;
  readonly commands: readonly Command[];
}

/** An operand and its arguments. */
export type Command = readonly Operand[];

export type Operand =
  | { readonly kind: "dot" }
  | { readonly kind: "nil" }
  | { readonly kind: "constant"; readonly value: GoValue }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipe"; readonly pipe: Pipe }
  /** `base` undefined: fields of the dot. */
  | { readonly kind: "fields"; readonly base: Operand | undefined; readonly names: readonly string[] }
  | { readonly kind: "variable"; readonly name: string };
