/**
 * Header names of Knative's data plane and ours, lower case as Node hands them over.
 * Source: knative.dev/networking `pkg/http/header`.
 */
export const headerNames = {
  originalHost: "k-original-host",
  proxyRequest: "k-proxy-request",
  networkProbe: "k-network-probe",
  networkHash: "k-network-hash",
  kubeletProbe: "k-kubelet-probe",
  passthroughLoadBalancing: "k-passthrough-lb",
  servingRevision: "knative-serving-revision",
  servingNamespace: "knative-serving-namespace",
  servingTag: "knative-serving-tag",
  servingDefaultRoute: "knative-serving-default-route",
  /** `queue-full` or `closing`: the sidecar refused before the app saw a byte, so another pod may be tried. */
  refused: "sluice-refused",
} as const;

/** User agents that mark a health check wherever probes are honoured (prefix match). */
export const probeUserAgentPrefixes = [
  "kube-probe/",
  "Knative-Activator-Probe",
  "Knative-Autoscaling-Probe",
] as const;

/** Values of `K-Network-Probe` and `K-Proxy-Request`. */
export const probeTargets = { queue: "queue", activator: "activator", probe: "probe" } as const;
