import { createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { AppPorts } from "../../packages/local/src/app-ports.ts";

async function holdPort(): Promise<{ port: number; release: () => void }> {
  const server = createServer().listen(0, "0.0.0.0");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, release: () => server.close() };
}

test("every app gets a port of its own, below the range of outgoing connections", async () => {
  const ports = new AppPorts(() => 0.5);
  const taken = await Promise.all(Array.from({ length: 20 }, async () => await ports.take()));
  expect(new Set(taken).size).toBe(20);
  expect(taken.every((port) => port >= 20_000 && port < 32_000)).toBe(true);
});

test("an app that names its port gets it while it is free, and another when not", async () => {
  const ports = new AppPorts(Math.random);
  const { port, release } = await holdPort();
  const instead = await ports.take(port);
  expect(instead).not.toBe(port);
  release();
  expect(await ports.take(port)).toBe(port);
  expect(await ports.take(port)).not.toBe(port);
});

test("a port that was given back can be had again", async () => {
  const ports = new AppPorts(Math.random);
  const { port, release } = await holdPort();
  release();
  expect(await ports.take(port)).toBe(port);
  ports.release(port);
  expect(await ports.take(port)).toBe(port);
});
