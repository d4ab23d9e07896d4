import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { sessionOfLoopback } from "./vite/session.ts";
import { themeCss } from "./vite/theme-css.ts";

/** Where `npm run dev` and `npm run preview` forward the API to: an orchestrator, with its key if it has one. */
const target = process.env.WHIM_URL ?? "http://127.0.0.1:3002";
const key = process.env.WHIM_API_KEY;
const upstream = { target, headers: key ? { authorization: `Bearer ${key}` } : undefined };
const proxy = { "/api": upstream, "/health": upstream };

/** The policy that `whim-dashboard` sets; `npm run preview` shows what it would refuse. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export default defineConfig({
  plugins: [react(), themeCss(), sessionOfLoopback()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { host: "127.0.0.1", proxy },
  preview: { host: "127.0.0.1", proxy, headers: { "Content-Security-Policy": policy } },
  build: {
    manifest: true,
    target: "es2023",
    // The policy of the page (`img-src`, `font-src`) allows files of this origin only.
    assetsInlineLimit: 0,
  },
});
