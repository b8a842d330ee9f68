// The article's second sample. `?sleep=<ms>&prime=<n>&bloat=<MB>`: sleeps, looks for the largest prime below n, and
// allocates memory, all three for one request, and says what it did.
import { createServer } from "node:http";

const limits = { sleep: 60_000, prime: 10_000_000, bloat: 1000 };

/** A whole number from the query, within what one request may ask for; 0 when it is absent or no number. */
function readNumber(query, name) {
  const value = Math.trunc(Number(query.get(name)));
  return value > 0 ? Math.min(value, limits[name]) : 0;
}

/** Sieve of Eratosthenes over the odd numbers; undefined when there is no prime below `limit`. */
function findLargestPrime(limit) {
  if (limit <= 2) return undefined;
  const isComposite = new Uint8Array((limit >> 1) + 1);
  for (let odd = 3; odd * odd < limit; odd += 2) {
    if (isComposite[odd >> 1] === 1) continue;
    for (let multiple = odd * odd; multiple < limit; multiple += 2 * odd) isComposite[multiple >> 1] = 1;
  }
  for (let odd = limit % 2 === 0 ? limit - 1 : limit - 2; odd > 2; odd -= 2) {
    if (isComposite[odd >> 1] === 0) return odd;
  }
  return 2;
}

/** Both ends are written, so that the memory is really there. */
function allocate(megabytes) {
  const memory = Buffer.allocUnsafe(megabytes * 1024 * 1024);
  memory[0] = 1;
  memory[memory.length - 1] = 1;
  return memory.length;
}

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? "/", "http://localhost");
  const sleepMs = readNumber(searchParams, "sleep");
  const limit = readNumber(searchParams, "prime");
  const megabytes = readNumber(searchParams, "bloat");
  const startedMs = performance.now();
  const lines = [];
  if (megabytes > 0) lines.push(`Allocated ${allocate(megabytes) / 1024 / 1024} MB of memory.`);
  if (limit > 0) {
    const prime = findLargestPrime(limit);
    lines.push(
      prime === undefined
        ? `There is no prime below ${limit}.`
        : `The largest prime below ${limit} is ${prime}.`,
    );
  }
  const answer = () => {
    if (sleepMs > 0) lines.push(`Slept for ${(performance.now() - startedMs).toFixed(2)} milliseconds.`);
    const body = `${lines.length > 0 ? lines.join("\n") : "Ask for ?sleep=100&prime=10000&bloat=5"}\n`;
    response.writeHead(200, {
      "content-type": "text/plain; charset=utf-8",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  };
  if (sleepMs > 0) setTimeout(answer, sleepMs);
  else answer();
});

server.listen(Number(process.env.PORT ?? 8080), "0.0.0.0");
process.on("SIGTERM", () => server.close());
