/** How soon the end of the parent is noticed. */
const lookMs = 250;

/**
 * Sends this process SIGTERM when the one that started it is gone. npm hands signals on while it lives; when it is killed, nobody would
 * tell its child. Does not keep the process alive.
 */
export function endWithParent(): void {
  const parent = process.ppid;
  const looking = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(looking);
    process.kill(process.pid, "SIGTERM");
  }, lookMs);
  looking.unref();
}
