import { Button, Skeleton } from "@mantine/core";
import { IconArrowDown } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState } from "react";
import { ScrollRegion } from "@/components/ScrollRegion";
import classes from "./EntryList.module.css";
import { EntryRow } from "./EntryRow";
import type { TranscriptSnapshot, TranscriptStore } from "./store";
import { useFollow } from "./useFollow";

const ROW_HEIGHT = 34;
/** Rows above and below the visible ones that are read ahead. */
const READ_AHEAD = 60;

interface EntryListProps {
  store: TranscriptStore;
  snapshot: TranscriptSnapshot;
  attempt: number;
  /** Entry to scroll to and to mark. */
  target: number | undefined;
  live: boolean;
}

export function EntryList({ store, snapshot, attempt, target, live }: EntryListProps) {
  const { first, last } = snapshot;
  const scroller = useRef<HTMLDivElement>(null);
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const virtualizer = useVirtualizer<HTMLElement, Element>({
    count: Math.max(0, last - first + 1),
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => first + index,
    overscan: 12,
  });
  const { following, follow } = useFollow(scroller, virtualizer, live && target === undefined);

  useEffect(() => {
    if (target === undefined) return;
    follow(false);
    virtualizer.scrollToIndex(target - first, { align: "center" });
  }, [target, first, virtualizer, follow]);

  const rows = virtualizer.getVirtualItems();
  const from = first + (rows[0]?.index ?? 0);
  const to = first + (rows.at(-1)?.index ?? 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed transcript may have more to read at the same place.
  useEffect(() => store.ensure(from - READ_AHEAD, to + READ_AHEAD), [store, from, to, snapshot]);

  const toggle = useCallback((number: number) => {
    setOpened((before) => {
      const after = new Set(before);
      if (!after.delete(number)) after.add(number);
      return after;
    });
  }, []);

  return (
    <div className={classes.frame}>
      <ScrollRegion ref={scroller} className={classes.scroller} label="Transcript">
        <ol className={classes.rows} style={{ height: virtualizer.getTotalSize() }}>
          {rows.map((row) => {
            const number = first + row.index;
            const entry = store.entry(number);
            return (
              <li
                key={row.key}
                ref={virtualizer.measureElement}
                data-index={row.index}
                className={classes.row}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                {entry ? (
                  <EntryRow
                    entry={entry}
                    attempt={attempt}
                    marked={number === target}
                    opened={opened.has(number)}
                    onToggle={toggle}
                  />
                ) : (
                  <div className={classes.pending}>
                    <Skeleton height={14} width={`${40 + ((number * 7) % 40)}%`} />
                  </div>
                )}
              </li>
            );
          })}
        </ol>
      </ScrollRegion>
      {!following && (
        <Button
          className={classes.toEnd}
          size="xs"
          variant="default"
          leftSection={<IconArrowDown size={14} aria-hidden />}
          onClick={() => follow(true)}
        >
          {live ? "Follow" : "To the end"}
        </Button>
      )}
    </div>
  );
}
