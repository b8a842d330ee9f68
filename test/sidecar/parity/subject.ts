import { spawn } from "node:child_process";
import { connect } from "node:net";
import { systemClock } from "@sluice/core";
import { parseSettings } from "@sluice/kit";
import { sidecarSettings, startSidecar } from "@sluice/sidecar";
import { createSidecarEnvironment, stopSidecar } from "../../support/sidecar-harness.ts";
import type { ParityPorts } from "./case.ts";

/** A proxy under test. */
export interface Subject {
  readonly ports: ParityPorts;
  stop(): Promise<void>;
}

export type StartSubject = (
  appPort: number,
  environment: Readonly<Record<string, string>>,
) => Promise<Subject>;

export const startSluice: StartSubject = async (appPort, environment) => {
  const variables = createSidecarEnvironment(appPort, environment);
  const sidecar = await startSidecar(parseSettings(sidecarSettings, { environment: variables }), systemClock);
  return { ports: { metrics: 0, ...sidecar.ports }, stop: () => stopSidecar(sidecar) };
};

/** Knative's ports that no variable moves. So only one can run at a time. */
const fixed = { admin: 8022, stats: 9090, metrics: 9091 };
const mainPort = 18_012;

/** Starts the queue-proxy that this path names. */
export function createKnativeStarter(program: string): StartSubject {
  return async (appPort, environment) => {
    const variables = createSidecarEnvironment(appPort, {
      QUEUE_SERVING_PORT: String(mainPort),
      QUEUE_SERVING_TLS_PORT: "18112",
      ...environment,
    });
    const child = spawn(program, [], { env: variables, stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
    });
    const ports = { ...fixed, main: mainPort };
    for (const port of [ports.main, ports.admin, ports.stats]) {
      await Promise.race([untilListening(port), ended.then(() => Promise.reject(new Error("ended early")))]);
    }
    return {
      ports,
      async stop() {
        child.kill("SIGKILL");
        await ended;
      },
    };
  };
}

async function untilListening(port: number): Promise<void> {
  while (!(await canConnect(port)));
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket
      .on("connect", () => {
        socket.destroy();
        resolve(true);
      })
      .on("error", () => resolve(false));
  });
}
