import { toActionText } from "./go-format.ts";
import { toByteText } from "./go-text.ts";
import { GoMap, GoStruct, isList, isTrue, toTypeName, type GoMethod, type GoValue } from "./go-value.ts";
import { functionNames, templateFunctions } from "./template-functions.ts";
import type { BranchNode, Command, Operand, Pipe, TemplateNode } from "./template-node.ts";
import { parseTemplate, type TemplateSet } from "./template-parser.ts";

/** Fills a template in. Throws for what shows only then, such as a field that does not exist. */
export type GoTemplate = (data: GoValue) => string;

/**
 * Go's text/template: actions, pipelines, variables, comparisons and the predefined functions. Texts have a character per byte, the
 * result too. Throws SyntaxError for what is no template.
 */
export function compileGoTemplate(source: string): GoTemplate {
  const templates = parseTemplate(toByteText(source), functionNames);
  return (data) => new TemplateRun(templates).run("", data);
}

/** A template that calls itself without end is stopped here. */
const maxDepth = 100;

type Jump = "break" | "continue" | undefined;

interface Variable {
  readonly name: string;
  value: GoValue;
}

class TemplateRun {
  readonly #templates: TemplateSet;
  #variables: Variable[] = [];
  #depth = 0;
  #text = "";

  constructor(templates: TemplateSet) {
    this.#templates = templates;
  }

  run(name: string, dot: GoValue): string {
    this.#call(name, dot);
    return this.#text;
  }

  #call(name: string, dot: GoValue): void {
    const nodes = this.#templates.get(name);
    if (nodes === undefined) throw new ReferenceError(`template "${name}" not defined`);
    if (++this.#depth > maxDepth) throw new RangeError("exceeded maximum template depth");
    const outer = this.#variables;
    this.#variables = [{ name: "$", value: dot }];
    this.#walk(nodes, dot);
    this.#variables = outer;
    this.#depth--;
  }

  #walk(nodes: readonly TemplateNode[], dot: GoValue): Jump {
    for (const node of nodes) {
      const jump = this.#step(node, dot);
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  #step(node: TemplateNode, dot: GoValue): Jump {
    switch (node.kind) {
      case "text":
        this.#text += node.text;
        return undefined;
      case "action": {
        const value = this.#evaluatePipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#text += toActionText(value);
        return undefined;
      }
      case "template":
        this.#call(node.name, node.pipe === undefined ? null : this.#evaluatePipe(node.pipe, dot));
        return undefined;
      case "break":
      case "continue":
        return node.kind;
      case "if":
      case "with":
      case "range":
        break;
    }
    return this.#branch(node, dot);
  }

