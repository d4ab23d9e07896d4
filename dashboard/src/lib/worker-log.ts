import * as v from "valibot";
import { formatClock } from "./time";

const Line = v.looseObject({ timestamp: v.string(), level: v.string(), message: v.string() });

/** Fields of every line that say nothing about it. */
const COMMON = new Set(["timestamp", "level", "message", "service", "target"]);

/** Makes a line of the worker's JSON log readable; other lines stay as they are. */
export function readableLine(line: string): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Line), line);
  if (!parsed.success || Number.isNaN(Date.parse(parsed.output.timestamp))) return line;
  const { timestamp, level, message } = parsed.output;
  const fields = Object.entries(parsed.output)
    .filter(([name]) => !COMMON.has(name))
    .map(
      ([name, value]) => ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
  return `${formatClock(timestamp)} ${level.padEnd(5)} ${message}${fields.join("")}`;
}

export function readableLog(text: string): string {
  return text.split("\n").map(readableLine).join("\n");
}
