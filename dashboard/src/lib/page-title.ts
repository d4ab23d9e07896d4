import { useEffect } from "react";

export type PageState = "idle" | "running" | "attention" | "stale";

/** Sets the title of the tab. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Whim`;
  }, [title]);
}

/** Shows the state in the tab's icon. */
export function useFavicon(state: PageState): void {
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    const href = `/favicon-${state}.svg`;
    if (link && link.getAttribute("href") !== href) link.setAttribute("href", href);
  }, [state]);
}
