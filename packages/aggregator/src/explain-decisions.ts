import type { Decision } from "@sluice/core";

/**
 * The last decisions about one revision as a story, oldest first, a line each: when, from how many pods to how many,
 * and why. Decisions that kept the number say so.
 */
export function explainDecisions(decisions: readonly Decision[]): string {
  const lines: string[] = [];
  let before: Decision | undefined;
  for (const decision of decisions) {
    lines.push(
      `${decision.decidedAt.slice(11, 23)}  ${describeStep(before, decision).padEnd(14)}${decision.reason}`,
    );
    lines.push(...describeTurns(before, decision).map((turn) => `${" ".repeat(28)}${turn}`));
    before = decision;
  }
  if (before !== undefined) lines.push("", describeNow(before));
  return `${lines.join("\n")}\n`;
}

function describeStep(before: Decision | undefined, decision: Decision): string {
  const { desiredPods } = decision;
  if (before === undefined) return toPods(desiredPods);
  if (before.desiredPods === desiredPods) return `stays at ${desiredPods}`;
  return `${before.desiredPods} → ${toPods(desiredPods)}`;
}

/** What else changed, in words. */
function describeTurns(before: Decision | undefined, decision: Decision): string[] {
  const turns: string[] = [];
  if (before !== undefined && before.mode !== decision.mode) {
    const capacity = decision.excessBurstCapacity;
    turns.push(
      decision.mode === "serve"
        ? `callers may go straight to pods: capacity for ${capacity} more than the burst is left`
        : `activators are in the path: capacity after a burst is ${capacity}, ${decision.readyPods} ready`,
    );
  }
  if (before !== undefined && before.owner !== decision.owner)
    turns.push(`${decision.owner} decides from here on`);
  return turns;
}

function describeNow(last: Decision): string {
  const { name, desiredPods, readyPods, activation, inFlight, held, targetValue } = last;
  return (
    `${name}: ${toPods(desiredPods)} wanted, ${readyPods} ready, ${activation.state} since ${activation.since.slice(11, 19)}; ` +
    `${round(inFlight)} in flight (${round(held)} held), target ${round(targetValue)} each`
  );
}

function toPods(count: number): string {
  return count === 1 ? "1 pod" : `${count} pods`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
