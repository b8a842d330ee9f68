import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { AddressBook } from "../../packages/local/src/address-book.ts";

const opened: { close(): unknown }[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

async function openBook(...args: Parameters<typeof AddressBook.open>): Promise<AddressBook> {
  const book = await AddressBook.open(...args);
  opened.push(book);
  return book;
}

/** The port; rejects when somebody listens there already. */
async function listen(address: string, port: number): Promise<number> {
  const server = createServer();
  opened.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

test.runIf(process.platform === "linux")(
  "pods get an address each, where all can listen on the same ports",
  async () => {
    const book = await openBook();
    const places = [await book.take(), await book.take()];
    expect(new Set(places.map(({ address }) => address)).size).toBe(2);
    for (const { address, ports } of places) {
      expect(address).toMatch(/^127\./);
      for (const port of Object.values(ports)) await listen(address, port);
    }
  },
);

test.runIf(process.platform === "linux")("two platforms do not share addresses", async () => {
  const [one, other] = [await openBook(), await openBook()];
  const [a, b] = [await one.take(), await other.take()];
  expect(a.address.split(".")[1]).not.toBe(b.address.split(".")[1]);
});

test.runIf(process.platform === "linux")(
  "an address that was given back is not the next one given out",
  async () => {
    const book = await openBook();
    const first = await book.take();
    book.release(first);
    expect((await book.take()).address).not.toBe(first.address);
  },
);

test.runIf(process.platform === "linux")(
  "a port that somebody holds on all addresses is replaced",
  async () => {
    const held = await listen("0.0.0.0", 0);
    const wanted = { main: 8012, stats: 9090, metrics: held, admin: 8022 };
    const { address, ports } = await (await openBook("addresses", wanted)).take();
    expect(ports.metrics).not.toBe(held);
    await listen(address, ports.metrics);
  },
);

test("with one address for all, pods differ in their ports", async () => {
  const book = await openBook("ports");
  const places = [await book.take(), await book.take()];
  expect(places.map(({ address }) => address)).toEqual(["127.0.0.1", "127.0.0.1"]);
  const ports = places.flatMap((place) => Object.values(place.ports));
  expect(new Set(ports).size).toBe(8);
});
