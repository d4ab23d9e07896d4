import { $api } from "@/api/client";
import { paging } from "@/api/paging";
import type { WorkItem } from "@/api/types";
import { apiFilter, type QueueSearch } from "./filter";

const PAGE_SIZE = 60;

/** The items of a view, page by page. */
export function useItems(search: QueueSearch) {
  const waiting = (search.view ?? "waiting") === "waiting";
  const queue = $api.useInfiniteQuery(
    "get",
    "/api/queue",
    { params: { query: { limit: PAGE_SIZE } } },
    { ...paging, enabled: waiting },
  );
  const work = $api.useInfiniteQuery(
    "get",
    "/api/work",
    { params: { query: { ...apiFilter(search), limit: PAGE_SIZE } } },
    { ...paging, enabled: !waiting },
  );
  const query = waiting ? queue : work;
  const items: WorkItem[] | undefined = query.data?.pages.flatMap((page) => page.items);
  return { ...query, data: items };
}
