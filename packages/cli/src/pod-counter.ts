import type { ControlClient } from "./control-client.ts";

export interface PodCount {
  /** Ready pods at the end. */
  readonly ready: number;
  /** The most pods, starting ones included, that were seen at any look. */
  readonly most: number;
}

const intervalMs = 100;

/** Watches how many pods a service has while something else happens. */
export class PodCounter {
  readonly #control: ControlClient;
  readonly #service: string;
  readonly #timer: NodeJS.Timeout;
  #most = 0;
  #failure: unknown;

  private constructor(control: ControlClient, service: string) {
    this.#control = control;
    this.#service = service;
    this.#timer = setInterval(() => void this.#look(), intervalMs);
  }

  static start(control: ControlClient, service: string): PodCounter {
    return new PodCounter(control, service);
  }

  /** Throws when a look failed: a count with holes is none. */
  async stop(): Promise<PodCount> {
    clearInterval(this.#timer);
    const ready = await this.#look();
    if (this.#failure !== undefined) throw this.#failure;
    return { ready, most: this.#most };
  }

  async #look(): Promise<number> {
    try {
      const services = await this.#control.services();
      const service = services.find((candidate) => candidate.name === this.#service);
      this.#most = Math.max(this.#most, service?.pods ?? 0);
      return service?.ready ?? 0;
    } catch (error) {
      this.#failure = error;
      return 0;
    }
  }
}
