import type { Virtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useState } from "react";

const NEAR_END_PX = 60;

/** Keeps the end of the list in view until the person scrolls up, and again once they return to it. */
export function useFollow(
  scroller: RefObject<HTMLElement | null>,
  virtualizer: Virtualizer<HTMLElement, Element>,
  initial: boolean,
): { following: boolean; follow: (value: boolean) => void } {
  const [following, follow] = useState(initial);
  const size = virtualizer.getTotalSize();
  const { count } = virtualizer.options;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the end moves with the count and with measured heights.
  useEffect(() => {
    if (following && count > 0) virtualizer.scrollToIndex(count - 1, { align: "end" });
  }, [following, count, size, virtualizer]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const atEnd = () =>
      element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
    const onIntent = () => requestAnimationFrame(() => follow(atEnd()));
    const onScroll = () => {
      if (atEnd()) follow(true);
    };
    // Only these are movements by a person: heights that are measured move the end as well.
    element.addEventListener("wheel", onIntent, { passive: true });
    element.addEventListener("touchmove", onIntent, { passive: true });
    element.addEventListener("keydown", onIntent);
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      element.removeEventListener("wheel", onIntent);
      element.removeEventListener("touchmove", onIntent);
      element.removeEventListener("keydown", onIntent);
      element.removeEventListener("scroll", onScroll);
    };
  }, [scroller]);

  return { following, follow };
}
