import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { utcDay } from "@/lib/time";
import { $api } from "./client";
import { paging } from "./paging";
import { fetchSession, logOut, sessionExpired } from "./session";

/** Values that time changes without an event (budget at midnight, cooldown, breakers) are at most this old. */
const SLOW_REFRESH_MS = 60_000;

export function useStatus() {
  return $api.useQuery("get", "/api/status", undefined, { refetchInterval: SLOW_REFRESH_MS });
}

export function useHealth() {
  return $api.useQuery("get", "/health", undefined, { refetchInterval: SLOW_REFRESH_MS });
}

export function useTodayMetrics() {
  return $api.useQuery("get", "/api/metrics", undefined, { refetchInterval: SLOW_REFRESH_MS });
}

/** Usage by day and repository over the last `days` days, today included. */
export function useDailyUsage(days: number) {
  const from = utcDay(Date.now() - (days - 1) * 86_400_000);
  return $api.useQuery("get", "/api/metrics/daily", { params: { query: { from } } });
}

export function useTasks() {
  return $api.useQuery("get", "/api/tasks", undefined, { refetchInterval: SLOW_REFRESH_MS });
}

export function useSettings() {
  return $api.useQuery("get", "/api/settings", undefined, { staleTime: SLOW_REFRESH_MS });
}

export function useItem(id: string) {
  return $api.useQuery("get", "/api/work/{id}", { params: { path: { id } } });
}

export function useExplanation(id: string, enabled = true) {
  return $api.useQuery(
    "get",
    "/api/work/{id}/explain",
    { params: { path: { id } } },
    { enabled, staleTime: SLOW_REFRESH_MS },
  );
}

/** The notes of an item, oldest first. */
export function useNotes(id: string) {
  return $api.useQuery("get", "/api/work/{id}/notes", { params: { path: { id } } });
}

/** The attempts at an item, newest first. */
export function useAttempts(id: string) {
  return $api.useInfiniteQuery(
    "get",
    "/api/work/{id}/timeline",
    { params: { path: { id } } },
    paging,
  );
}

/** The newest items, for their titles and for what happened lately. */
export function useNewestItems() {
  return $api.useQuery("get", "/api/work", { params: { query: { limit: 200 } } });
}

/** The newest attempts, live ones included: there are never more live workers than fit on one page. */
export function useNewestWorkers(refetchInterval?: number) {
  return $api.useQuery(
    "get",
    "/api/workers",
    { params: { query: { limit: 100 } } },
    { refetchInterval },
  );
}

/** Items with learnings compared with those without, in all and by repository. */
export function useLearningsUplift() {
  return $api.useQuery("get", "/api/learnings/uplift", undefined, {
    refetchInterval: SLOW_REFRESH_MS,
  });
}

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: fetchSession,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useLogOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: logOut,
    onSuccess: () => {
      client.clear();
      sessionExpired();
    },
  });
}
