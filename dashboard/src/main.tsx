import "./theme/fonts.css";
import "./theme/mantine.css";
import "virtual:theme.css";
import "./theme/tokens.css";
import "./theme/global.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/errors";
import { router } from "./router";
import { theme } from "./theme/theme";

const Notifications = lazy(() => import("./components/Notifications"));

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // Events keep the data current; a page that is opened again shows it at once and refreshes it.
      staleTime: 15_000,
      retry: (failures, error) => failures < 2 && error instanceof ApiError && error.unreachable,
      refetchOnWindowFocus: false,
      // The browser may be offline while the dashboard runs on the same machine.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element #root");

createRoot(root).render(
  <StrictMode>
    {/* The stylesheet has the variables and classes that these would insert as `<style>` elements. */}
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={client}>
        <Suspense>
          <Notifications />
        </Suspense>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
