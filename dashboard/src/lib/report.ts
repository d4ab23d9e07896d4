/** A report of a background task in a line, such as `expired 2 · events dropped 1`. Zeros and empty values are left out. */
export function summarizeReport(report: unknown): string {
  return leavesOf(report, []).join(" · ");
}

function leavesOf(value: unknown, path: readonly string[]): string[] {
  if (Array.isArray(value)) {
    return value.length === 0 ? [] : [label(path, value.length)];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, part]) => leavesOf(part, [...path, words(key)]));
  }
  return value ? [label(path, value === true ? "" : String(value))] : [];
}

function label(path: readonly string[], value: string | number): string {
  return [...path, String(value)].filter((part) => part !== "").join(" ");
}

/** `stillThere` and `still_there` become `still there`. */
function words(key: string): string {
  return key
    .replaceAll("_", " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
}
