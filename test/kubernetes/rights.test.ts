import { expect, test } from "vitest";
import { jsonOf } from "../../packages/scaler/src/api-object.ts";
import { describeCluster, systemNamespace } from "./support/test-cluster.ts";

const own = { namespace: systemNamespace };

/** Verb, API group and resource, and where not anywhere. */
type Right = readonly [
  verb: string,
  group: string,
  resource: string,
  more?: Readonly<Record<string, string>>,
];

const needed: readonly Right[] = [
  ["watch", "apps", "deployments"],
  ["patch", "apps", "deployments", {}],
  ["patch", "apps", "deployments", { subresource: "scale" }],
  ["patch", "", "pods"],
  ["update", "discovery.k8s.io", "endpointslices"],
  ["create", "", "events"],
  ["update", "coordination.k8s.io", "leases", { ...own, name: "sluice-scaler" }],
  ["update", "", "secrets", { ...own, name: "sluice-webhook" }],
];
const harmful: readonly Right[] = [
  ["get", "", "secrets"],
  ["list", "", "secrets", own],
  ["get", "", "secrets", { ...own, name: "sluice-token" }],
  ["create", "", "pods"],
  ["delete", "", "pods"],
  ["create", "", "pods", { subresource: "exec" }],
  ["update", "apps", "deployments"],
  ["delete", "apps", "deployments"],
  ["patch", "", "services"],
  ["create", "rbac.authorization.k8s.io", "clusterrolebindings"],
];

describeCluster("rights on a cluster", (cluster) => {
  async function isAllowed(account: string, [verb, group, resource, more]: Right): Promise<boolean> {
    const resourceAttributes = { verb, group, resource, namespace: cluster.namespace, ...more };
    const groups = [
      "system:serviceaccounts",
      `system:serviceaccounts:${systemNamespace}`,
      "system:authenticated",
    ];
    const body = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user: `system:serviceaccount:${systemNamespace}:${account}`, groups, resourceAttributes },
    };
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    return jsonOf(jsonOf(await cluster.client.call("POST", path, { body }))["status"])["allowed"] === true;
  }

  test.for(needed)("the scaler may %s %s/%s, activators and aggregators may not", async (right) => {
    const accounts = ["sluice-scaler", "sluice-activator", "sluice-aggregator"];
    expect(await Promise.all(accounts.map((account) => isAllowed(account, right)))).toEqual([
      true,
      false,
      false,
    ]);
  });

  test.for(harmful)("nobody may %s %s/%s", async (right) => {
    const accounts = ["sluice-scaler", "sluice-activator", "sluice-aggregator"];
    expect(await Promise.all(accounts.map((account) => isAllowed(account, right)))).toEqual([
      false,
      false,
      false,
    ]);
  });
});
