import { useDisclosure } from "@mantine/hooks";
import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useAttention } from "@/api/attention";
import { useStatus } from "@/api/queries";
import { useFavicon } from "@/lib/page-title";
import { useLiveState } from "@/live/LiveProvider";
import { Navigation } from "./Navigation";
import classes from "./Shell.module.css";
import { StaleBanner } from "./StaleBanner";
import { useGlobalHotkeys } from "./useHotkeys";

const ShortcutsDialog = lazy(() => import("./ShortcutsDialog"));

export function Shell() {
  const [helpOpened, help] = useDisclosure(false);
  useGlobalHotkeys(help.open);
  useStateIcon();
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        Skip to the content
      </a>
      <Navigation onHelp={help.open} />
      <main id="main" className={classes.main} tabIndex={-1}>
        <div className={classes.content}>
          <StaleBanner />
          <Outlet />
        </div>
      </main>
      <Suspense>{helpOpened && <ShortcutsDialog onClose={help.close} />}</Suspense>
    </div>
  );
}

function useStateIcon(): void {
  const live = useLiveState();
  const { data: status } = useStatus();
  const attention = useAttention();
  const running = (status?.workers.active ?? 0) > 0;
  const state = attention.length > 0 ? "attention" : running ? "running" : "idle";
  useFavicon(live.kind === "lost" ? "stale" : state);
}
