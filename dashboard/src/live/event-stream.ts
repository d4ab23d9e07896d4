import { createParser } from "eventsource-parser";
import { errorFromResponse } from "@/api/errors";
import type { SubscriberEvent } from "@/api/types";

export interface StreamHandlers {
  onOpen(): void;
  onEvent(event: SubscriberEvent, id: string | undefined): void;
}

/** The server sends a comment every 15 s; a stream that is silent for longer is dead. */
const SILENCE_MS = 40_000;

const KINDS: ReadonlySet<string> = new Set<SubscriberEvent["kind"]>([
  "item",
  "worker",
  "worker_event",
  "transcript",
  "diff",
  "note_added",
  "note_delivered",
  "lagged",
]);

/**
 * Reads `/api/events` until the stream ends, `signal` aborts, or it stays silent.
 *
 * `fetch` rather than `EventSource`: the latter hides the status (a refusal cannot be distinguished from an outage) and the keep-alive
 * comments, and has a fixed delay between attempts.
 */
export async function readEvents(
  lastEventId: string | undefined,
  signal: AbortSignal,
  handlers: StreamHandlers,
): Promise<void> {
  const watchdog = new AbortController();
  const either = AbortSignal.any([signal, watchdog.signal]);
  let timer = setTimeout(() => watchdog.abort(), SILENCE_MS);
  try {
    const response = await fetch("/api/events", {
      headers: lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId },
      signal: either,
    });
    if (!response.ok || !response.body) throw await errorFromResponse(response);
    handlers.onOpen();
    const parser = createParser({
      onEvent: ({ data, id }) => {
        const event = parseEvent(data);
        if (event) handlers.onEvent(event, id);
      },
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => watchdog.abort(), SILENCE_MS);
      parser.feed(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Kinds that a newer orchestrator may send are skipped. */
export function parseEvent(data: string): SubscriberEvent | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return isEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isEvent(value: unknown): value is SubscriberEvent {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    typeof value.kind === "string" &&
    KINDS.has(value.kind)
  );
}
