import { useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from "react";
import { sessionExpired } from "@/api/session";
import { type Activity, ActivityStore } from "./activity";
import { LiveCache } from "./cache";
import { LiveConnection, type LiveState } from "./connection";
import { Refresher } from "./refresher";
import { type TranscriptListener, TranscriptSignals } from "./transcript-signals";

interface Live {
  connection: LiveConnection;
  activity: ActivityStore;
  transcripts: TranscriptSignals;
}

const LiveContext = createContext<Live | undefined>(undefined);

/** How long a tab stays subscribed after it was hidden: a short look elsewhere costs no reconnect. */
const HIDDEN_GRACE_MS = 10_000;

export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [live] = useState<Live>(() => {
    const activity = new ActivityStore();
    const transcripts = new TranscriptSignals();
    const cache = new LiveCache(client, activity, new Refresher(client));
    const connection = new LiveConnection({
      onEvent: (event) => {
        cache.apply(event);
        if (event.kind === "transcript") transcripts.grown(event);
        if (event.kind === "lagged") transcripts.gap();
      },
      onReconnect: () => {
        cache.refreshAll();
        transcripts.gap();
      },
      onUnauthorized: sessionExpired,
    });
    return { connection, activity, transcripts };
  });

  useEffect(() => {
    const { connection } = live;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onVisibility = () => {
      clearTimeout(timer);
      if (document.visibilityState === "visible") connection.resume();
      else timer = setTimeout(() => connection.pause(), HIDDEN_GRACE_MS);
    };
    const onOnline = () => connection.retryNow();
    connection.start();
    onVisibility();
    document.addEventListener("visibilitychange", onVisibility);
    window.addEventListener("online", onOnline);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
      window.removeEventListener("online", onOnline);
      connection.stop();
    };
  }, [live]);

  return <LiveContext value={live}>{children}</LiveContext>;
}

function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error("useLive needs a LiveProvider");
  return live;
}

export function useLiveState(): LiveState {
  const { connection } = useLive();
  return useSyncExternalStore(connection.subscribe, connection.getState);
}

export function useRetryNow(): () => void {
  const { connection } = useLive();
  return useCallback(() => connection.retryNow(), [connection]);
}

/** What the worker does at this moment; `undefined` until it reports something. */
export function useActivity(workerId: string): Activity | undefined {
  const { activity } = useLive();
  const subscribe = useCallback(
    (listener: () => void) => activity.subscribe(workerId, listener),
    [activity, workerId],
  );
  return useSyncExternalStore(subscribe, () => activity.get(workerId));
}

/** Calls `listener` when the transcript of an attempt has grown, or may have. It has to keep its identity. */
export function useTranscriptSignals(
  workItemId: string,
  leaseEpoch: number,
  listener: TranscriptListener,
): void {
  const { transcripts } = useLive();
  useEffect(
    () => transcripts.subscribe(workItemId, leaseEpoch, listener),
    [transcripts, workItemId, leaseEpoch, listener],
  );
}
