import { Button } from "@mantine/core";
import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { describeError } from "@/api/errors";
import { EmptyState } from "@/components/States";
import { usePageTitle } from "@/lib/page-title";

export function NotFoundPage() {
  usePageTitle("Page not found");
  return (
    <main id="main" tabIndex={-1}>
      <EmptyState title="This page does not exist">
        <Link to="/">Go to the overview</Link>
      </EmptyState>
    </main>
  );
}

/** A page that threw. After an upgrade of the server, the files of the loaded version are gone; loading again helps. */
export function CrashPage({ error, reset }: ErrorComponentProps) {
  usePageTitle("Something went wrong");
  return (
    <div role="alert">
      <EmptyState title="This page could not be shown">
        <p>{describeError(error)}</p>
        <Button variant="default" size="xs" mt="md" onClick={reset}>
          Try again
        </Button>{" "}
        <Button variant="default" size="xs" mt="md" onClick={() => window.location.reload()}>
          Reload the page
        </Button>
      </EmptyState>
    </div>
  );
}
