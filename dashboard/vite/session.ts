import type { Connect, Plugin } from "vite";

/** Answers `GET /session` as `whim-dashboard` does on loopback, where an orchestrator is the upstream. */
export function sessionOfLoopback(): Plugin {
  const answer: Connect.SimpleHandleFunction = (_request, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ authenticated: true, loginRequired: false }));
  };
  return {
    name: "whim-session",
    configureServer: (server) => void server.middlewares.use("/session", answer),
    configurePreviewServer: (server) => void server.middlewares.use("/session", answer),
  };
}
