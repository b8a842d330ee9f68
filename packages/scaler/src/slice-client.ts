import type { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { jsonOf, listOf, textOf } from "./api-object.ts";
import type { WantedSlice } from "./endpoint-slice.ts";

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** Controllers of Kubernetes that write slices; they leave them behind when a Service loses its selector. */
const kubernetesManagers =
  "endpointslice-controller.k8s.io,endpointslicemirroring-controller.k8s.io" as const;

/** The requests that are made for EndpointSlices; what is there already, or gone already, is no failure. */
export class SliceClient {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async create(namespace: string, slice: WantedSlice): Promise<void> {
    try {
      await this.#client.call("POST", toPath(namespace), { body: slice.json });
    } catch (error) {
      // Created by another replica a moment ago: our watch will show it.
      if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
    }
  }

  async replace(namespace: string, slice: WantedSlice): Promise<void> {
    await this.#client.call("PUT", `${toPath(namespace)}/${slice.name}`, { body: slice.json });
  }

  remove(namespace: string, name: string): Promise<void> {
    return this.#delete(`${toPath(namespace)}/${name}`);
  }

  /**
   * Removes what Kubernetes wrote for a Service while that had a selector. It stays as it was then, for ever: addresses of
   * pods that are gone. The Endpoints object goes first, or its slice would be mirrored again. Resolves to whether nothing
   * was left.
   */
  async removeRivals(service: Named): Promise<boolean> {
    const query = new URLSearchParams({
      labelSelector: `kubernetes.io/service-name=${service.name},endpointslice.kubernetes.io/managed-by in (${kubernetesManagers})`,
    });
    const found = jsonOf(await this.#client.call("GET", `${toPath(service.namespace)}?${query.toString()}`));
    const slices = listOf(found["items"]).map((item) => textOf(jsonOf(item["metadata"])["name"]));
    if (slices.length === 0) return true;
    await this.#delete(`/api/v1/namespaces/${service.namespace}/endpoints/${service.name}`);
    for (const name of slices) await this.remove(service.namespace, name);
    return false;
  }

  async #delete(path: string): Promise<void> {
    try {
      await this.#client.call("DELETE", path);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  }
}

function toPath(namespace: string): string {
  return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
}
