const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `12s`, `4m 05s`, `2h 07m`, `3d 4h`. Negative durations count as zero. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${pad(whole % MINUTE)}s`;
  if (whole < DAY)
    return `${Math.floor(whole / HOUR)}h ${pad(Math.floor((whole % HOUR) / MINUTE))}m`;
  return `${Math.floor(whole / DAY)}d ${Math.floor((whole % DAY) / HOUR)}h`;
}

/** The duration of something that has ended: with a decimal below ten seconds, such as `0.4s`. */
export function formatShortDuration(seconds: number): string {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  return tenths < 100 ? `${(tenths / 10).toFixed(1)}s` : formatDuration(seconds);
}

/** One unit: `just now`, `4 min ago`, `in 2 h`, `3 d ago`. */
export function formatRelative(timestamp: string, now: number): string {
  const seconds = (now - Date.parse(timestamp)) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 10) return "just now";
  const text = oneUnit(distance);
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

function oneUnit(seconds: number): string {
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** Local date, time and zone. */
export function formatExact(timestamp: string): string {
  return exact.format(new Date(timestamp));
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** `14:03:59`, local time. */
export function formatClock(timestamp: string): string {
  return clock.format(new Date(timestamp));
}

export function secondsBetween(start: string, end: string | number): number {
  const endMs = typeof end === "number" ? end : Date.parse(end);
  return (endMs - Date.parse(start)) / 1000;
}

/** The UTC day of a time in milliseconds, as `2026-11-28`. */
export function utcDay(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

const dayFormat = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});

/** A UTC day such as `2026-11-28`, in the reader's notation. */
export function formatUtcDay(day: string): string {
  return dayFormat.format(new Date(`${day}T00:00:00Z`));
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
