import { useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import { onSessionExpired } from "@/api/session";
import { LiveProvider } from "@/live/LiveProvider";
import { Shell } from "./Shell";

/** All pages but the login. Leaves for it as soon as a request is refused for want of a session. */
export function SignedIn() {
  const navigate = useNavigate();
  const here = useRouterState({ select: ({ location }) => location.href });
  useEffect(
    () =>
      onSessionExpired(
        () => void navigate({ to: "/login", search: { next: here }, replace: true }),
      ),
    [navigate, here],
  );
  return (
    <LiveProvider>
      <Shell />
    </LiveProvider>
  );
}
