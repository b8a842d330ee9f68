/**
 * The `Forwarded` header (RFC 7239) that says what the `X-Forwarded-*` headers say, as Knative makes it: host and
 * protocol belong to the first element, and a node with a colon is bracketed and quoted. Undefined when there is
 * nothing to say.
 */
export function toForwarded(forwardedFor = "", forwardedProto = "", forwardedHost = ""): string | undefined {
  const nodes = toNodes(forwardedFor);
  const first = [
    ...nodes.slice(0, 1),
    ...(forwardedHost === "" ? [] : [`host=${forwardedHost}`]),
    ...(forwardedProto === "" ? [] : [`proto=${forwardedProto}`]),
  ];
  return first.length === 0 ? undefined : [first.join(";"), ...nodes.slice(1)].join(", ");
}

function toNodes(forwardedFor: string): string[] {
  if (forwardedFor === "") return [];
  // A comma at the very end adds no element: `,,,` names three unknown nodes.
  const list = forwardedFor.endsWith(",") ? forwardedFor.slice(0, -1) : forwardedFor;
  return list.split(",").map((node) => toNode(node.trim()));
}

function toNode(node: string): string {
  if (!node.includes(":")) return `for=${node}`;
  return node.startsWith("[") ? `for="${node}"` : `for="[${node}]"`;
}
