/** One thing that is wrong with one field of one object, in words for a person. */
export interface Problem {
  /** `Service default/hello`. */
  readonly object: string;
  /** `spec.template.spec.containers[0].ports`; empty for the object as a whole. */
  readonly field: string;
  /** What has to hold, and what to do where that is not plain. */
  readonly rule: string;
  /** What was found. */
  readonly value?: unknown;
}

const longestValue = 80;

function formatValue(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}

/** `Service default/hello: spec.template.spec.containerConcurrency: must be from 0 to 1000 (found 1001)`. */
export function formatProblem(problem: Problem): string {
  const field = problem.field === "" ? "" : `${problem.field}: `;
  const found = problem.value === undefined ? "" : ` (found ${formatValue(problem.value)})`;
  return `${problem.object}: ${field}${problem.rule}${found}`;
}

/** Where everything that is found about one object goes. Problems refuse the object, warnings do not. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly object: string;

  constructor(object: string) {
    this.object = object;
  }

  refuse(field: string, rule: string, value?: unknown): void {
    this.problems.push({ object: this.object, field, rule, ...(value === undefined ? {} : { value }) });
  }

  warn(field: string, rule: string, value?: unknown): void {
    this.warnings.push({ object: this.object, field, rule, ...(value === undefined ? {} : { value }) });
  }
}
