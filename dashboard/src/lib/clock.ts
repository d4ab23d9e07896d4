import { useSyncExternalStore } from "react";

/** One timer for all components that show the same time; it stops without a component that uses it, and while the tab is hidden. */
class Clock {
  private now = Date.now();
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly periodMs: number) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.start();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.stop();
    };
  };

  readonly get = (): number => this.now;

  private start(): void {
    document.addEventListener("visibilitychange", this.onVisibility);
    this.onVisibility();
  }

  private stop(): void {
    document.removeEventListener("visibilitychange", this.onVisibility);
    clearInterval(this.timer);
  }

  private readonly onVisibility = (): void => {
    clearInterval(this.timer);
    if (document.visibilityState === "hidden") return;
    this.tick();
    this.timer = setInterval(this.tick, this.periodMs);
  };

  private readonly tick = (): void => {
    this.now = Date.now();
    for (const listener of this.listeners) listener();
  };
}

const seconds = new Clock(1_000);
const coarse = new Clock(10_000);

/** Milliseconds since 1970, updated every second, or every ten with `coarse`. */
export function useNow(precision: "second" | "coarse" = "second"): number {
  const clock = precision === "second" ? seconds : coarse;
  return useSyncExternalStore(clock.subscribe, clock.get);
}
