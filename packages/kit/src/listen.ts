import type { AddressInfo, Server } from "node:net";

/**
 * Binds the server; port 0 takes a free one. Rejects with the system's error (EADDRINUSE, EACCES…), which
 * `runMain` turns into one line.
 */
export function listen(server: Server, port: number, address: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: address }, () => {
      server.off("error", reject);
      const bound = server.address();
      if (bound === null || typeof bound === "string") reject(new Error("the server has no TCP address"));
      else resolve(bound);
    });
  });
}
