import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "@/api/errors";
import type { SubscriberEvent } from "@/api/types";
import { LiveConnection } from "./connection";
import type { StreamHandlers } from "./event-stream";

interface Attempt {
  lastEventId: string | undefined;
  signal: AbortSignal;
  handlers: StreamHandlers;
  end(): void;
  fail(error: Error): void;
}

const worker: SubscriberEvent = {
  kind: "worker",
  occurredAt: "2026-11-28T12:00:00Z",
  workerId: "w",
  workItemId: "i",
  leaseEpoch: 1,
  status: "running",
};

function world() {
  const attempts: Attempt[] = [];
  const handlers = { onEvent: vi.fn(), onReconnect: vi.fn(), onUnauthorized: vi.fn() };
  const connection = new LiveConnection(
    handlers,
    (lastEventId, signal, stream) =>
      new Promise<void>((resolve, reject) => {
        attempts.push({ lastEventId, signal, handlers: stream, end: resolve, fail: reject });
      }),
    () => 1000,
  );
  const latest = (): Attempt => {
    const attempt = attempts.at(-1);
    if (!attempt) throw new Error("no attempt was made");
    return attempt;
  };
  return { attempts, handlers, connection, latest };
}

describe("LiveConnection", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("resumes after the last event and reports the gap", async () => {
    const { attempts, handlers, connection, latest } = world();
    connection.start();
    latest().handlers.onOpen();
    latest().handlers.onEvent(worker, "41");
    expect(connection.getState().kind).toBe("live");
    expect(handlers.onReconnect).not.toHaveBeenCalled();

    latest().end();
    await vi.advanceTimersByTimeAsync(0);
    expect(connection.getState().kind).toBe("lost");
    await vi.advanceTimersByTimeAsync(1000);
    expect(attempts).toHaveLength(2);
    expect(latest().lastEventId).toBe("41");
    latest().handlers.onOpen();
    expect(connection.getState().kind).toBe("live");
    expect(handlers.onReconnect).toHaveBeenCalledOnce();
  });

  it("keeps the time at which the connection was lost over several attempts", async () => {
    const { connection, latest } = world();
    connection.start();
    latest().fail(new Error("down"));
    await vi.advanceTimersByTimeAsync(0);
    const first = connection.getState();
    await vi.advanceTimersByTimeAsync(1000);
    latest().fail(new Error("down"));
    await vi.advanceTimersByTimeAsync(0);
    expect(first).toMatchObject({ kind: "lost" });
    expect(connection.getState()).toMatchObject({
      kind: "lost",
      since: "since" in first ? first.since : 0,
    });
  });

  it("does nothing while the tab is hidden, and connects at once afterwards", async () => {
    const { attempts, connection, latest } = world();
    connection.start();
    const { signal } = latest();
    connection.pause();
    expect(signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toHaveLength(1);
    connection.resume();
    expect(attempts).toHaveLength(2);
  });

  it("does not retry without a session", async () => {
    const { attempts, handlers, connection, latest } = world();
    connection.start();
    latest().fail(new ApiError(401, "unauthorized", "log in"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toHaveLength(1);
    expect(handlers.onUnauthorized).toHaveBeenCalledOnce();
  });

  it("requests dropped events again from the last one received", () => {
    const { attempts, handlers, connection, latest } = world();
    connection.start();
    latest().handlers.onOpen();
    latest().handlers.onEvent(worker, "7");
    latest().handlers.onEvent({ kind: "lagged", droppedCount: 3 }, undefined);
    expect(attempts).toHaveLength(2);
    expect(latest().lastEventId).toBe("7");
    expect(handlers.onEvent).toHaveBeenCalledOnce();
  });
});
