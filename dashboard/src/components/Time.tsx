import { useEffect, useRef } from "react";
import { useNow } from "@/lib/clock";
import { formatDuration, formatExact, formatRelative, secondsBetween } from "@/lib/time";

/** `4 min ago`, with the exact time on hover. */
export function RelativeTime({ at }: { at: string }) {
  const now = useNow("coarse");
  return (
    <time dateTime={at} title={formatExact(at)}>
      {formatRelative(at, now)}
    </time>
  );
}

/** Time since `since`, or between both. */
export function Elapsed({ since, until }: { since: string; until?: string | null }) {
  return until ? <Span seconds={secondsBetween(since, until)} /> : <Running since={since} />;
}

function Running({ since }: { since: string }) {
  return <Span seconds={secondsBetween(since, useNow())} />;
}

function Span({ seconds }: { seconds: number }) {
  return <span className="tabular">{formatDuration(seconds)}</span>;
}

/** Time left until `to`. Calls `onEnd` once when it is over. */
export function Countdown({ to, onEnd }: { to: string; onEnd?: () => void }) {
  const left = (Date.parse(to) - useNow()) / 1000;
  const over = left <= 0;
  const latestOnEnd = useRef(onEnd);
  useEffect(() => {
    latestOnEnd.current = onEnd;
  }, [onEnd]);
  useEffect(() => {
    if (over) latestOnEnd.current?.();
  }, [over]);
  return (
    <time dateTime={to} title={formatExact(to)}>
      {over ? "now" : formatDuration(Math.ceil(left))}
    </time>
  );
}
