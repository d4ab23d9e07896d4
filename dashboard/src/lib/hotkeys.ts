export const PAGES = [
  { key: "o", path: "/", label: "Overview" },
  { key: "w", path: "/workers", label: "Workers" },
  { key: "q", path: "/queue", label: "Queue" },
  { key: "l", path: "/learnings", label: "Learnings" },
  { key: "m", path: "/metrics", label: "Metrics" },
  { key: "s", path: "/system", label: "System" },
] as const;

export type PagePath = (typeof PAGES)[number]["path"];

export type HotkeyAction =
  | { kind: "go"; path: PagePath }
  | { kind: "search" }
  | { kind: "help" }
  | { kind: "move"; by: 1 | -1 };

/** Time in which the second key of `g q` is expected. */
export const SEQUENCE_MS = 1_200;

export interface Keystroke {
  key: string;
  /** Ctrl, Alt or Meta is held: the browser's or the system's shortcut. */
  modified: boolean;
  /** The focus is where text is typed. */
  typing: boolean;
  at: number;
}

/** Recognises shortcuts in a stream of keystrokes. */
export class HotkeyParser {
  private prefixAt: number | undefined;

  next({ key, modified, typing, at }: Keystroke): HotkeyAction | undefined {
    const awaited = this.prefixAt !== undefined && at - this.prefixAt <= SEQUENCE_MS;
    this.prefixAt = undefined;
    if (modified || typing) return undefined;
    if (awaited) {
      const page = PAGES.find((candidate) => candidate.key === key);
      if (page) return { kind: "go", path: page.path };
    }
    switch (key) {
      case "g":
        this.prefixAt = at;
        return undefined;
      case "/":
        return { kind: "search" };
      case "?":
        return { kind: "help" };
      case "j":
        return { kind: "move", by: 1 };
      case "k":
        return { kind: "move", by: -1 };
      default:
        return undefined;
    }
  }
}
