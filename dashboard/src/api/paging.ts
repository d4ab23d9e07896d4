/** Options of `useInfiniteQuery` for lists of the API. `null` is left out of the request: the first page has no cursor. */
export const paging = {
  pageParamName: "cursor",
  initialPageParam: null,
  getNextPageParam: (page: { nextCursor?: string | number | null }) => page.nextCursor ?? undefined,
};
