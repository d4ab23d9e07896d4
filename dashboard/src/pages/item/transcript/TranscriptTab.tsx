import { NativeSelect } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { api } from "@/api/client";
import { useAttempts } from "@/api/queries";
import type { TimelineAttempt, WorkItem } from "@/api/types";
import { EmptyState, ErrorState, SkeletonRows } from "@/components/States";
import { formatInteger, plural } from "@/lib/format";
import { isLiveWorker, WORKER_STATUS } from "@/lib/statuses";
import { useTranscriptSignals } from "@/live/LiveProvider";
import { EntryList } from "./EntryList";
import { SearchBar } from "./SearchBar";
import { type FetchPage, TranscriptStore } from "./store";
import classes from "./TranscriptTab.module.css";

const route = getRouteApi("/shell/work/$id");

export function TranscriptTab({ item }: { item: WorkItem }) {
  const { attempt } = route.useSearch();
  if (item.leaseEpoch === 0) {
    return <EmptyState title="No transcript yet">It starts with the first attempt.</EmptyState>;
  }
  const shown = attempt ?? item.leaseEpoch;
  return <Attempt key={shown} item={item} attempt={shown} />;
}

function Attempt({ item, attempt }: { item: WorkItem; attempt: number }) {
  const { entry: target } = route.useSearch();
  const navigate = route.useNavigate();
  const fetchPage = useFetchPage(item.id, attempt);
  const store = useStore(fetchPage);
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot);
  useTranscriptSignals(item.id, attempt, store.onSignal);
  const live =
    attempt === item.leaseEpoch && (item.status === "in_progress" || item.status === "assigned");
  const goTo = (entry: number) =>
    void navigate({
      search: (previous) => ({ ...previous, tab: "transcript", attempt, entry }),
      replace: true,
      resetScroll: false,
    });
  const count = Math.max(0, snapshot.last - snapshot.first + 1);
  return (
    <>
      <div className={classes.tools}>
        <AttemptSelect item={item} attempt={attempt} />
        <SearchBar fetchPage={fetchPage} last={snapshot.last} target={target} onMatch={goTo} />
        <span className={classes.count}>{plural(count, "entry", "entries")}</span>
      </div>
      {snapshot.first > 1 && (
        <p className={classes.notice}>
          The first {formatInteger(snapshot.first - 1)} entries are older than the retention of
          transcripts.
        </p>
      )}
      {snapshot.error !== null && (
        <ErrorState
          title="The transcript could not be loaded"
          error={snapshot.error}
          onRetry={() => store.retry()}
        />
      )}
      {!snapshot.loaded && snapshot.error === null && <SkeletonRows rows={10} height={34} />}
      {snapshot.loaded &&
        (count === 0 ? (
          <EmptyState title={live ? "The agent has not said anything yet" : "No entries"} />
        ) : (
          <EntryList
            store={store}
            snapshot={snapshot}
            attempt={attempt}
            target={target}
            live={live}
          />
        ))}
    </>
  );
}

function useFetchPage(id: string, attempt: number): FetchPage {
  return useCallback(
    async (after, limit) => {
      const { data } = await api.GET("/api/work/{id}/transcript", {
        params: { path: { id }, query: { attempt, after, limit } },
      });
      if (!data) throw new Error("the response has no body");
      return data;
    },
    [id, attempt],
  );
}

function useStore(fetchPage: FetchPage): TranscriptStore {
  const store = useMemo(() => new TranscriptStore(fetchPage), [fetchPage]);
  useEffect(() => {
    void store.open();
  }, [store]);
  return store;
}

function AttemptSelect({ item, attempt }: { item: WorkItem; attempt: number }) {
  const navigate = route.useNavigate();
  const { data } = useAttempts(item.id);
  const attempts = data?.pages.flatMap((page) => page.items) ?? [];
  const known = attempts.some(({ leaseEpoch }) => leaseEpoch === attempt);
  const options = attempts.map((value) => ({
    value: String(value.leaseEpoch),
    label: labelOf(value),
  }));
  return (
    <NativeSelect
      size="xs"
      aria-label="Attempt"
      data={known ? options : [{ value: String(attempt), label: `Attempt ${attempt}` }, ...options]}
      value={String(attempt)}
      onChange={(event) =>
        void navigate({
          search: { tab: "transcript", attempt: Number(event.currentTarget.value) },
          replace: true,
          resetScroll: false,
        })
      }
    />
  );
}

function labelOf({ leaseEpoch, status }: TimelineAttempt): string {
  const state = isLiveWorker(status) ? "now" : WORKER_STATUS[status].label.toLowerCase();
  return `Attempt ${leaseEpoch}, ${state}`;
}
