import type { ReactNode, Ref } from "react";

interface ScrollRegionProps {
  label: string;
  className?: string;
  ref?: Ref<HTMLDivElement>;
  children: ReactNode;
}

/** A part of the page that scrolls by itself: keyboards reach it, and screen readers name it. */
export function ScrollRegion({ label, className, ref, children }: ScrollRegionProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for form controls, a section would be one landmark of many.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without a focus, a keyboard cannot scroll it.
    <div role="group" ref={ref} className={className} tabIndex={0} aria-label={label}>
      {children}
    </div>
  );
}
