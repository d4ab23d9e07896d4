import { useMemo } from "react";
import { type Attention, attentionOf } from "@/lib/attention";
import { useNow } from "@/lib/clock";
import { $api } from "./client";
import { useStatus } from "./queries";

/** Failed items that are considered. */
const LIMIT = 100;

export function useFailedItems() {
  return $api.useQuery("get", "/api/work", {
    params: { query: { status: "failed", limit: LIMIT } },
  });
}

export function useAttention(): Attention[] {
  const { data: status } = useStatus();
  const { data: failed } = useFailedItems();
  const now = useNow("coarse");
  return useMemo(() => attentionOf(status, failed?.items ?? [], now), [status, failed, now]);
}
