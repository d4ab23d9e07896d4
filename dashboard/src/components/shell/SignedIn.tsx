import { useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { onSessionExpired } from "@/api/session";
import { LiveProvider } from "@/live/LiveProvider";
import { Shell } from "./Shell";

/** All pages but the login. Leaves for it as soon as a request is refused for want of a session. */
export function SignedIn() {
  const router = useRouter();
  useEffect(
    () =>
      onSessionExpired(() => {
        // Several requests are refused at once: the later ones find the login as the location.
        const { pathname, href } = router.latestLocation;
        if (pathname === "/login") return;
        void router.navigate({ to: "/login", search: { next: href }, replace: true });
      }),
    [router],
  );
  return (
    <LiveProvider>
      <Shell />
    </LiveProvider>
  );
}
