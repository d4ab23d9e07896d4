import { useQuery } from "@tanstack/react-query";
import { api } from "@/api/client";
import type { Worker } from "@/api/types";

const PAGE_SIZE = 200;
/** At most this many attempts are read. */
export const MAX_ATTEMPTS = 2_000;

interface Attempts {
  workers: Worker[];
  /** Older attempts of the range exist and were not read. */
  incomplete: boolean;
}

/** The attempts that started in the last `hours` hours, newest first. */
export function useAttempts(hours: number) {
  return useQuery({
    queryKey: ["attempts", hours],
    queryFn: ({ signal }) => readAttempts(Date.now() - hours * 3_600_000, signal),
    staleTime: 60_000,
  });
}

async function readAttempts(since: number, signal: AbortSignal): Promise<Attempts> {
  const workers: Worker[] = [];
  let cursor: string | undefined;
  while (workers.length < MAX_ATTEMPTS) {
    const { data } = await api.GET("/api/workers", {
      params: { query: { limit: PAGE_SIZE, cursor } },
      signal,
    });
    const items = data?.items ?? [];
    const recent = items.filter(({ startedAt }) => Date.parse(startedAt) >= since);
    workers.push(...recent);
    cursor = data?.nextCursor ?? undefined;
    if (recent.length < items.length || cursor === undefined) return { workers, incomplete: false };
  }
  return { workers, incomplete: true };
}
