import { Button } from "@mantine/core";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useRef, useState } from "react";
import type { WorkItem } from "@/api/types";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { plural } from "@/lib/format";
import { matches, type QueueSearch } from "./filter";
import classes from "./ItemList.module.css";
import { ItemRow } from "./ItemRow";
import { useItems } from "./useItems";

const ROW_HEIGHT = 69;

export function ItemList({ search }: { search: QueueSearch }) {
  const query = useItems(search);
  return (
    <section className={classes.panel} aria-label="Items">
      <Loaded
        query={query}
        what="The items"
        skeleton={<SkeletonRows rows={8} height={ROW_HEIGHT} />}
      >
        {(items) => {
          const shown = items.filter((item) => matches(item, search));
          return (
            <>
              {shown.length === 0 ? (
                <NoItems search={search} loaded={items.length} />
              ) : (
                <Rows items={shown} />
              )}
              <footer className={classes.foot}>
                <span>
                  {shown.length === items.length
                    ? plural(items.length, "item")
                    : `${shown.length} of ${plural(items.length, "loaded item")}`}
                </span>
                {query.hasNextPage && (
                  <Button
                    variant="default"
                    size="xs"
                    loading={query.isFetchingNextPage}
                    onClick={() => void query.fetchNextPage()}
                  >
                    Load more
                  </Button>
                )}
              </footer>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function NoItems({ search, loaded }: { search: QueueSearch; loaded: number }) {
  if (loaded > 0)
    return (
      <EmptyState title="No loaded item matches">
        Change the filters, or load more items.
      </EmptyState>
    );
  if ((search.view ?? "waiting") === "waiting") {
    return (
      <EmptyState title="Nothing waits">Put the label on an issue, or add work here.</EmptyState>
    );
  }
  return <EmptyState title="No such item" />;
}

function Rows({ items }: { items: WorkItem[] }) {
  const list = useRef<HTMLUListElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => setOffset(list.current?.offsetTop ?? 0), []);
  const virtualizer = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
    scrollMargin: offset,
    getItemKey: (index) => items[index]?.id ?? index,
  });
  return (
    <ul ref={list} className={classes.rows} style={{ height: virtualizer.getTotalSize() }}>
      {virtualizer.getVirtualItems().map((row) => {
        const item = items[row.index];
        return (
          item && (
            <li
              key={row.key}
              ref={virtualizer.measureElement}
              data-index={row.index}
              className={classes.row}
              style={{ transform: `translateY(${row.start - offset}px)` }}
            >
              <ItemRow item={item} />
            </li>
          )
        );
      })}
    </ul>
  );
}
