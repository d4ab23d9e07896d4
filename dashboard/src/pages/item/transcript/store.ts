import type { TranscriptEntry, TranscriptPage } from "@/api/types";

/** Entries in one request. */
export const PAGE_SIZE = 100;
/** Pages that are kept; those longest unused are forgotten, so that memory stays bounded. */
const MAX_PAGES = 40;

export type FetchPage = (after: number, limit: number) => Promise<TranscriptPage>;

interface PageState {
  entries: TranscriptEntry[];
  usedAt: number;
}

/** What the store knows at one moment; a new object after each change. */
export interface TranscriptSnapshot {
  /** Number of the oldest stored entry. */
  first: number;
  /** Number of the newest stored entry; 0 without any. */
  last: number;
  /** Whether the bounds are known. */
  loaded: boolean;
  error: unknown;
}

/**
 * The entries of one attempt, read in pages where they are needed. Entries are numbered without gaps, so any place of a
 * long transcript can be shown without reading what is before it.
 */
export class TranscriptStore {
  private snapshot: TranscriptSnapshot = { first: 1, last: 0, loaded: false, error: null };
  private readonly pages = new Map<number, PageState>();
  private readonly loading = new Set<number>();
  private readonly listeners = new Set<() => void>();
  private uses = 0;

  constructor(
    private readonly fetchPage: FetchPage,
    private readonly maxPages = MAX_PAGES,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): TranscriptSnapshot => this.snapshot;

  entry(number: number): TranscriptEntry | undefined {
    const page = this.pages.get(pageOf(number));
    return page?.entries[number - firstOf(pageOf(number))];
  }

  /** Reads the bounds. */
  async open(): Promise<void> {
    try {
      this.learn(await this.fetchPage(0, 1));
    } catch (error) {
      this.change({ error });
    }
  }

  /** Entries up to `last` can be read; without a number there may be more. */
  readonly onSignal = (last: number | undefined): void => {
    if (last === undefined) void this.open();
    else if (last > this.snapshot.last) this.change({ last });
  };

  /** Reads what is missing between both numbers, inclusive. After an error nothing is read until `retry`. */
  ensure(from: number, to: number): void {
    const { first, last, error } = this.snapshot;
    if (error !== null) return;
    for (let page = pageOf(Math.max(from, first)); page <= pageOf(Math.min(to, last)); page += 1) {
      this.touch(page);
      if (this.missing(page) !== undefined && !this.loading.has(page)) void this.load(page);
    }
  }

  retry(): void {
    this.change({ error: null });
    if (!this.snapshot.loaded) void this.open();
  }

  /** Number of the first entry of the page that was not read; `undefined` if it is complete. */
  private missing(page: number): number | undefined {
    const { first, last } = this.snapshot;
    const stored = this.pages.get(page)?.entries.length ?? 0;
    const next = Math.max(firstOf(page) + stored, page === pageOf(first) ? first : 0);
    return next <= Math.min(last, firstOf(page) + PAGE_SIZE - 1) ? next : undefined;
  }

  private async load(page: number): Promise<void> {
    this.loading.add(page);
    try {
      // A response may end early, because its size is limited.
      for (let next = this.missing(page); next !== undefined; ) {
        const response = await this.fetchPage(next - 1, firstOf(page) + PAGE_SIZE - next);
        if (response.items.length === 0) {
          this.change({ last: next - 1 });
          break;
        }
        this.store(page, response.items);
        this.learn(response);
        next = this.missing(page);
      }
    } catch (error) {
      this.change({ error });
    } finally {
      this.loading.delete(page);
    }
  }

  private store(page: number, items: TranscriptEntry[]): void {
    const state = this.touch(page);
    const entries = [...state.entries];
    for (const item of items) entries[item.number - firstOf(page)] = item;
    state.entries = entries;
    this.forget();
  }

  private touch(page: number): PageState {
    const state = this.pages.get(page) ?? { entries: [], usedAt: 0 };
    this.uses += 1;
    state.usedAt = this.uses;
    this.pages.set(page, state);
    return state;
  }

  private forget(): void {
    const oldest = [...this.pages].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [page] of oldest.slice(0, Math.max(0, oldest.length - this.maxPages)))
      this.pages.delete(page);
  }

  private learn({ firstNumber, lastNumber }: TranscriptPage): void {
    const last = Math.max(lastNumber, this.snapshot.last);
    this.change({ first: firstNumber ?? 1, last, loaded: true, error: null });
  }

  private change(fields: Partial<TranscriptSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...fields };
    for (const listener of this.listeners) listener();
  }
}

function pageOf(number: number): number {
  return Math.floor((number - 1) / PAGE_SIZE);
}

function firstOf(page: number): number {
  return page * PAGE_SIZE + 1;
}
