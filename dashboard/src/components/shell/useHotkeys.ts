import { useNavigate, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { type HotkeyAction, HotkeyParser } from "@/lib/hotkeys";

/** Shortcuts of every page. Rows to move between have `data-row`, the page's search field has `data-search`. */
export function useGlobalHotkeys(onHelp: () => void): void {
  const navigate = useNavigate();
  const router = useRouter();
  useEffect(() => {
    const parser = new HotkeyParser();
    const run = (action: HotkeyAction): void => {
      switch (action.kind) {
        case "go":
          void navigate({ to: action.path });
          break;
        case "search":
          if (!focusSearch())
            void navigate({ to: "/queue" }).then(() => requestAnimationFrame(focusSearch));
          break;
        case "help":
          onHelp();
          break;
        case "move":
          moveFocus(action.by);
          break;
      }
    };
    const onKeyDown = (event: KeyboardEvent): void => {
      const action = parser.next({
        key: event.key,
        modified: event.ctrlKey || event.altKey || event.metaKey,
        typing: isTyping(event.target) || isDialogOpen(),
        at: event.timeStamp,
      });
      if (!action) return;
      event.preventDefault();
      run(action);
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [navigate, onHelp]);

  // A new page starts at its beginning for keyboards and screen readers too.
  useEffect(
    () =>
      router.subscribe("onResolved", ({ pathChanged, fromLocation }) => {
        if (pathChanged && fromLocation)
          document.getElementById("main")?.focus({ preventScroll: true });
      }),
    [router],
  );
}

function focusSearch(): boolean {
  const field = document.querySelector<HTMLElement>("[data-search]");
  field?.focus();
  return field !== null;
}

function moveFocus(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("#main [data-row]")];
  const focused = document.activeElement;
  const current = focused instanceof HTMLElement ? rows.indexOf(focused) : -1;
  const next = current === -1 ? (by === 1 ? 0 : rows.length - 1) : current + by;
  const row = rows[next];
  row?.focus();
  row?.scrollIntoView({ block: "nearest" });
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select"))
  );
}

function isDialogOpen(): boolean {
  return document.querySelector('[role="dialog"]') !== null;
}
