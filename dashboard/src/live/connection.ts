import { ApiError } from "@/api/errors";
import type { SubscriberEvent } from "@/api/types";
import { reconnectDelay } from "./backoff";
import { readEvents } from "./event-stream";

export type LiveState =
  | { kind: "connecting" }
  | { kind: "live" }
  /** Not connected since `since` (ms); the next attempt is at `retryAt`, or under way. */
  | { kind: "lost"; since: number; retryAt: number | null; reason: string }
  /** The tab is hidden: nothing is received, and nothing is displayed. */
  | { kind: "paused" };

export interface ConnectionHandlers {
  onEvent(event: SubscriberEvent): void;
  /** After a gap: whatever is displayed may be out of date. */
  onReconnect(): void;
  onUnauthorized(): void;
}

type Read = typeof readEvents;

/** One subscription of `/api/events` for the whole page: reconnects by itself, and pauses while the tab is hidden. */
export class LiveConnection {
  private state: LiveState = { kind: "connecting" };
  private readonly listeners = new Set<() => void>();
  private lastEventId: string | undefined;
  private attempt = 0;
  private opened = false;
  private abort: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly handlers: ConnectionHandlers,
    private readonly read: Read = readEvents,
    private readonly delay: (attempt: number) => number = reconnectDelay,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getState = (): LiveState => this.state;

  start(): void {
    if (this.abort) return;
    void this.run();
  }

  stop(): void {
    this.abort?.abort();
    this.abort = undefined;
    clearTimeout(this.timer);
  }

  pause(): void {
    this.stop();
    this.set({ kind: "paused" });
  }

  resume(): void {
    if (this.state.kind !== "paused") return;
    this.attempt = 0;
    this.set({ kind: "connecting" });
    this.start();
  }

  /** Skips the rest of the delay. */
  retryNow(): void {
    if (this.state.kind !== "lost" || this.state.retryAt === null) return;
    this.stop();
    this.start();
  }

  private async run(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    if (this.state.kind === "lost") this.set({ ...this.state, retryAt: null });
    let reason = "The connection was closed.";
    try {
      await this.read(this.lastEventId, abort.signal, {
        onOpen: () => this.onOpen(),
        onEvent: (event, id) => this.onEvent(event, id),
      });
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return this.handlers.onUnauthorized();
      reason = error instanceof ApiError ? error.message : "The server does not answer.";
    }
    if (!abort.signal.aborted) this.retryLater(reason);
  }

  private onOpen(): void {
    const gap = this.opened;
    this.opened = true;
    this.attempt = 0;
    this.set({ kind: "live" });
    if (gap) this.handlers.onReconnect();
  }

  private onEvent(event: SubscriberEvent, id: string | undefined): void {
    // Dropped events have no identifier: a reconnect from the last one receives them.
    if (event.kind === "lagged" && event.droppedCount != null) {
      this.stop();
      this.start();
      return;
    }
    if (id !== undefined) this.lastEventId = id;
    this.handlers.onEvent(event);
  }

  private retryLater(reason: string): void {
    this.abort = undefined;
    const delay = this.delay(this.attempt);
    this.attempt += 1;
    const since = this.state.kind === "lost" ? this.state.since : Date.now();
    this.set({ kind: "lost", since, retryAt: Date.now() + delay, reason });
    this.timer = setTimeout(() => void this.run(), delay);
  }

  private set(state: LiveState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
