import type { QueryClient, QueryKey } from "@tanstack/react-query";

/** Collects requests to refresh queries and carries them out together: a burst of events causes one request each. */
export class Refresher {
  private readonly pending = new Map<string, QueryKey>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: QueryClient,
    private readonly delayMs = 500,
  ) {}

  /** A path stands for all queries of it. */
  request(target: string | QueryKey): void {
    const key = typeof target === "string" ? ["get", target] : target;
    this.pending.set(JSON.stringify(key), key);
    this.timer ??= setTimeout(() => this.flush(), this.delayMs);
  }

  private flush(): void {
    this.timer = undefined;
    const keys = [...this.pending.values()];
    this.pending.clear();
    for (const queryKey of keys)
      void this.client.invalidateQueries({ queryKey, refetchType: "active" });
  }
}