  /** Variables of a branch end with it. */
  #branch(node: BranchNode, dot: GoValue): Jump {
    const count = this.#variables.length;
    const value = this.#evaluatePipe(node.pipe, dot);
    let jump: Jump;
    if (node.kind === "range") this.#range(node, dot, value);
    else if (isTrue(value)) jump = this.#walk(node.list, node.kind === "with" ? value : dot);
    else jump = this.#walk(node.otherwise, dot);
    this.#variables.length = count;
    return jump;
  }

  #range(node: BranchNode, dot: GoValue, value: GoValue): void {
    const elements = toElements(value, node.pipe.variables.length);
    if (elements.length === 0) {
      this.#walk(node.otherwise, dot);
      return;
    }
    const { variables, isAssignment } = node.pipe;
    const count = this.#variables.length;
    for (const [key, element] of elements) {
      const [one, other] = variables;
      const set = isAssignment ? this.#assign.bind(this) : this.#rename.bind(this);
      if (other !== undefined) {
        set(one ?? "", key, 2);
        set(other, element, 1);
      } else if (one !== undefined) set(one, element, 1);
      const jump = this.#walk(node.list, element);
      this.#variables.length = count;
      if (jump === "break") return;
    }
  }

  /** The variables that a range declares are on top of the stack, the last one last. */
  #rename(_name: string, value: GoValue, fromTop: number): void {
    const variable = this.#variables.at(-fromTop);
    if (variable !== undefined) variable.value = value;
  }

  #assign(name: string, value: GoValue): void {
    const variable = this.#variables.findLast((each) => each.name === name);
    if (variable === undefined) throw new ReferenceError(`undefined variable: ${name}`);
    variable.value = value;
  }

  #evaluatePipe(pipe: Pipe, dot: GoValue): GoValue {
    let value: GoValue | undefined;
    for (const command of pipe.commands) value = this.#evaluateCommand(command, dot, value);
    const result = value ?? null;
    for (const name of pipe.variables) {
      if (pipe.isAssignment) this.#assign(name, result);
      else this.#variables.push({ name, value: result });
    }
    return result;
  }

  /** `final`: what the command before in the pipeline gave. */
  #evaluateCommand(command: Command, dot: GoValue, final: GoValue | undefined): GoValue {
    const [head, ...rest] = command;
    if (head === undefined) throw new SyntaxError("empty command");
    if (head.kind === "function" && (head.name === "and" || head.name === "or")) {
      return this.#evaluateLogic(head.name, rest, dot, final);
    }
    const args = (): GoValue[] => {
      const values = rest.map((operand) => this.#evaluateOperand(operand, dot));
      return final === undefined ? values : [...values, final];
    };
    if (head.kind === "function") return callFunction(head.name, args());
    if (head.kind === "fields") return this.#evaluateFields(head, dot, args());
    if (rest.length > 0 || final !== undefined) throw new TypeError("can't give argument to non-function");
    if (head.kind === "nil") throw new TypeError("nil is not a command");
    return this.#evaluateOperand(head, dot);
  }

  /** Stops at the first that decides. */
  #evaluateLogic(name: string, rest: readonly Operand[], dot: GoValue, final: GoValue | undefined): GoValue {
    let value: GoValue | undefined;
    for (const operand of rest) {
      value = this.#evaluateOperand(operand, dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    value = final ?? value;
    if (value === undefined) throw new TypeError(`wrong number of args for ${name}: want at least 1 got 0`);
    return value;
  }

  #evaluateOperand(operand: Operand, dot: GoValue): GoValue {
    switch (operand.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "constant":
        return operand.value;
      case "variable":
        return this.#find(operand.name);
      case "pipe":
        return this.#evaluatePipe(operand.pipe, dot);
      case "function":
        return callFunction(operand.name, []);
      case "fields":
        break;
    }
    return this.#evaluateFields(operand, dot, []);
  }

  #find(name: string): GoValue {
    const variable = this.#variables.findLast((each) => each.name === name);
    if (variable === undefined) throw new ReferenceError(`undefined variable: ${name}`);
    return variable.value;
  }

  /** The last name may be a method, which gets the arguments. */
  #evaluateFields(
    operand: Extract<Operand, { kind: "fields" }>,
    dot: GoValue,
    args: readonly GoValue[],
  ): GoValue {
    let value = operand.base === undefined ? dot : this.#evaluateOperand(operand.base, dot);
    const last = operand.names.length - 1;
    for (const [index, name] of operand.names.entries())
      value = readField(value, name, index === last ? args : []);
    return value;
  }
}

function callFunction(name: string, args: readonly GoValue[]): GoValue {
  const known = templateFunctions[name];
  if (known === undefined) throw new ReferenceError(`"${name}" is not a defined function`);
  return known(args);
}

function readField(value: GoValue, name: string, args: readonly GoValue[]): GoValue {
  // What a map did not have has no fields either.
  if (value === null) return null;
  if (value instanceof GoMap || value instanceof GoStruct) {
    const method = own(value.methods, name);
    if (method !== undefined) return callMethod(name, method, args);
    if (args.length > 0) throw new TypeError(`${name} has arguments but cannot be invoked as function`);
    if (value instanceof GoMap) return value.entries.get(name) ?? null;
    const read = value.isNil ? undefined : own(value.fields, name);
    if (read !== undefined) return read();
  }
  throw new TypeError(`can't evaluate field ${name} in type ${toTypeName(value)}`);
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function callMethod(name: string, method: GoMethod, args: readonly GoValue[]): GoValue {
  const { arity } = method;
  if (args.length !== arity)
    throw new TypeError(`wrong number of args for ${name}: want ${arity} got ${args.length}`);
  return method.call(args);
}

/** What a range goes through, with the keys. */
function toElements(value: GoValue, variables: number): readonly (readonly [GoValue, GoValue])[] {
  if (value === null) return [];
  if (isList(value)) return value.map((each, index) => [BigInt(index), each]);
  if (value instanceof GoMap) return value.sorted;
  if (typeof value === "bigint") {
    if (variables > 1) throw new TypeError(`can't use ${value} to iterate over more than one variable`);
    if (value > maxCount) throw new RangeError(`range of ${value} is too long for a line`);
    return Array.from({ length: Number(value < 0n ? 0n : value) }, (_, index) => [
      BigInt(index),
      BigInt(index),
    ]);
  }
  throw new TypeError(`range can't iterate over ${toTypeName(value)}`);
}

/** Nobody's log line counts further. */
const maxCount = 100_000n;
